package gids_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/fault"
	"github.com/smartlogon/smartlogon/internal/gids"
	"github.com/smartlogon/smartlogon/internal/signature"
)

// changingCard changes the responses of a card.
type changingCard struct {
	*cardtest.Card
	change func(command, response []byte) []byte
}

func (c changingCard) Transmit(command []byte) ([]byte, error) {
	response, err := c.Card.Transmit(command)
	if err != nil {
		return nil, err
	}
	return c.change(command, response), nil
}

// A missing object has many statuses. None is an error of a list.
func TestMissingObjects(t *testing.T) {
	for _, status := range []string{"\x6A\x88", "\x6A\x82", "\x6A\x80", "\x64\x00", "\x90\x00"} {
		soft := withKey(cardtest.GIDS(cardtest.GIDSNoKeyMap))
		g := gids.New(card.New(reader, changingCard{soft, func(command, response []byte) []byte {
			if command[1] == 0xCB && len(response) == 2 && response[0] == 0x6A {
				return []byte(status)
			}
			return response
		}}))
		certs, errs := list(t.Context(), g)
		assert.Empty(t, errs, "%X", status)
		assert.Len(t, certs, 1, "%X", status)
		_, err := g.Roots(t.Context())
		assert.ErrorIs(t, err, gids.ErrNotFound, "%X", status)
	}
}

func TestStatusesOfMissingApplication(t *testing.T) {
	for status, missing := range map[string]bool{
		"\x6A\x82": true, "\x69\x99": true, "\x6D\x00": true, "\x6E\x00": true, "\x6A\x86": true,
		"\x6F\x00": false, "\x69\x85": false, "\x62\x83": false,
	} {
		_, errs := list(t.Context(), withResponse(cardtest.GIDS(), selectGIDS, status))
		require.Len(t, errs, 1, "%X", status)
		assert.ErrorIs(t, errs[0], gids.ErrNotGIDS, "%X", status)
		assert.Equal(t, missing, fault.ReachOf(errs[0]) == fault.Application, "%X", status)
	}
}

// Some cards leave out the leading zeros of the result of an RSA operation: of every
// decryption, and of one signature in 256.
func TestResultsWithoutLeadingZeros(t *testing.T) {
	private := cardtest.Key(cardtest.RSA1024, 0)
	public := private.Public().(*rsa.PublicKey)
	soft := cardtest.GIDS(cardtest.GIDSHostPads)
	putLeaf(soft, "kxc00", private)
	trimmed := 0
	g := gids.New(card.New(reader, changingCard{soft, func(command, response []byte) []byte {
		if command[1] != 0x2A || len(response) != public.Size()+2 || response[0] != 0 {
			return response
		}
		trimmed++
		return bytes.TrimLeft(response, "\x00")
	}}))
	key, err := g.Key(t.Context(), onlyCertificate(t, g), public, card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, []byte("secret"))
	require.NoError(t, err)
	before := soft.KeyUses()
	plain, err := key.Decrypt(nil, sealed, nil)
	require.NoError(t, err)
	assert.Equal(t, "secret", string(plain))
	assert.Equal(t, []int{1, 1}, []int{trimmed, soft.KeyUses() - before}, "results without zeros, uses of the key")
	for i := 0; trimmed < 2; i++ {
		sum := crypto.SHA256.New()
		fmt.Fprint(sum, i)
		_, err := key.Sign(nil, sum.Sum(nil), crypto.SHA256)
		require.NoError(t, err)
	}
}

// A result of the wrong length says nothing about the certificate.
func TestUnusableResults(t *testing.T) {
	private := cardtest.Key(cardtest.RSA1024, 0)
	for name, response := range map[string]string{
		"nothing": statusOK, "short": "\x01\x02\x03" + statusOK, "long": string(make([]byte, 140)) + statusOK,
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.GIDS()
			putLeaf(soft, "kxc00", private)
			g := withResponse(soft, perform, response)
			key, err := g.Key(t.Context(), onlyCertificate(t, g), private.Public(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			defer key.Close()
			_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			assert.ErrorIs(t, err, card.ErrMalformed)
			assert.NotErrorIs(t, err, signature.ErrMismatch)
			_, err = key.Decrypt(nil, make([]byte, 128), &rsa.OAEPOptions{Hash: crypto.SHA256})
			assert.ErrorIs(t, err, card.ErrMalformed)
			assert.NotErrorIs(t, err, signature.ErrMismatch)
			if name == "nothing" {
				_, err = key.Decrypt(nil, make([]byte, 128), nil)
				assert.ErrorIs(t, err, card.ErrMalformed, "not an empty message")
			}
		})
	}
}
