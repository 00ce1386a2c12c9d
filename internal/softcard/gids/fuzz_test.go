package gids_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzApplication sends commands, each with its length in front. Whatever they are,
// there is an answer with a status word, nothing of a private key is in it, a command
// is one try at most, and tries come back only to whoever knows the PIN or the PUK.
func FuzzApplication(f *testing.F) {
	f.Fuzz(func(t *testing.T, commands []byte, blank, tpm bool) {
		key := testkeys.RSA(1024, 0)
		app := gids.New(gids.Config{
			PIN: "123456", PUK: "87654321", Blank: blank, TPM: tpm, MinPIN: 4,
			Now:      func() time.Time { return time.Time{} },
			Generate: func(gids.Algorithm) (crypto.PrivateKey, error) { return key, nil },
		})
		known := secrets{}
		if !blank {
			known = secrets{pin: []byte("123456"), puk: []byte("87654321")}
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
			for _, private := range privateParts(key) {
				require.False(t, bytes.Contains(answer, private), "%X tells a private key", command)
			}
			now := app.Tries()
			assert.Contains(t, []int{0, 1}, now.Spent-before.Spent)
			assert.GreaterOrEqual(t, now.Left, 0)
			took := bytes.HasSuffix(answer, []byte{0x90, 0x00})
			if now.Left > before.Left {
				require.True(t, known.allow(command, before.Verified, blank), "%X brings tries back", command)
			}
			if now.Verified && !before.Verified {
				require.True(t, took && known.allow(command, false, false), "%X verifies the PIN", command)
			}
			if took {
				known.follow(command)
			}
			before = now
		}
	})
}

// secrets are what a card knows by now.
type secrets struct{ pin, puk []byte }

// allow reports whether a command gives a secret that brings tries back, or comes
// from somebody who has given it before.
func (s secrets) allow(command []byte, verified, blank bool) bool {
	c, ok := iso.ParseCommand(command)
	if !ok {
		return false
	}
	switch {
	case c.INS == 0x20:
		return len(s.pin) > 0 && bytes.Equal(c.Data, s.pin)
	case c.INS == 0x24 && c.P1 == 0:
		return len(s.pin) > 0 && bytes.HasPrefix(c.Data, s.pin)
	case c.INS == 0x24:
		return verified || blank
	case c.INS == 0x2C && c.P1 == 0:
		return len(s.puk) > 0 && bytes.HasPrefix(c.Data, s.puk)
	}
	return false // the administrator's key nobody guesses
}

// follow learns a secret that was set.
func (s *secrets) follow(command []byte) {
	c, ok := iso.ParseCommand(command)
	if !ok {
		return
	}
	set := &s.pin
	if c.P2 == 0x81 {
		set = &s.puk
	}
	switch {
	case c.INS == 0x24 && c.P1 == 0:
		*set = bytes.Clone(c.Data[len(*set):])
	case c.INS == 0x24:
		*set = bytes.Clone(c.Data)
	case c.INS == 0x2C && c.P1 == 0:
		s.pin = bytes.Clone(c.Data[len(s.puk):])
	}
}

// privateParts is the front of each number that is not to be told.
func privateParts(key *rsa.PrivateKey) (list [][]byte) {
	list = append(list, key.D.Bytes()[:16])
	for _, prime := range key.Primes {
		list = append(list, prime.Bytes()[:16])
	}
	return append(list, key.Precomputed.Dp.Bytes()[:16], key.Precomputed.Dq.Bytes()[:16], key.Precomputed.Qinv.Bytes()[:16])
}
