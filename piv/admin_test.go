package piv_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	softpiv "github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/piv"
)

// defaultManagementKey returns the management key of new cards.
func defaultManagementKey() []byte { return bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3) }

func managementKey(t testing.TB, a piv.Algorithm, key []byte) piv.ManagementKey {
	t.Helper()
	k, err := piv.NewManagementKey(a, bytes.Clone(key))
	require.NoError(t, err)
	return k
}

// adminOf returns an Admin with the default management key.
func adminOf(t testing.TB, p *piv.Card, a piv.Algorithm) *piv.Admin {
	t.Helper()
	return p.Admin(managementKey(t, a, defaultManagementKey()))
}

// newCard returns a software card that takes generated keys from a list, to be fast.
func newCard(c softpiv.Config) (*softpiv.Application, *piv.Card) {
	c.Generate = func(a softpiv.Algorithm) (crypto.PrivateKey, error) {
		switch a {
		case softpiv.RSA1024:
			return testkeys.RSA(1024, 0), nil
		case softpiv.RSA2048:
			return testkeys.RSA(2048, 0), nil
		case softpiv.RSA3072:
			return testkeys.RSA(3072, 0), nil
		case softpiv.RSA4096:
			return testkeys.RSA(4096, 0), nil
		case softpiv.P256:
			return cardtest.Key(cardtest.P256, 0), nil
		case softpiv.P384:
			return cardtest.Key(cardtest.P384, 0), nil
		case softpiv.Ed25519:
			return testkeys.Ed25519(), nil
		}
		return testkeys.X25519(), nil
	}
	app := softpiv.New(c)
	applications := []iso.Application{app}
	if c.Firmware != (softpiv.Version{}) {
		applications = append(applications, softpiv.OTP{Firmware: c.Firmware, Serial: c.Serial})
	}
	return app, piv.New(card.New("test", chip{iso.New(iso.Config{}, applications...)}))
}

var managementAlgorithms = map[piv.Algorithm]int{piv.TripleDES: 24, piv.AES128: 16, piv.AES192: 24, piv.AES256: 32}

func TestManagementKey(t *testing.T) {
	for a, size := range managementAlgorithms {
		t.Run(a.String(), func(t *testing.T) {
			secret := bytes.Repeat([]byte{0x51, 0x7A, 0x25}, 11)[:size]
			_, p := newCard(softpiv.Config{AdminKey: softpiv.AdminKey{Algorithm: softpiv.Algorithm(a), Key: secret}})
			assert.NoError(t, p.Admin(managementKey(t, a, secret)).Check(t.Context()))

			other := bytes.Clone(secret)
			other[0] ^= 0xF0
			wrong := p.Admin(managementKey(t, a, other))
			assert.ErrorIs(t, wrong.Check(t.Context()), piv.ErrManagementKey)
			for b, size := range managementAlgorithms {
				if a != b {
					err := p.Admin(managementKey(t, b, make([]byte, size))).Check(t.Context())
					assert.ErrorIs(t, err, piv.ErrManagementKey, b)
					assert.ErrorContains(t, err, "the card does not accept "+b.String())
				}
			}
		})
	}
}

func TestRefusedManagementKeyIsNotSentAgain(t *testing.T) {
	soft := cardtest.PIV()
	a := open(t, soft).Admin(managementKey(t, piv.TripleDES, bytes.Repeat([]byte{9}, 24)))
	err := a.Check(t.Context())
	require.ErrorIs(t, err, piv.ErrManagementKey)
	assert.Contains(t, card.Hint(err), "management key")
	before := soft.Exchanges().Commands
	err = a.PutObject(t.Context(), piv.ObjectKeyHistory, tlv(0xC1, 1))
	assert.ErrorIs(t, err, piv.ErrManagementKey)
	assert.ErrorContains(t, err, "not sent again")
	assert.Equal(t, 3, soft.Exchanges().Commands-before, "SELECT, the identity and the old content")
	assert.Zero(t, soft.Writes())
}

func TestInvalidManagementKey(t *testing.T) {
	for _, test := range []struct {
		algorithm piv.Algorithm
		size      int
		want      string
	}{
		{piv.TripleDES, 16, "management key for 3DES has 24 bytes, not 16"},
		{piv.AES128, 24, "has 16 bytes, not 24"},
		{piv.AES192, 32, "has 24 bytes, not 32"},
		{piv.AES256, 0, "has 32 bytes, not 0"},
		{piv.RSA2048, 24, "RSA 2048 is not an algorithm of management keys"},
		{0, 24, "00 is not an algorithm of management keys"},
	} {
		_, err := piv.NewManagementKey(test.algorithm, make([]byte, test.size))
		assert.ErrorContains(t, err, test.want)
	}
	soft := cardtest.PIV()
	p := open(t, soft)
	destroyed := managementKey(t, piv.TripleDES, defaultManagementKey())
	destroyed.Destroy()
	for _, key := range []piv.ManagementKey{{}, destroyed} {
		key.Destroy()
		assert.ErrorIs(t, p.Admin(key).Check(t.Context()), piv.ErrManagementKey)
	}
}

