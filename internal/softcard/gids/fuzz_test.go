package gids_test

import (
	"bytes"
	"crypto"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzApplication sends commands, each with its length in front. Whatever they are,
// there is an answer with a status word, nothing of a private key is in it, and
// tries come back only with the right PIN or with another one set.
func FuzzApplication(f *testing.F) {
	f.Fuzz(func(t *testing.T, commands []byte, blank, tpm bool) {
		key := testkeys.RSA(1024, 0)
		app := gids.New(gids.Config{Blank: blank, TPM: tpm, MinPIN: 4, Generate: func(gids.Algorithm) (crypto.PrivateKey, error) { return key, nil }})
		if !blank {
			require.NoError(t, app.Put("kxc00", key, []byte{0x30, 0x00}))
		}
		card := iso.New(iso.Config{}, app)
		card.Transmit([]byte("\x00\xA4\x04\x0C\x09\xA0\x00\x00\x03\x97BTFY"))
		before := app.Tries()
		for len(commands) > 0 {
			n := min(int(commands[0]), len(commands)-1)
			command := commands[1 : 1+n]
			commands = commands[1+n:]
			answer := card.Transmit(command)
			require.GreaterOrEqual(t, len(answer), 2)
			assert.False(t, bytes.Contains(answer, key.Primes[0].Bytes()[:16]))
			now := app.Tries()
			assert.GreaterOrEqual(t, now.Spent, before.Spent)
			assert.LessOrEqual(t, now.Spent-before.Spent, 1, "a command is one try at most")
			if now.Left > before.Left {
				require.Greater(t, len(command), 1)
				assert.Contains(t, []byte{0x20, 0x24, 0x2C}, command[1])
				assert.True(t, bytes.HasSuffix(answer, []byte{0x90, 0x00}))
			}
			before = now
		}
	})
}
