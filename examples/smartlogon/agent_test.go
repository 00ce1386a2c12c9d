//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// startAgent runs the command and connects to it. stop returns what it has printed to
// standard error.
func startAgent(t *testing.T, soft *cardtest.Card, args ...string) (client agent.ExtendedAgent, stop func() string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("TEST_PIN", cardtest.PIN)
	readers := cardtest.NewReaders(soft)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr strings.Builder
	done := make(chan error, 1)
	go func() {
		env := &cli.Env{Stdout: w, Stderr: &stderr, Service: readers.Service}
		done <- run(ctx, env, append([]string{"ssh-agent", "-json", "-pin-env", "TEST_PIN"}, args...))
		w.Close()
	}()
	line, err := bufio.NewReader(r).ReadBytes('\n')
	require.NoError(t, err)
	var started struct{ Socket string }
	require.NoError(t, json.Unmarshal(line, &started))
	info, err := os.Stat(filepath.Dir(started.Socket))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	conn, err := net.Dial("unix", started.Socket)
	require.NoError(t, err)
	return agent.NewClient(conn), func() string {
		conn.Close()
		cancel()
		assert.NoError(t, <-done)
		assert.NoFileExists(t, started.Socket)
		assert.False(t, soft.Verified())
		assert.NoError(t, readers.Close())
		return stderr.String()
	}
}

// signWith signs a text with the only key.
func signWith(t *testing.T, client agent.ExtendedAgent) error {
	t.Helper()
	keys, err := client.List()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	text := append([]byte("SSHSIG"), ssh.Marshal(struct {
		Namespace, Reserved, Hash string
		Digest                    []byte
	}{"file", "", "sha512", make([]byte, 64)})...)
	signature, err := client.SignWithFlags(keys[0], text, agent.SignatureFlagRsaSha512)
	if err == nil {
		assert.NoError(t, keys[0].Verify(text, signature))
	}
	return err
}

func TestAgent(t *testing.T) {
	soft := cardtest.Logon("alice@example.com")
	client, stop := startAgent(t, soft, "-t", "1h")
	require.NoError(t, signWith(t, client))
	require.NoError(t, signWith(t, client))
	assert.Empty(t, stop())
	assert.Equal(t, 1, soft.PINs())

	client, stop = startAgent(t, cardtest.Logon("alice@example.com", cardtest.RetriesLeft(0)))
	assert.Error(t, signWith(t, client))
	assert.Contains(t, stop(), "PIN is blocked")

	t.Setenv("SSH_ASKPASS", "")
	client, stop = startAgent(t, cardtest.Logon("alice@example.com"), "-c")
	assert.Error(t, signWith(t, client))
	assert.Contains(t, stop(), "SSH_ASKPASS names no program")
}
