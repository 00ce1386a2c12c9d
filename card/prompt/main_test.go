package prompt_test

import (
	"os"
	"testing"

	"github.com/smartlogon/smartlogon/internal/leak"
)

func TestMain(m *testing.M) {
	if script := os.Getenv(scriptVariable); script != "" {
		runPinentry(script)
		return
	}
	leak.Main(m)
}
