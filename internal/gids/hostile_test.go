package gids_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/gids"
	"github.com/smartlogon/smartlogon/internal/signature"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// A fakeCard returns responses of its own to some commands.
type fakeCard struct {
	*cardtest.Card
	respond func(command []byte) []byte // nil: the card responds
}

func (f fakeCard) Transmit(command []byte) ([]byte, error) {
	if response := f.respond(command); response != nil {
		return response, nil
	}
	return f.Card.Transmit(command)
}

// withResponse returns a card with a fixed response to commands with that prefix.
func withResponse(soft *cardtest.Card, prefix, response string) *gids.Card {
	return gids.New(card.New(reader, fakeCard{soft, func(c []byte) []byte {
		if bytes.HasPrefix(c, []byte(prefix)) {
			return []byte(response)
		}
		return nil
	}}))
}

const statusOK = "\x90\x00"

// Prefixes of commands.
const (
	selectGIDS   = "\x00\xA4"
	verifyLogout = "\x00\x20\x00\x82"
	setAdminKey  = "\x00\x22\x81\xA4"
	authenticate = "\x00\x87"
	perform      = "\x00\x2A"
	getPINStatus = "\x00\xCB\x3F\xFF\x04\x5C\x02\x7F\x71"
	getPublicKey = "\x00\xCB\x3F\xFF\x0A\x70"
)

func TestMalformedChallenges(t *testing.T) {
	for name, response := range map[string]string{
		"empty": statusOK, "no template": "\x7D\x00" + statusOK, "an empty template": "\x7C\x00" + statusOK,
		"response, not challenge": "\x7C\x0A\x82\x08AAAAAAAA" + statusOK, "seven bytes": "\x7C\x09\x81\x07AAAAAAA" + statusOK,
		"refused": "\x69\x82", "truncated": "\x7C\x0A\x81\x08AAAA" + statusOK,
	} {
		t.Run(name, func(t *testing.T) {
			g := withResponse(cardtest.GIDS(), authenticate, response)
			err := g.UnblockByAdministrator(t.Context(), testkeys.Administrator(cardtest.AdminKey), card.FixedPIN("654321"))
			require.Error(t, err)
			assert.NotEmpty(t, err.Error())
		})
	}
	g := withResponse(cardtest.GIDS(), setAdminKey, "\x6A\x88")
	assert.ErrorIs(t, g.UnblockByAdministrator(t.Context(), testkeys.Administrator(cardtest.AdminKey), nil), card.StatusReferenceNotFound)
}

// If a name stands for two containers and no public key tells which, the name is read
// as hexadecimal.
func TestUnusablePublicKeys(t *testing.T) {
	for name, response := range map[string]string{
		"refused": "\x6A\x88", "empty": "\x7F\x49\x00" + statusOK, "truncated": "\x7F\x49\x20" + statusOK, "another key": "\x7F\x49\x03\x81\x01\x05" + statusOK,
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.GIDS().Put("kxc0A", cardtest.Key(cardtest.RSA1024, 0), nil)
			putLeaf(soft, "kxc10", cardtest.Key(cardtest.RSA1024, 0))
			certs, errs := list(t.Context(), withResponse(soft, getPublicKey, response))
			require.Empty(t, errs)
			require.Len(t, certs, 1)
			assert.Equal(t, 16, certs[0].Container.Index)
		})
	}
	soft := cardtest.GIDS(cardtest.GIDSDecimalNames).Put("kxc10", cardtest.Key(cardtest.P256, 1), nil)
	putLeaf(soft, "kxc0A", cardtest.Key(cardtest.P256, 0))
	certs, errs := list(t.Context(), newCard(t, soft))
	require.Empty(t, errs)
	require.Len(t, certs, 1)
	assert.Equal(t, 10, certs[0].Container.Index, "by the elliptic curve key")
}

func TestMalformedSignatures(t *testing.T) {
	digest := make([]byte, 32)
	p256, rsaKey := cardtest.Key(cardtest.P256, 0), cardtest.Key(cardtest.RSA1024, 0)
	for name, test := range map[string]struct {
		key      crypto.Signer
		response string
	}{
		"ECDSA, empty":       {p256, statusOK},
		"ECDSA, zeros":       {p256, string(make([]byte, 64)) + statusOK},
		"ECDSA, other DER":   {p256, "\x30\x06\x02\x01\x01\x02\x01\x01" + statusOK},
		"ECDSA, high values": {p256, string(bytes.Repeat([]byte{0xFF}, 64)) + statusOK},
		"RSA, empty":         {rsaKey, statusOK},
		"RSA, zeros":         {rsaKey, string(make([]byte, 128)) + statusOK},
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.GIDS()
			putLeaf(soft, "kxc00", test.key)
			g := withResponse(soft, perform, test.response)
			key, err := g.Key(t.Context(), onlyCertificate(t, g), test.key.Public(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			defer key.Close()
			_, err = key.Sign(nil, digest, crypto.SHA256)
			assert.Error(t, err)
			if public, ok := test.key.Public().(*rsa.PublicKey); ok && len(test.response) > public.Size() {
				sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, []byte("secret"))
				require.NoError(t, err)
				_, err = key.Decrypt(nil, sealed, nil)
				assert.ErrorIs(t, err, signature.ErrMismatch)
			}
		})
	}
}

