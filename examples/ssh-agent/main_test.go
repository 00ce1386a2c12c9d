//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/internal/leak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func TestMain(m *testing.M) { leak.Main(m) }

// start runs the program and connects to it. stop returns what it has printed to
// standard error.
func start(t *testing.T, soft *cardtest.Card, args ...string) (client agent.ExtendedAgent, stop func() string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("TEST_PIN", cardtest.PIN)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr strings.Builder
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append(args, "-pin-env", "TEST_PIN"), cardtest.NewService(soft), w, &stderr)
		w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	path, ok := strings.CutPrefix(line, "export SSH_AUTH_SOCK='")
	require.True(t, ok, line)
	path = strings.TrimSuffix(path, "'\n")
	info, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	return agent.NewClient(conn), func() string {
		conn.Close()
		cancel()
		assert.NoError(t, <-done)
		assert.NoFileExists(t, path)
		assert.False(t, soft.Verified())
		return stderr.String()
	}
}

// sign signs a text with the only key.
func sign(t *testing.T, client agent.ExtendedAgent) error {
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
	client, stop := start(t, soft, "-t", "1h")
	require.NoError(t, sign(t, client))
	require.NoError(t, sign(t, client))
	assert.Empty(t, stop())
	assert.Equal(t, 1, soft.PINs())

	client, stop = start(t, cardtest.Logon("alice@example.com", cardtest.RetriesLeft(0)))
	assert.Error(t, sign(t, client))
	assert.Contains(t, stop(), "PIN is blocked")
}

func TestConfirm(t *testing.T) {
	program := filepath.Join(t.TempDir(), "askpass")
	log := filepath.Join(t.TempDir(), "log")
	for exit, want := range map[int]string{0: "", 1: "use was not confirmed"} {
		script := fmt.Sprintf("#!/bin/sh\necho \"$SSH_ASKPASS_PROMPT: $1\" >%s\nexit %d\n", log, exit)
		require.NoError(t, os.WriteFile(program, []byte(script), 0o700))
		t.Setenv("SSH_ASKPASS", program)
		client, stop := start(t, cardtest.Logon("alice@example.com"), "-c")
		err := sign(t, client)
		assert.Equal(t, exit == 0, err == nil)
		assert.Contains(t, stop(), want)
		asked, err := os.ReadFile(log)
		require.NoError(t, err)
		assert.Equal(t, "confirm: Sign a text for \"file\" with the key of alice@example.com (PIV 9A in \"Software Reader 00\").\n", string(asked))
	}
	t.Setenv("SSH_ASKPASS", "")
	client, stop := start(t, cardtest.Logon("alice@example.com"), "-c")
	assert.Error(t, sign(t, client))
	assert.Contains(t, stop(), "SSH_ASKPASS names no program")
}

func TestInvalidArguments(t *testing.T) {
	var usage *cli.UsageError
	for _, args := range [][]string{{"argument"}, {"-no-such-flag"}, {"-t", "soon"}} {
		assert.ErrorAs(t, run(t.Context(), args, cardtest.NewService(), io.Discard, io.Discard), &usage, "%v", args)
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	assert.Error(t, run(t.Context(), nil, cardtest.NewService(), io.Discard, io.Discard))
}
