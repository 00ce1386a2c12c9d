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

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/leak"
	"github.com/smartlogon/smartlogon/internal/vectors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { leak.Main(m) }

// served runs the program until the end of the test, and returns where its
// socket is and the lines that it prints when it is ready.
func served(t *testing.T, args ...string) (path string, lines *bufio.Scanner) {
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

// folder is one whose name is short enough for a socket.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sc")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// signIn is what a program does with the card.
func signIn(t *testing.T, path string) *enumerate.Credential {
	t.Helper()
	s := pcsc.Socket(path, nil)
	defer s.Close()
	find := enumerate.Finder{Service: s}
	tiles, err := find.Offered(t.Context())
	require.NoError(t, err)
	key, err := tiles[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, key.Close())
	return tiles[0]
}

func TestProgramsFindTheCard(t *testing.T) {
	path, _ := served(t)
	c := signIn(t, path)
	assert.Equal(t, []string{"alice@example.com"}, c.Names.UPNs)
	assert.Equal(t, "9A", c.Container)
}

func TestChosenSocket(t *testing.T) {
	want := filepath.Join(folder(t), "s")
	path, _ := served(t, "-socket", want)
	assert.Equal(t, want, path)
	signIn(t, path)
	err := run(t.Context(), []string{"-socket", want}, io.Discard)
	assert.Error(t, err, "it is taken")
}

func TestChosenReader(t *testing.T) {
	path, _ := served(t, "-reader", "My Reader")
	assert.Equal(t, "My Reader", signIn(t, path).Reader)
}

func TestTrace(t *testing.T) {
	path, lines := served(t, "-trace")
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
		for lines.Scan() { // or the program would wait for its reader
		}
	}()
	<-done
}

func TestFolder(t *testing.T) {
	dir := vectors.Cards(t)[0]
	path, _ := served(t, "-dir", dir)
	s := pcsc.Socket(path, nil)
	defer s.Close()
	find := enumerate.Finder{Service: s}
	n := 0
	for _, err := range find.All(t.Context()) {
		require.NoError(t, err)
		n++
	}
	assert.NotZero(t, n)
}

func TestYubiKeyOfAFirmware(t *testing.T) {
	for app, want := range map[string]byte{"yubikey": 5, "yubikey-4.3.5": 4} {
		path, _ := served(t, "-app", app)
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

// What a program finds on the cards with GIDS, and where.
func TestCardsWithGIDS(t *testing.T) {
	virtual := []string{"GIDS kxc00", "GIDS ksc01", "GIDS kxc02"}
	for app, want := range map[string][]string{
		"gids": virtual, "tpm": virtual, "gids-blank": nil,
		"piv+gids": append([]string{"PIV 9A", "PIV 9C", "PIV 9D", "PIV 9E"}, virtual...),
	} {
		path, _ := served(t, "-app", app)
		s := pcsc.Socket(path, nil)
		find := enumerate.Finder{Service: s}
		var found []string
		for c, err := range find.All(t.Context()) {
			require.NoError(t, err, app)
			found = append(found, fmt.Sprint(c.Application, " ", c.Container))
		}
		assert.Equal(t, want, found, app)
		require.NoError(t, s.Close())
	}
}

// A virtual reader is a server that the card connects to.
func TestVirtualReader(t *testing.T) {
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
	_, err = c.Write([]byte{0, 1, 4}) // give me the answer to reset
	require.NoError(t, err)
	length := make([]byte, 2)
	_, err = io.ReadFull(c, length)
	require.NoError(t, err)
	atr := make([]byte, int(length[0])<<8|int(length[1]))
	_, err = io.ReadFull(c, atr)
	require.NoError(t, err)
	assert.Equal(t, byte(0x3B), atr[0])
	require.NoError(t, c.Close())
	assert.NoError(t, <-ended, "the program ends with the reader")
}

func TestWhatCannotBe(t *testing.T) {
	for _, args := range [][]string{
		{"-app", "credit card"},
		{"-app", "yubikey-new"},
		{"-app", "yubikey", "-dir", "."},
		{"-app", "tpm", "-dir", "."},
		{"-dir", "testdata/not-there"},
		{"-vpcd", "nowhere"},
		{"-no-such-flag"},
	} {
		assert.Error(t, run(t.Context(), args, io.Discard), "%v", args)
	}
}

func TestPathsAreSafeForAShell(t *testing.T) {
	assert.Equal(t, "/tmp/a-b.c/s", quote("/tmp/a-b.c/s"))
	assert.Equal(t, `'/tmp/it'\''s $HOME'`, quote("/tmp/it's $HOME"))
}
