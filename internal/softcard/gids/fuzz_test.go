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

// FuzzApplication sends arbitrary commands, each after its length. Each response
// must have a status word and no part of a private key. A command spends at most one
// try, and the retry counter goes up only by a command with the PIN or the PUK.
func FuzzApplication(f *testing.F) {
	f.Fuzz(func(t *testing.T, commands []byte, blank, tpm bool) {
		key := testkeys.RSA(1024, 0)
		app := gids.New(gids.Config{
			PIN: "123456", PUK: "87654321", Blank: blank, TPM: tpm, MinPIN: 4,
			Now:      func() time.Time { return time.Time{} },
			Generate: func(gids.Algorithm) (crypto.PrivateKey, error) { return key, nil },
		})
		current := secrets{}
		if !blank {
			current = secrets{pin: []byte("123456"), puk: []byte("87654321")}
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
				require.False(t, bytes.Contains(answer, private), "%X returns part of a private key", command)
			}
			now := app.Tries()
			assert.Contains(t, []int{0, 1}, now.Spent-before.Spent)
			assert.GreaterOrEqual(t, now.Left, 0)
			success := bytes.HasSuffix(answer, []byte{0x90, 0x00})
			if now.Left > before.Left {
				require.True(t, current.allow(command, before.Verified, blank), "%X restores retries", command)
			}
			if now.Verified && !before.Verified {
				require.True(t, success && current.allow(command, false, false), "%X verifies the PIN", command)
			}
			if success {
				current.update(command)
			}
			before = now
		}
	})
}

// secrets are the current PIN and PUK of a card.
type secrets struct{ pin, puk []byte }

// allow reports whether a command may restore retries: it has the right secret, or
// is authorized by one that was verified.
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
	return false // the commands do not authenticate the administrator
}

// update updates the secrets after a successful command.
func (s *secrets) update(command []byte) {
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

// privateParts returns the first bytes of each private number of a key.
func privateParts(key *rsa.PrivateKey) (list [][]byte) {
	list = append(list, key.D.Bytes()[:16])
	for _, prime := range key.Primes {
		list = append(list, prime.Bytes()[:16])
	}
	return append(list, key.Precomputed.Dp.Bytes()[:16], key.Precomputed.Dq.Bytes()[:16], key.Precomputed.Qinv.Bytes()[:16])
}
