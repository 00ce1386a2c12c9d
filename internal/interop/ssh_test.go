//go:build linux

package interop_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An sshSetup is an sshd on a port of 127.0.0.1 and an SSH agent with the cards in the
// readers of pcscd.
type sshSetup struct {
	t    *testing.T
	dir  string
	port int
	user string
	sock string
	log  *buffer // of the agent
}

// newSSH starts both. args are for the agent, examples/ssh-agent.
func newSSH(t *testing.T, program string, args ...string) *sshSetup {
	t.Helper()
	interop.Require(t, pcscd)
	sshd := interop.Program(t, "/usr/sbin/sshd", "ssh", "-V") // of the same source
	keygen := interop.Program(t, "ssh-keygen", "ssh", "-V")
	account, err := user.Current()
	require.NoError(t, err)
	s := &sshSetup{t: t, dir: t.TempDir(), user: account.Username, log: new(buffer)}
	s.startAgent(program, args...)

	if os.Geteuid() == 0 {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755)) // for the separation of privileges
	}
	out, err := exec.CommandContext(t.Context(), keygen, "-q", "-t", "ed25519", "-N", "", "-f", s.file("host")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.port = l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	conf := fmt.Sprintf(`
ListenAddress 127.0.0.1:%d
HostKey %s/host
AuthorizedKeysFile %[2]s/authorized_keys
PidFile none
StrictModes no
UsePAM no
AuthenticationMethods publickey
PermitRootLogin yes
PermitUserEnvironment no
`, s.port, s.dir)
	s.write("sshd_config", conf)
	start(t, fmt.Sprint("127.0.0.1:", s.port), nil, new(buffer), sshd, "-D", "-e", "-f", s.file("sshd_config"))
	return s
}

func (s *sshSetup) startAgent(program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(program, append(args, "-pin-env", "TEST_PIN")...)
	cmd.Env = append(environment(s.t, pcscd.Socket), "TMPDIR="+s.dir, "SSH_ASKPASS="+s.askpass())
	cmd.Stderr = s.log
	out, err := cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, cmd.Start())
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, out)
		assert.NoError(s.t, cmd.Wait(), "exit status after SIGTERM")
		assert.NoFileExists(s.t, s.sock)
	})
	lines := bufio.NewScanner(out)
	require.True(s.t, lines.Scan())
	sock, ok := strings.CutPrefix(lines.Text(), "export SSH_AUTH_SOCK='")
	require.True(s.t, ok, lines.Text())
	s.sock = strings.TrimSuffix(sock, "'")
}

// askpass returns a program that logs what it is asked, and answers with the
// passphrase for ssh-add -x, or agrees.
func (s *sshSetup) askpass() string {
	s.write("askpass", "#!/bin/sh\necho \"$1\" >>"+s.file("asked")+"\necho secret\n")
	require.NoError(s.t, os.Chmod(s.file("askpass"), 0o700))
	return s.file("askpass")
}

func (s *sshSetup) file(name string) string { return filepath.Join(s.dir, name) }

func (s *sshSetup) write(name, text string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(s.file(name), []byte(text), 0o600))
}

// run runs a program with the agent and returns its output.
func (s *sshSetup) run(path string, args ...string) (string, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = s.dir
	cmd.Env = append(environment(s.t, ""), "SSH_AUTH_SOCK="+s.sock, "SSH_ASKPASS="+s.file("askpass"), "SSH_ASKPASS_REQUIRE=force")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %v: %w: %s, agent: %v", path, args, err, out, s.log)
	}
	return string(out), err
}

func (s *sshSetup) mustRun(path string, args ...string) string {
	s.t.Helper()
	out, err := s.run(path, args...)
	require.NoError(s.t, err)
	return out
}

// ssh logs in and runs a command.
func (s *sshSetup) ssh(options []string, command string) (string, error) {
	s.t.Helper()
	args := append([]string{"-F", "none", "-p", fmt.Sprint(s.port), "-o", "UserKnownHostsFile=" + s.file("known_hosts"),
		"-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes"}, options...)
	return s.run("ssh", append(args, s.user+"@127.0.0.1", command)...)
}

