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

// A liar answers some commands itself.
type liar struct {
	*cardtest.Card
	lie func(command []byte) []byte // nil leaves it to the card
}

func (l liar) Transmit(command []byte) ([]byte, error) {
	if answer := l.lie(command); answer != nil {
		return answer, nil
	}
	return l.Card.Transmit(command)
}

// lying is a card that gives that answer to commands that begin so.
func lying(soft *cardtest.Card, command, answer string) *gids.Card {
	return gids.New(card.New(reader, liar{soft, func(c []byte) []byte {
		if bytes.HasPrefix(c, []byte(command)) {
			return []byte(answer)
		}
		return nil
	}}))
}

const (
	done      = "\x90\x00"
	publicKey = "\x00\xCB\x3F\xFF\x0A\x70"
)

func TestChallengesThatAreNone(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing": done, "no template": "\x7D\x00" + done, "an empty template": "\x7C\x00" + done,
		"a response": "\x7C\x0A\x82\x08AAAAAAAA" + done, "one of seven bytes": "\x7C\x09\x81\x07AAAAAAA" + done,
		"refused": "\x69\x82", "one that is cut": "\x7C\x0A\x81\x08AAAA" + done,
	} {
		t.Run(name, func(t *testing.T) {
			g := lying(cardtest.GIDS(), "\x00\x87", answer)
			err := g.UnblockByAdministrator(t.Context(), testkeys.Administrator(cardtest.AdminKey), card.FixedPIN("654321"))
			require.Error(t, err)
			assert.NotEmpty(t, err.Error())
		})
	}
	g := lying(cardtest.GIDS(), "\x00\x22\x81\xA4", "\x6A\x88")
	assert.ErrorIs(t, g.UnblockByAdministrator(t.Context(), testkeys.Administrator(cardtest.AdminKey), nil), card.StatusReferenceNotFound)
}

// Where a name means two containers and the card does not tell its keys, the name
// is taken as hexadecimal.
func TestPublicKeysThatTellNothing(t *testing.T) {
	for name, answer := range map[string]string{
		"refused": "\x6A\x88", "empty": "\x7F\x49\x00" + done, "cut": "\x7F\x49\x20" + done, "another": "\x7F\x49\x03\x81\x01\x05" + done,
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.GIDS().Put("kxc0A", cardtest.Key(cardtest.RSA1024, 0), nil)
			put(soft, "kxc10", cardtest.Key(cardtest.RSA1024, 0))
			found, errs := list(t.Context(), lying(soft, publicKey, answer))
			require.Empty(t, errs)
			require.Len(t, found, 1)
			assert.Equal(t, 16, found[0].Container.Index)
		})
	}
	soft := cardtest.GIDS(cardtest.GIDSDecimalNames).Put("kxc10", cardtest.Key(cardtest.P256, 1), nil)
	put(soft, "kxc0A", cardtest.Key(cardtest.P256, 0))
	found, errs := list(t.Context(), open(t, soft))
	require.Empty(t, errs)
	require.Len(t, found, 1)
	assert.Equal(t, 10, found[0].Container.Index, "keys on curves tell as well")
}

func TestAnswersOfKeysThatMakeNoSense(t *testing.T) {
	digest := make([]byte, 32)
	p256, rsaKey := cardtest.Key(cardtest.P256, 0), cardtest.Key(cardtest.RSA1024, 0)
	for name, test := range map[string]struct {
		key    crypto.Signer
		answer string
	}{
		"ECDSA, empty":       {p256, done},
		"ECDSA, numbers":     {p256, string(make([]byte, 64)) + done},
		"ECDSA, other DER":   {p256, "\x30\x06\x02\x01\x01\x02\x01\x01" + done},
		"ECDSA, high values": {p256, string(bytes.Repeat([]byte{0xFF}, 64)) + done},
		"RSA, empty":         {rsaKey, done},
		"RSA, of its length": {rsaKey, string(make([]byte, 128)) + done},
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.GIDS()
			put(soft, "kxc00", test.key)
			g := lying(soft, "\x00\x2A", test.answer)
			key, err := g.Key(t.Context(), only(t, g), test.key.Public(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			defer key.Close()
			_, err = key.Sign(nil, digest, crypto.SHA256)
			assert.Error(t, err)
			if public, ok := test.key.Public().(*rsa.PublicKey); ok && len(test.answer) > public.Size() {
				sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, []byte("secret"))
				require.NoError(t, err)
				_, err = key.Decrypt(nil, sealed, nil)
				assert.ErrorIs(t, err, signature.ErrMismatch)
			}
		})
	}
}

