package gids_test

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A fixture is a card with the GIDS application. Commands and responses are
// hexadecimal.
type fixture struct {
	t   *testing.T
	app *gids.Application
	*iso.Card
}

func newFixture(t *testing.T, c gids.Config) *fixture {
	t.Helper()
	app := gids.New(c)
	return &fixture{t, app, iso.New(iso.Config{}, app)}
}

// newSelected returns a fixture with the application selected.
func newSelected(t *testing.T, c gids.Config) *fixture {
	t.Helper()
	f := newFixture(t, c)
	f.expect("00 A4 04 0C 09 A00000039742544659", "9000")
	return f
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	require.NoError(t, err)
	return b
}

// send sends a command and returns the response.
func (f *fixture) send(command string) []byte {
	f.t.Helper()
	return f.Transmit(decode(f.t, command))
}

// expect sends a command and compares the response.
func (f *fixture) expect(command, want string) {
	f.t.Helper()
	assert.Equal(f.t, fmt.Sprintf("%X", decode(f.t, want)), fmt.Sprintf("%X", f.send(command)), command)
}

// expectAll sends one command a line. The response must be 9000, or what follows
// an arrow.
func (f *fixture) expectAll(lines string) {
	f.t.Helper()
	for line := range strings.Lines(lines) {
		command, want, found := strings.Cut(strings.TrimSpace(line), "->")
		if command == "" {
			continue
		}
		if !found {
			want = "9000"
		}
		f.expect(command, want)
	}
}

// sendChain sends data in parts of 240 bytes and compares the last response.
func (f *fixture) sendChain(header string, data []byte, want string) {
	f.t.Helper()
	for ; len(data) > 240; data = data[240:] {
		f.expect(fmt.Sprintf("10 %s F0 %X", header, data[:240]), "9000")
	}
	f.expect(fmt.Sprintf("00 %s %02X %X", header, len(data), data), want)
}

func (f *fixture) verifyPIN() {
	f.t.Helper()
	f.expect("00 20 00 80 06 313233343536", "9000")
}

// authenticateAdmin authenticates with the default key.
func (f *fixture) authenticateAdmin() {
	f.t.Helper()
	f.expect("00 22 81 A4 03 83 01 80", "9000")
	answer := f.send("00 87 00 00 04 7C 02 81 00 00")
	require.Len(f.t, answer, 14)
	response := tripleDES(f.t, answer[4:12], true)
	f.expect(fmt.Sprintf("00 87 00 00 0C 7C 0A 82 08 %X", response), "9000")
}

// tripleDES encrypts or decrypts in CBC mode with a zero IV and the default key.
func tripleDES(t *testing.T, data []byte, encrypt bool) []byte {
	t.Helper()
	block, err := des.NewTripleDESCipher(bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3))
	require.NoError(t, err)
	out := make([]byte, len(data))
	if encrypt {
		cipher.NewCBCEncrypter(block, make([]byte, 8)).CryptBlocks(out, data)
	} else {
		cipher.NewCBCDecrypter(block, make([]byte, 8)).CryptBlocks(out, data)
	}
	return out
}
