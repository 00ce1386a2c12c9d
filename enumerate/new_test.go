package enumerate_test

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A key that another library opened is judged, named and used as one on a card.
func ExampleNew() {
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})

	credential := enumerate.New(certificate, func(context.Context, card.PINFunc) (crypto.Signer, error) {
		return key, nil // open it here
	})
	name, err := upn.SignIn{}.Name(credential.Names)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(name.Value, credential.Findings.Offered())
	// Output: alice@example.com true
}

// opens returns a function for New that returns s and err.
func opens(s crypto.Signer, err error) func(context.Context, card.PINFunc) (crypto.Signer, error) {
	return func(context.Context, card.PINFunc) (crypto.Signer, error) { return s, err }
}

func TestNew(t *testing.T) {
	signer, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"a@example.com"}})
	closing := &closer{Signer: signer}
	c := enumerate.New(certificate, opens(closing, nil))
	key, err := c.Unlock(t.Context(), nil)
	require.NoError(t, err)
	assertSigns(t, key, c)
	digest := sha256.Sum256([]byte("text"))
	message, err := key.SignMessage(rand.Reader, []byte("text"), crypto.SHA256)
	require.NoError(t, err)
	assert.NoError(t, rsa.VerifyPKCS1v15(key.Public().(*rsa.PublicKey), crypto.SHA256, digest[:], message))
	_, err = key.SignMessage(rand.Reader, nil, crypto.Hash(99))
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = key.Decrypt(rand.Reader, nil, nil)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = key.ECDH(nil)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	require.NoError(t, key.Close())
	assert.Equal(t, 1, closing.closed)

	decrypter := enumerate.New(certificate, opens(signer, nil))
	key, err = decrypter.Unlock(t.Context(), nil)
	require.NoError(t, err)
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, key.Public().(*rsa.PublicKey), []byte("text"))
	require.NoError(t, err)
	opened, err := key.Decrypt(nil, sealed, nil)
	require.NoError(t, err)
	assert.Equal(t, "text", string(opened))
	assert.NoError(t, key.Close(), "not an io.Closer")
}

// A closer is a Signer without other abilities that can be closed.
type closer struct {
	crypto.Signer
	closed int
}

func (c *closer) Close() error {
	c.closed++
	return nil
}

func TestNewWithECDH(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	_, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: private})
	peer, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	c := enumerate.New(certificate, opens(ecdhSigner{private}, nil))
	key, err := c.Unlock(t.Context(), nil)
	require.NoError(t, err)
	secret, err := key.ECDH(peer.PublicKey())
	require.NoError(t, err)
	assert.Equal(t, "secret", string(secret))
}

type ecdhSigner struct{ crypto.Signer }

func (ecdhSigner) ECDH(*ecdh.PublicKey) ([]byte, error) { return []byte("secret"), nil }

func TestNewWithWrongKey(t *testing.T) {
	signer, certificate := cardtest.TestCA().Issue(cardtest.Leaf{})
	other := &closer{Signer: cardtest.Key(cardtest.RSA2048, 1)}
	_, err := enumerate.New(certificate, opens(other, nil)).Unlock(t.Context(), nil)
	assert.ErrorIs(t, err, piv.ErrMismatch)
	assert.Equal(t, 1, other.closed)

	// The public key belongs to the certificate, the private key does not.
	mixed := struct {
		publicPart
		signingPart
	}{publicPart{signer}, signingPart{other}}
	key, err := enumerate.New(certificate, opens(mixed, nil)).Unlock(t.Context(), nil)
	require.NoError(t, err)
	signature, err := key.Sign(nil, make([]byte, 32), crypto.SHA256)
	assert.ErrorIs(t, err, piv.ErrMismatch)
	assert.Nil(t, signature)

	failure := errors.New("failure")
	_, err = enumerate.New(certificate, opens(nil, failure)).Unlock(t.Context(), nil)
	assert.ErrorIs(t, err, failure)
	_, err = enumerate.New([]byte("no certificate"), opens(signer, nil)).Unlock(t.Context(), nil)
	assert.Error(t, err)
}

type publicPart struct{ s crypto.Signer }

func (p publicPart) Public() crypto.PublicKey { return p.s.Public() }

type signingPart struct{ s crypto.Signer }

func (s signingPart) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.s.Sign(random, digest, opts)
}
