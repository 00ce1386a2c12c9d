package soak_test

import (
	"os"
	"testing"

	"github.com/smartlogon/smartlogon/internal/leak"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(backendVariable); name != "" {
		os.Exit(runBackend(name))
	}
	leak.Main(m)
}
