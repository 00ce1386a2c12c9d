package sshagent_test

import (
	"io"
	"log"
	"testing"

	"github.com/smartlogon/smartlogon/internal/leak"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // of package agent
	leak.Main(m)
}
