//go:build linux

package pcsc_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Environment variables for TestPrintSystemError: the process cannot open files, or
// the call has a short timeout.
const (
	noFiles = "SMARTLOGON_TEST_NO_FILES"
	timeout = "SMARTLOGON_TEST_TIMEOUT"
)

// printError is the environment variable that turns TestPrintSystemError on.
const printError = "SMARTLOGON_TEST_PRINT_ERROR"

// TestPrintSystemError is run by TestSystemErrors in a process of its own, since
// libpcsclite reads the path of the socket once per process.
func TestPrintSystemError(t *testing.T) {
	if os.Getenv(printError) == "" {
		t.Skipf("run by TestSystemErrors: %s is not set", printError)
	}
	s := pcsc.Driver()
	defer s.Close()
	if os.Getenv(noFiles) != "" {
		// The runtime opens the file of its network poller at the first use.
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		var limit unix.Rlimit
		require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
		none := limit
		none.Cur = 3 // files that are open stay open
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
		defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) }()
	}
	ctx := t.Context()
	if os.Getenv(timeout) != "" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
	}
	_, err := s.Readers(ctx)
	fmt.Printf("error: %v\nhint: %s\n", err, card.Hint(err))
}

// Whatever the build uses to reach pcscd, the error must name the cause, and only an
// absent service is "not running".
func TestSystemErrors(t *testing.T) {
	stopped := pcsclite.Code(driver.ServiceStopped)
	respondVersion := func(major, minor uint32) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := pcsclite.ReadRequest(c); err == nil {
				_, _ = c.Write(pcsclite.Append(nil, &pcsclite.Version{Major: major, Minor: minor, Result: stopped}))
				_, _ = io.Copy(io.Discard, c)
			}
		}
	}
	for _, test := range []struct {
		name  string
		serve func(net.Conn) // nil: no socket
		env   string
		text  string
		hint  string
	}{
		{"no service", nil, "", driver.NoService.Error(), ""},
		{"user refused", func(net.Conn) {}, "", "access denied: pcscd at", "right to use pcscd"},
		{"newer version", respondVersion(4, 7), "", "speaks protocol version 4.7, want 4.4 to 4.6", "Update this program"},
		{"no response", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, timeout + "=1", "context deadline exceeded", ""},
		{"no free file", func(net.Conn) {}, noFiles + "=1", "too many open files", "ulimit -n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := systemError(t, test.serve, test.env)
			assert.Contains(t, out, test.text)
			assert.Contains(t, out, test.hint)
			if test.serve != nil {
				assert.NotContains(t, out, driver.NoService.Error())
			}
		})
	}
}

// systemError returns what TestPrintSystemError prints with a service on a socket.
func systemError(t *testing.T, serve func(net.Conn), env string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pcsc") // t.TempDir is too long for a socket
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	if serve != nil {
		l, err := net.Listen("unix", path)
		require.NoError(t, err)
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					serve(c)
				}()
			}
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestPrintSystemError$")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, interop.Switch+"=") })
	cmd.Env = append(cmd.Env, printError+"=1", "PCSCLITE_CSOCK_NAME="+path)
	if env != "" {
		cmd.Env = append(cmd.Env, env)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Run(), "%s", &out)
	return out.String()
}
