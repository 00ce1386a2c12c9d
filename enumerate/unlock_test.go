package enumerate_test

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// assertSigns responds to a challenge, which verifies the signature under the listed
// certificate.
func assertSigns(t *testing.T, key crypto.Signer, c *enumerate.Credential) {
	t.Helper()
	const server = "https://example.com"
	answer, err := challenge.Respond(key, c.Raw, challenge.New("test", server), server)
	require.NoError(t, err)
	assert.NotEmpty(t, answer)
}

// mustNotAsk returns a PINFunc that fails the test.
func mustNotAsk(t *testing.T) card.PINFunc {
	return func(context.Context, card.PINRequest) (card.PIN, error) {
		t.Error("the PINFunc was called")
		return card.PIN{}, context.Canceled
	}
}

// only returns the single credential that f lists.
func only(t *testing.T, f *enumerate.Finder) *enumerate.Credential {
	t.Helper()
	credentials, errs := all(t, f)
	require.Empty(t, errs)
	require.Len(t, credentials, 1)
	return credentials[0]
}

// assertOver checks that err says that the card of a key or credential is gone.
func assertOver(t *testing.T, err error) {
	t.Helper()
	for _, want := range []error{card.ErrChanged, card.ErrRemoved, card.ErrNoReader} {
		if errors.Is(err, want) {
			return
		}
	}
	t.Errorf("%v does not say that the card is gone", err)
}

func TestKeyKinds(t *testing.T) {
	for _, kind := range []cardtest.KeyKind{
		cardtest.RSA2048, cardtest.RSA3072, cardtest.RSA4096,
		cardtest.P256, cardtest.P384, cardtest.Ed25519,
	} {
		t.Run(string(kind), func(t *testing.T) {
			signer := cardtest.Key(kind, 0)
			c := put(cardtest.YubiKey("5.7.1"), "9A", cardtest.Leaf{Key: signer, UPNs: []string{"a@example.com"}})
			credential := only(t, finder(t, c))
			key, err := credential.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			assert.Equal(t, signer.Public(), key.Public())
			assertSigns(t, key, credential)
			require.NoError(t, key.Close())
			assert.False(t, c.Verified(), "logged out")
		})
	}
}

func TestDecrypt(t *testing.T) {
	c := put(cardtest.PIV(), "9D", cardtest.Leaf{})
	credential := only(t, finder(t, c))
	key, err := credential.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, key.Public().(*rsa.PublicKey), []byte("text"))
	require.NoError(t, err)
	text, err := key.Decrypt(nil, sealed, nil)
	require.NoError(t, err)
	assert.Equal(t, "text", string(text))
	peer, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	_, err = key.ECDH(peer.PublicKey())
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestWrongKey(t *testing.T) {
	_, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"a@example.com"}})
	c := cardtest.PIV().Put("9A", cardtest.Key(cardtest.RSA2048, 1), certificate)
	credential := only(t, finder(t, c))
	key, err := credential.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	if err == nil {
		defer key.Close()
		const server = "https://example.com"
		var answer []byte
		answer, err = challenge.Respond(key, credential.Raw, challenge.New("test", server), server)
		assert.Nil(t, answer)
	}
	assert.ErrorIs(t, err, piv.ErrMismatch)
	assert.NotEmpty(t, card.Hint(err))
}

func TestUnlockChangedCertificate(t *testing.T) {
	c := cardtest.Logon("alice@example.com")
	credential := only(t, finder(t, c))
	put(c, "9A", cardtest.Leaf{UPNs: []string{"mallory@example.com"}})
	_, err := credential.Unlock(t.Context(), mustNotAsk(t))
	assert.ErrorIs(t, err, card.ErrChanged)
	assert.NotEmpty(t, card.Hint(err))

	c.PutObject(0x5FC105, nil)
	_, err = credential.Unlock(t.Context(), mustNotAsk(t))
	assert.ErrorIs(t, err, piv.ErrNotFound)
}

