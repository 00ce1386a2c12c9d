//go:build linux

package pcsc_test

import (
	"os"
	"testing"

	"github.com/smartlogon/smartlogon/internal/interop"
)

var pcscd *interop.PCSCD

func TestMain(m *testing.M) { os.Exit(interop.Main(m, &pcscd, name)) }