// Which form of ECDSA signatures cards return is not known: both are accepted.
func TestSignatureInDER(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	digest := make([]byte, 32)
	want, err := private.Sign(rand.Reader, digest, crypto.SHA256)
	require.NoError(t, err)
	soft := cardtest.GIDS()
	putLeaf(soft, "kxc00", private)
	g := withResponse(soft, perform, string(want)+statusOK)
	key, err := g.Key(t.Context(), onlyCertificate(t, g), private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	got, err := key.Sign(nil, digest, crypto.SHA256)
	require.NoError(t, err)
	assert.True(t, ecdsa.VerifyASN1(private.Public().(*ecdsa.PublicKey), digest, got))
}

// A card that removes the padding although it was to return the block is asked
// to remove it, too.
func TestUnexpectedUnpadding(t *testing.T) {
	private := cardtest.Key(cardtest.RSA1024, 0)
	soft := cardtest.GIDS()
	putLeaf(soft, "kxc00", private)
	first := true
	g := gids.New(card.New(reader, fakeCard{soft, func(c []byte) []byte {
		if c[1] == 0x2A && first {
			first = false
			return []byte("secret" + statusOK)
		}
		return nil
	}}))
	key, err := g.Key(t.Context(), onlyCertificate(t, g), private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, private.Public().(*rsa.PublicKey), []byte("secret"))
	require.NoError(t, err)
	plain, err := key.Decrypt(nil, sealed, nil)
	require.NoError(t, err)
	assert.Equal(t, "secret", string(plain))
	assert.False(t, first)
}

// A decrypted message leaves room for the padding.
func TestDecryptedMessageTooLong(t *testing.T) {
	private := cardtest.Key(cardtest.RSA1024, 0)
	soft := cardtest.GIDS(cardtest.GIDSCardPads)
	putLeaf(soft, "kxc00", private)
	g := withResponse(soft, perform, string(make([]byte, 128))+statusOK)
	key, err := g.Key(t.Context(), onlyCertificate(t, g), private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	_, err = key.Decrypt(nil, make([]byte, 128), nil)
	assert.ErrorIs(t, err, card.ErrMalformed)
}

func TestDataInResponseToLogout(t *testing.T) {
	soft := cardtest.GIDS()
	putLeaf(soft, "kxc00", smallKey())
	g := withResponse(soft, verifyLogout, "x"+statusOK)
	key, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, key.Close())
	assert.False(t, soft.Verified(), "reset instead")
}

func TestListingBrokenOff(t *testing.T) {
	soft := cardtest.GIDS()
	for _, name := range []string{"kxc00", "kxc01", "kxc02"} {
		putLeaf(soft, name, smallKey())
	}
	g := newCard(t, soft)
	for c, err := range g.Certificates(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, "kxc00", c.File)
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errs := list(ctx, g)
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], context.Canceled)
	certs, errs := list(t.Context(), g)
	assert.Empty(t, errs)
	assert.Len(t, certs, 3)
}

func TestUnknownRetryCounter(t *testing.T) {
	for _, response := range []string{"\x7F\x71\x03\x97\x02\x00" + statusOK, "\x7F\x71\x03\x93\x01\x03" + statusOK, "\x7F\x71\x04\x97\x02\x00\x03" + statusOK, "\x6A\x86", "\x7F\x72\x00" + statusOK} {
		status, err := withResponse(cardtest.GIDS(), getPINStatus, response).PINStatus(t.Context())
		require.NoError(t, err)
		assert.Equal(t, card.PINStatus{Retries: -1}, status)
	}
}

func TestSelectedApplicationIsAnother(t *testing.T) {
	for name, response := range map[string]string{
		"PIV": "\x61\x06\x4F\x04\xA0\x00\x00\x03" + statusOK, "another file name": "\x6F\x08\x84\x06\xF0other" + statusOK,
		"refused": "\x6A\x82", "not supported": "\x6A\x81", "forbidden": "\x69\x85",
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.GIDS().PutFile("cardid", nil)
			_, errs := list(t.Context(), withResponse(soft, selectGIDS, response))
			require.Len(t, errs, 1)
			assert.ErrorIs(t, errs[0], gids.ErrNotGIDS)
		})
	}
}

// An error names certificate, table and numbers once.
func TestMalformedMasterFileRecord(t *testing.T) {
	record := make([]byte, gids.FileRecordSize)
	copy(record, "mscp")
	copy(record[9:], "kxc00")
	record[20], record[24], record[25] = 0x24, 0x10, 0xA0
	soft := cardtest.GIDS().PutData(0xA000, 0xDF1F, append([]byte{0x01}, record...))
	certs, errs := list(t.Context(), newCard(t, soft))
	assert.Empty(t, certs)
	require.Len(t, errs, 1)
	assert.EqualError(t, errs[0], "gids: certificate kxc00: malformed data from the card: master file table: tag 24 in file A010: not two bytes each")
}

func TestMasterFileTableVersion(t *testing.T) {
	soft := cardtest.GIDS()
	putLeaf(soft, "kxc00", smallKey())
	soft.PutData(0xA000, 0xDF1F, []byte{0x02})
	certs, errs := list(t.Context(), newCard(t, soft))
	assert.Empty(t, certs)
	require.Len(t, errs, 1)
	assert.ErrorContains(t, errs[0], "master file table: object A000/DF1F: malformed data from the card: byte 0: version 02, not 01")
	soft.PutData(0xA000, 0xDF1F, []byte{})
	_, errs = list(t.Context(), newCard(t, soft))
	require.Len(t, errs, 1)
	assert.ErrorContains(t, errs[0], "empty")
}
