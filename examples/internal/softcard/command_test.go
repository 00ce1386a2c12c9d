package softcard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/internal/leak"
	"github.com/smartlogon/smartlogon/internal/vectors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { leak.Main(m) }

// run runs the command.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	return New(&cli.Env{Stdout: stdout}).Execute(ctx, args)
}

// serve runs the program until the end of the test. It returns the path of the
// socket, and the lines that the program prints after "ready".
func serve(t *testing.T, args ...string) (path string, lines *bufio.Scanner) {
	t.Helper()
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, args, write)
		write.Close()
	}()
	lines = bufio.NewScanner(read)
	t.Cleanup(func() {
		cancel()
		go io.Copy(io.Discard, read)
		assert.NoError(t, <-ended)
	})
	require.True(t, lines.Scan())
	path, ok := strings.CutPrefix(lines.Text(), "export PCSCLITE_CSOCK_NAME=")
	require.True(t, ok, lines.Text())
	require.True(t, lines.Scan())
	require.Equal(t, "ready", lines.Text())
	return path, lines
}

// shortTempDir returns a folder whose path is short enough for a Unix socket, which
// t.TempDir is not on every system.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sc")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// signIn unlocks the first credential that a PC/SC program finds, and returns it.
func signIn(t *testing.T, path string) *enumerate.Credential {
	t.Helper()
	s := pcsc.Socket(path, nil)
	defer s.Close()
	finder := enumerate.Finder{Service: s}
	credentials, err := finder.Offered(t.Context())
	require.NoError(t, err)
	key, err := credentials[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, key.Close())
	return credentials[0]
}

func TestSignIn(t *testing.T) {
	path, _ := serve(t)
	c := signIn(t, path)
	assert.Equal(t, []string{"alice@example.com"}, c.Names.UPNs)
	assert.Equal(t, "9A", c.Container)
}

func TestSocketFlag(t *testing.T) {
	want := filepath.Join(shortTempDir(t), "s")
	path, _ := serve(t, "-socket", want)
	assert.Equal(t, want, path)
	signIn(t, path)
	err := run(t.Context(), []string{"-socket", want}, io.Discard)
	assert.Error(t, err, "the socket is in use")
}

func TestReaderFlag(t *testing.T) {
	path, _ := serve(t, "-reader", "My Reader")
	assert.Equal(t, "My Reader", signIn(t, path).Reader)
}

func TestTraceFlag(t *testing.T) {
	path, lines := serve(t, "-trace")
	done := make(chan struct{})
	go func() {
		defer close(done)
		signIn(t, path)
	}()
	verify := false
	for !verify && lines.Scan() {
		line := lines.Text()
		assert.Regexp(t, `^[<>] [0-9A-F*]+  .`, line)
		assert.NotContains(t, line, "313233343536")
		verify = strings.Contains(line, "0020008008****************  VERIFY 80: PIN")
	}
	assert.True(t, verify)
	go func() {
		for lines.Scan() { // the program blocks on writing otherwise
		}
	}()
	<-done
}

func TestDirFlag(t *testing.T) {
	dir := vectors.Cards(t)[0]
	path, _ := serve(t, "-dir", dir)
	s := pcsc.Socket(path, nil)
	defer s.Close()
	finder := enumerate.Finder{Service: s}
	n := 0
	for _, err := range finder.All(t.Context()) {
		require.NoError(t, err)
		n++
	}
	assert.NotZero(t, n)
}

func TestYubiKeyFirmware(t *testing.T) {
	for app, want := range map[string]byte{"yubikey": 5, "yubikey-4.3.5": 4} {
		path, _ := serve(t, "-app", app)
		s := pcsc.Socket(path, nil)
		c, err := s.Card(t.Context(), "Yubico YubiKey OTP+FIDO+CCID 00 00")
		require.NoError(t, err)
		require.NoError(t, c.Do(t.Context(), func(tx *card.Tx) error {
			if _, err := tx.Select([]byte{0xA0, 0, 0, 3, 8}); err != nil {
				return err
			}
			version, err := tx.Command(card.Command{INS: 0xFD, Ne: 256})
			if assert.Len(t, version, 3) {
				assert.Equal(t, want, version[0])
			}
			return err
		}))
		require.NoError(t, s.Close())
	}
}

func TestGIDSContainers(t *testing.T) {
	virtual := []string{"GIDS kxc00", "GIDS ksc01", "GIDS kxc02"}
	for app, want := range map[string][]string{
		"gids": virtual, "tpm": virtual, "gids-blank": nil,
		"piv+gids": append([]string{"PIV 9A", "PIV 9C", "PIV 9D", "PIV 9E"}, virtual...),
	} {
		path, _ := serve(t, "-app", app)
		s := pcsc.Socket(path, nil)
		finder := enumerate.Finder{Service: s}
		var containers []string
		for c, err := range finder.All(t.Context()) {
			require.NoError(t, err, app)
			containers = append(containers, fmt.Sprint(c.Application, " ", c.Container))
		}
		assert.Equal(t, want, containers, app)
		require.NoError(t, s.Close())
	}
}

// In the vpcd protocol the virtual reader is the server, and the card connects.
func TestVPCDFlag(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ended := make(chan error, 1)
	read, write := io.Pipe()
	go func() { ended <- run(t.Context(), []string{"-vpcd", l.Addr().String()}, write) }()
	line, err := bufio.NewReader(read).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "ready\n", line)

	c, err := l.Accept()
	require.NoError(t, err)
	_, err = c.Write([]byte{0, 1, 4}) // request the ATR
	require.NoError(t, err)
	length := make([]byte, 2)
	_, err = io.ReadFull(c, length)
	require.NoError(t, err)
	atr := make([]byte, int(length[0])<<8|int(length[1]))
	_, err = io.ReadFull(c, atr)
	require.NoError(t, err)
	assert.Equal(t, byte(0x3B), atr[0])
	require.NoError(t, c.Close())
	assert.NoError(t, <-ended, "the program exits when the reader disconnects")
}

func TestInvalidArguments(t *testing.T) {
	var usage *cli.UsageError
	for _, args := range [][]string{
		{"-app", "credit card"},
		{"-app", "yubikey-new"},
		{"-app", "yubikey", "-dir", "."},
		{"-app", "tpm", "-dir", "."},
		{"-vpcd", "127.0.0.1:1", "-trace"},
		{"-vpcd", "127.0.0.1:1", "-reader", "My Reader"},
		{"-no-such-flag"},
		{"argument"},
	} {
		assert.ErrorAs(t, run(t.Context(), args, io.Discard), &usage, "%v", args)
	}
	for _, args := range [][]string{
		{"-dir", "testdata/missing"},
		{"-vpcd", "nowhere"},
	} {
		err := run(t.Context(), args, io.Discard)
		assert.Error(t, err, "%v", args)
		assert.False(t, errors.As(err, &usage), "%v", args)
	}
}

func TestQuote(t *testing.T) {
	assert.Equal(t, "/tmp/a-b.c/s", quote("/tmp/a-b.c/s"))
	assert.Equal(t, `'/tmp/it'\''s $HOME'`, quote("/tmp/it's $HOME"))
}