func TestManagementKeyIsNotPrinted(t *testing.T) {
	secret := defaultManagementKey()
	k, err := piv.NewManagementKey(piv.AES192, secret)
	require.NoError(t, err)
	assert.Equal(t, piv.AES192, k.Algorithm())
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "in", struct{ K piv.ManagementKey }{k})
	for _, text := range []string{log.String(), k.String(), fmt.Sprint(k), fmt.Sprintf("%x %v %+v %#v %s %d", k, k, k, &k, k, k)} {
		assert.NotContains(t, text, "0102")
		assert.NotContains(t, text, "1 2 3")
		assert.Contains(t, text, "management key")
	}
	_, err = json.Marshal(k)
	assert.Error(t, err)
	k.Destroy()
	assert.Equal(t, make([]byte, 24), secret)
}

// A tamperer changes responses to the authentication with the management key.
type tamperer struct {
	card.Transmitter
	change func(n int, response []byte) []byte
	n      int // commands with the management key
}

func (m *tamperer) Transmit(command []byte) ([]byte, error) {
	response, err := m.Transmitter.Transmit(command)
	if command[1] == 0x87 && command[3] == 0x9B {
		m.n++
		response = m.change(m.n, response)
	}
	return response, err
}

func TestCardProvesManagementKey(t *testing.T) {
	for _, test := range []struct {
		name string
		want error
		make func(n int, response []byte) []byte
	}{
		{"a wrong response", piv.ErrManagementKey, func(n int, a []byte) []byte {
			if n == 2 {
				a[5] ^= 1
			}
			return a
		}},
		{"an empty response element", piv.ErrManagementKey, func(n int, a []byte) []byte {
			if n == 2 {
				return success(tlv(0x7C, tlv(0x82)...))
			}
			return a
		}},
		{"an empty response", card.ErrMalformed, func(n int, a []byte) []byte {
			if n == 2 {
				return success(nil)
			}
			return a
		}},
		{"a short witness", card.ErrMalformed, func(int, []byte) []byte { return success(tlv(0x7C, tlv(0x80, 1, 2)...)) }},
		{"no witness", card.ErrMalformed, func(int, []byte) []byte { return success(tlv(0x7C, tlv(0x81, make([]byte, aes.BlockSize)...)...)) }},
		{"another status in the first step", card.StatusNotSupported, func(int, []byte) []byte { return []byte{0x6A, 0x81} }},
		{"another status in the second step", card.StatusNoDiagnosis, func(n int, a []byte) []byte {
			if n == 2 {
				return []byte{0x6F, 0x00}
			}
			return a
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := cardtest.PIV()
			a := adminOf(t, piv.New(card.New("test", &tamperer{Transmitter: soft, change: test.make})), piv.TripleDES)
			err := a.PutObject(t.Context(), piv.ObjectKeyHistory, tlv(0xC1, 1))
			assert.ErrorIs(t, err, test.want)
			assert.Zero(t, soft.Writes())
		})
	}
}

// Each call ends the authentication, even on a card that keeps its power.
func TestAdminEndsAuthentication(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.PIV())
	service := readers.Service()
	defer service.Close()
	c, err := service.Card(t.Context(), reader)
	require.NoError(t, err)
	release, err := c.Hold(t.Context())
	require.NoError(t, err)
	defer release()
	a := adminOf(t, piv.New(c), piv.TripleDES)
	for _, use := range []func() error{
		func() error { return a.Check(t.Context()) },
		func() error { return a.PutObject(t.Context(), piv.ObjectKeyHistory, tlv(0xC1, 1)) },
	} {
		require.NoError(t, use())
		err := c.Do(t.Context(), func(tx *card.Tx) error {
			_, err := tx.Command(card.Command{INS: 0xDB, P1: 0x3F, P2: 0xFF, Data: join(tlv(0x5C, 0x5F, 0xC1, 0x0C), tlv(0x53))})
			return err
		})
		assert.ErrorIs(t, err, card.StatusNotPermitted)
	}
}

func TestStateAndAlgorithmStrings(t *testing.T) {
	texts := map[string]bool{}
	for s := piv.Unknown; s <= piv.Damaged; s++ {
		texts[s.String()] = true
	}
	assert.Len(t, texts, 4)
	assert.Equal(t, "state 4", piv.State(4).String())
	assert.Equal(t, "state -1", piv.State(-1).String())
	for _, a := range []piv.Algorithm{
		piv.RSA1024, piv.RSA2048, piv.RSA3072, piv.RSA4096, piv.P256, piv.P384, piv.Ed25519, piv.X25519,
		piv.TripleDES, piv.AES128, piv.AES192, piv.AES256,
	} {
		assert.Greater(t, len(a.String()), 3)
	}
	assert.Equal(t, "2E", piv.Algorithm(0x2E).String())
	unknown := &piv.InterruptedError{Err: errors.New("removed")}
	assert.Equal(t, "interrupted: removed; the card may have changed or not", unknown.Error())
	assert.Contains(t, card.Hint(unknown), "repeat")
	assert.Contains(t, card.Hint(&piv.InterruptedError{State: piv.Damaged, Err: errors.New("removed")}), "old content")
	assert.Contains(t, card.Hint(&piv.InterruptedError{State: piv.Changed, Err: errors.New("removed")}), "accepted the change")
}