func TestUnlockAfterRemoval(t *testing.T) {
	first, second := cardtest.Logon("alice@example.com"), cardtest.Logon("bob@example.com")
	readers := cardtest.NewReaders(first)
	name := readers.Names()[0]
	credential := only(t, finderOn(t, readers, nil))
	readers.Remove(name)
	_, err := credential.Unlock(t.Context(), mustNotAsk(t))
	assert.ErrorIs(t, err, card.ErrNoCard)
	readers.Insert(name, second)
	_, err = credential.Unlock(t.Context(), mustNotAsk(t))
	assert.ErrorIs(t, err, card.ErrChanged)
	assert.Zero(t, second.Spent())
	readers.Remove(name)
	readers.Insert(name, first)
	key, err := credential.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err, "the same card is back")
	require.NoError(t, key.Close())
}

func TestWrongPIN(t *testing.T) {
	c := cardtest.Logon("alice@example.com")
	credential := only(t, finder(t, c))
	_, err := credential.Unlock(t.Context(), card.FixedPIN("000000"))
	var refused *card.PINError
	require.ErrorAs(t, err, &refused)
	assert.ErrorIs(t, err, card.ErrWrongPIN)
	assert.Equal(t, 2, refused.Retries)
	assert.Equal(t, 1, c.Spent())
	assert.ErrorContains(t, err, "9A")
	assert.ErrorContains(t, err, "Software Reader 00")

	_, err = credential.Unlock(t.Context(), card.FixedPIN("000000"))
	assert.ErrorIs(t, err, card.ErrRefusedBefore)
	assert.Equal(t, 1, c.Spent(), "not sent again")
}

func TestLastTry(t *testing.T) {
	c := cardtest.Logon("alice@example.com", cardtest.RetriesLeft(1))
	credential := only(t, finder(t, c))
	_, err := credential.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	assert.ErrorIs(t, err, card.ErrLastTry)
	assert.Equal(t, 1, c.RetriesLeft())

	key, err := credential.Unlock(t.Context(), func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		assert.True(t, r.Last)
		assert.Equal(t, 1, r.Retries)
		return card.NewPIN([]byte(cardtest.PIN)).AllowLastTry(), nil
	})
	require.NoError(t, err)
	require.NoError(t, key.Close())
	assert.Equal(t, 3, c.RetriesLeft())
}

func TestBlockedPIN(t *testing.T) {
	c := cardtest.Logon("alice@example.com", cardtest.RetriesLeft(0))
	credential := only(t, finder(t, c))
	_, err := credential.Unlock(t.Context(), mustNotAsk(t))
	assert.ErrorIs(t, err, card.ErrPINBlocked)
	assert.Contains(t, card.Hint(err), "PUK")
}

func TestNeighborKeepsRetries(t *testing.T) {
	neighbor := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "999999")
	c := cardtest.Logon("alice@example.com", neighbor)
	readers := cardtest.NewReaders(c)
	credential := only(t, finderOn(t, readers, nil))

	// While the user is asked, another program selects its application, whose
	// VERIFY is the same command.
	other := readers.Service()
	defer other.Close()
	key, err := credential.Unlock(t.Context(), func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		k, err := other.Card(ctx, r.Reader)
		require.NoError(t, err)
		require.NoError(t, k.Do(ctx, func(tx *card.Tx) error {
			_, err := tx.Select(neighbor.AID())
			return err
		}))
		return card.NewPIN([]byte(cardtest.PIN)), nil
	})
	require.NoError(t, err)
	assertSigns(t, key, credential)
	require.NoError(t, key.Close())
	assert.Equal(t, 3, neighbor.RetriesLeft())
	assert.Zero(t, neighbor.Spent())
	assert.Zero(t, c.Spent())
}

func TestClosedKey(t *testing.T) {
	credential := only(t, finder(t, cardtest.Logon("alice@example.com")))
	ctx, cancel := context.WithCancel(t.Context())
	key, err := credential.Unlock(ctx, card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	digest := make([]byte, 32)
	_, err = key.Sign(nil, digest, crypto.SHA256)
	require.NoError(t, err)
	cancel() // ends Unlock only
	_, err = key.Sign(nil, digest, crypto.SHA256)
	require.NoError(t, err)
	bounded := key.WithContext(ctx)
	_, err = bounded.Sign(nil, digest, crypto.SHA256)
	assert.ErrorIs(t, err, context.Canceled)
	require.NoError(t, key.Close())
	for _, k := range []*enumerate.Key{key, bounded} {
		_, err = k.Sign(nil, digest, crypto.SHA256)
		assert.ErrorIs(t, err, enumerate.ErrKeyClosed)
		require.NoError(t, k.Close())
	}
}