// TestSSH logs in, signs files and commits with each kind of card, and removes the card.
func TestSSH(t *testing.T) {
	interop.Require(t, pcscd)
	git := interop.Program(t, "git", "git", "--version")
	interop.Program(t, "ssh", "ssh", "-V")
	interop.Program(t, "ssh-add", "ssh", "-V")
	program := buildExample(t, "ssh-agent", false)
	for _, test := range []struct {
		name string
		kind string // that ssh-add -l prints
		card *cardtest.Card
	}{
		{"PIV RSA", "RSA", issue(cardtest.PIV(), "9A", cardtest.Key(cardtest.RSA2048, 0))},
		{"PIV P-384", "ECDSA", issue(cardtest.PIV(), "9A", cardtest.Key(cardtest.P384, 0))},
		{"YubiKey Ed25519", "ED25519", issue(cardtest.YubiKey("5.7.1"), "9A", cardtest.Key(cardtest.Ed25519, 0))},
		{"GIDS", "RSA", issue(cardtest.TPM(), "kxc00", cardtest.Key(cardtest.RSA2048, 0))},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSSH(t, program)
			out, err := s.run("ssh-add", "-l")
			assert.Error(t, err)
			assert.Contains(t, out, "The agent has no identities.")

			plug := pcscd.Insert(first, test.card.ServeVPCD)
			waitForCard(t, true)
			defer func() {
				pull(t, plug)
			}()
			out = s.mustRun("ssh-add", "-l")
			assert.Contains(t, out, who)
			assert.Contains(t, out, "("+test.kind+")")
			public := s.mustRun("ssh-add", "-L")
			require.Equal(t, 1, strings.Count(public, "\n"), public)
			s.write("key.pub", public)
			s.write("authorized_keys", public)
			assert.Zero(t, test.card.PINs())

			out, err = s.ssh([]string{"-v"}, "echo hello")
			require.NoError(t, err)
			assert.Contains(t, out, "\nhello\n")
			assert.Contains(t, out, "bound agent to hostkey")
			out, err = s.ssh([]string{"-A"}, "ssh-add -l")
			require.NoError(t, err, "forwarded agent")
			assert.Contains(t, out, who)

			s.write("text", "text")
			s.mustRun("ssh-keygen", "-Y", "sign", "-n", "file", "-f", s.file("key.pub"), s.file("text"))
			s.write("allowed", who+" "+public)
			verify := exec.CommandContext(t.Context(), "ssh-keygen", "-Y", "verify", "-f", s.file("allowed"), "-I", who, "-n", "file", "-s", s.file("text.sig"))
			verify.Stdin = strings.NewReader("text")
			verified, err := verify.CombinedOutput()
			require.NoError(t, err, "%s", verified)
			assert.Contains(t, string(verified), "Good \"file\" signature for "+who)

			settings := []string{"-C", s.dir, "-c", "gpg.format=ssh", "-c", "user.signingKey=" + s.file("key.pub"),
				"-c", "gpg.ssh.allowedSignersFile=" + s.file("allowed"), "-c", "user.name=Alice", "-c", "user.email=" + who}
			s.mustRun(git, "-C", s.dir, "init", "-q")
			s.mustRun(git, append(settings, "commit", "-q", "-S", "--allow-empty", "-m", "signed")...)
			out = s.mustRun(git, append(settings, "verify-commit", "HEAD")...)
			assert.Contains(t, out, "Good \"git\" signature for "+who)
			assert.Equal(t, 1, test.card.PINs(), "one PIN for all")

			// ssh-add asks for the passphrase with the program askpass.
			s.mustRun("ssh-add", "-x")
			assert.False(t, test.card.Verified())
			out, err = s.run("ssh-add", "-l")
			assert.Error(t, err)
			assert.Contains(t, out, "The agent has no identities.")
			_, err = s.ssh(nil, "true")
			assert.Error(t, err)
			s.mustRun("ssh-add", "-X")
			_, err = s.ssh(nil, "true")
			require.NoError(t, err)
			assert.Equal(t, 2, test.card.PINs())
			s.mustRun("ssh-add", "-D")
			assert.False(t, test.card.Verified())
			_, err = s.run("ssh-add", s.file("host"))
			assert.Error(t, err, "keys are on cards")

			pull(t, plug)
			out, err = s.run("ssh-add", "-l")
			assert.Error(t, err)
			assert.Contains(t, out, "The agent has no identities.")
			_, err = s.ssh(nil, "true")
			assert.Error(t, err)
			plug = pcscd.Insert(first, test.card.ServeVPCD)
			waitForCard(t, true)
			_, err = s.ssh(nil, "true")
			require.NoError(t, err)
			assert.Equal(t, 3, test.card.PINs())
		})
	}
}

// TestSSHConfirm confirms a login, and logs in again after the lifetime of the key.
func TestSSHConfirm(t *testing.T) {
	interop.Require(t, pcscd)
	soft := issue(cardtest.PIV(), "9A", cardtest.Key(cardtest.P256, 0))
	insert(t, soft)
	s := newSSH(t, buildExample(t, "ssh-agent", false), "-c", "-t", "2s")
	s.write("authorized_keys", s.mustRun("ssh-add", "-L"))
	for n := range 2 {
		_, err := s.ssh(nil, "true")
		require.NoError(t, err)
		assert.Equal(t, n+1, soft.PINs())
		require.Eventually(t, func() bool { return !soft.Verified() }, 20*time.Second, 20*time.Millisecond)
	}
	asked, err := os.ReadFile(s.file("asked"))
	require.NoError(t, err)
	fingerprint := strings.Fields(s.mustRun("ssh-keygen", "-l", "-f", s.file("host.pub")))[1]
	question := fmt.Sprintf("Log in as %q with the key of %s (PIV 9A in %q) at host %s.\n", s.user, who, first, fingerprint)
	assert.Equal(t, strings.Repeat(question, 2), string(asked))
}