// A signature in DER is taken as well as two numbers: which one cards make is not
// known.
func TestSignatureInDER(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	digest := make([]byte, 32)
	made, err := private.Sign(rand.Reader, digest, crypto.SHA256)
	require.NoError(t, err)
	soft := cardtest.GIDS()
	put(soft, "kxc00", private)
	g := lying(soft, "\x00\x2A", string(made)+done)
	key, err := g.Key(t.Context(), only(t, g), private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	got, err := key.Sign(nil, digest, crypto.SHA256)
	require.NoError(t, err)
	assert.True(t, ecdsa.VerifyASN1(private.Public().(*ecdsa.PublicKey), digest, got))
}

// A card that takes the padding off where it was asked not to is asked to do so.
func TestCardThatUnpadsUnasked(t *testing.T) {
	private := cardtest.Key(cardtest.RSA1024, 0)
	soft := cardtest.GIDS()
	put(soft, "kxc00", private)
	first := true
	g := gids.New(card.New(reader, liar{soft, func(c []byte) []byte {
		if c[1] == 0x2A && first {
			first = false
			return []byte("secret" + done)
		}
		return nil
	}}))
	key, err := g.Key(t.Context(), only(t, g), private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, private.Public().(*rsa.PublicKey), []byte("secret"))
	require.NoError(t, err)
	plain, err := key.Decrypt(nil, sealed, nil)
	require.NoError(t, err)
	assert.Equal(t, "secret", string(plain))
	assert.False(t, first)
}

// A message that is longer than any padding leaves room for is the card's fault.
func TestMessageThatIsTooLong(t *testing.T) {
	private := cardtest.Key(cardtest.RSA1024, 0)
	soft := cardtest.GIDS(cardtest.GIDSCardPads)
	put(soft, "kxc00", private)
	g := lying(soft, "\x00\x2A", string(make([]byte, 128))+done)
	key, err := g.Key(t.Context(), only(t, g), private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	_, err = key.Decrypt(nil, make([]byte, 128), nil)
	assert.ErrorIs(t, err, card.ErrMalformed)
}

func TestDataInTheAnswerToALogout(t *testing.T) {
	soft := cardtest.GIDS()
	put(soft, "kxc00", small())
	g := lying(soft, "\x00\x20\x00\x82", "x"+done)
	key, err := g.Key(t.Context(), only(t, g), small().Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, key.Close())
	assert.False(t, soft.Verified(), "it was reset")
}

func TestListIsBrokenOff(t *testing.T) {
	soft := cardtest.GIDS()
	for _, name := range []string{"kxc00", "kxc01", "kxc02"} {
		put(soft, name, small())
	}
	g := open(t, soft)
	for it, err := range g.Certificates(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, "kxc00", it.File)
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errs := list(ctx, g)
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], context.Canceled)
	found, errs := list(t.Context(), g)
	assert.Empty(t, errs)
	assert.Len(t, found, 3)
}

func TestTriesThatAreNotTold(t *testing.T) {
	for _, answer := range []string{"\x7F\x71\x03\x97\x02\x00" + done, "\x7F\x71\x03\x93\x01\x03" + done, "\x7F\x71\x04\x97\x02\x00\x03" + done, "\x6A\x86", "\x7F\x72\x00" + done} {
		status, err := lying(cardtest.GIDS(), "\x00\xCB\x3F\xFF\x04\x5C\x02\x7F\x71", answer).PINStatus(t.Context())
		require.NoError(t, err)
		assert.Equal(t, card.PINStatus{Retries: -1}, status)
	}
}

func TestApplicationsThatSayTheyAreAnother(t *testing.T) {
	const selectGIDS = "\x00\xA4"
	for name, answer := range map[string]string{
		"PIV": "\x61\x06\x4F\x04\xA0\x00\x00\x03" + done, "a file with a name": "\x6F\x08\x84\x06\xF0nobod" + done,
		"refused": "\x6A\x82", "not known": "\x6A\x81", "forbidden": "\x69\x85",
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.GIDS().PutFile("cardid", nil)
			_, errs := list(t.Context(), lying(soft, selectGIDS, answer))
			require.Len(t, errs, 1)
			assert.ErrorIs(t, errs[0], gids.ErrNotGIDS)
		})
	}
}

func TestMasterFileTableThatIsOfAnotherVersion(t *testing.T) {
	soft := cardtest.GIDS()
	put(soft, "kxc00", small())
	soft.PutData(0xA000, 0xDF1F, []byte{0x02})
	found, errs := list(t.Context(), open(t, soft))
	assert.Empty(t, found)
	require.Len(t, errs, 1)
	assert.ErrorContains(t, errs[0], "master file table, object A000/DF1F: malformed data from the card: byte 0: version 02, not 01")
	soft.PutData(0xA000, 0xDF1F, []byte{})
	_, errs = list(t.Context(), open(t, soft))
	require.Len(t, errs, 1)
	assert.ErrorContains(t, errs[0], "empty")
}
