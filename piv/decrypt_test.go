package piv_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/rsapad/rsapadtest"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/piv"
)

// decrypter returns an open key for decryption and its public key.
func decrypter(t *testing.T, kind cardtest.KeyKind, options ...cardtest.Option) (*piv.Key, *rsa.PublicKey) {
	private := cardtest.Key(kind, 0)
	public := private.Public().(*rsa.PublicKey)
	return unlocked(t, cardtest.PIV(options...).Put("9D", private, nil), piv.KeyManagement, public), public
}

func TestDecryptPKCS1v15(t *testing.T) {
	for _, kind := range []cardtest.KeyKind{cardtest.RSA1024, cardtest.RSA2048, cardtest.RSA3072, cardtest.RSA4096} {
		t.Run(string(kind), func(t *testing.T) {
			key, public := decrypter(t, kind)
			for _, message := range [][]byte{{}, []byte("secret"), make([]byte, public.Size()-11)} {
				secret, err := rsa.EncryptPKCS1v15(rand.Reader, public, message)
				require.NoError(t, err)
				got, err := key.Decrypt(nil, secret, nil)
				require.NoError(t, err)
				assert.Equal(t, message, append([]byte{}, got...))
				got, err = key.Decrypt(nil, secret, &rsa.PKCS1v15DecryptOptions{})
				require.NoError(t, err)
				assert.Equal(t, message, append([]byte{}, got...))
			}
		})
	}
}

func TestDecryptSessionKey(t *testing.T) {
	key, public := decrypter(t, cardtest.RSA2048, cardtest.ShortLengths)
	secret, err := rsa.EncryptPKCS1v15(rand.Reader, public, []byte("0123456789abcdef"))
	require.NoError(t, err)
	got, err := key.Decrypt(nil, secret, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 16})
	require.NoError(t, err)
	assert.Equal(t, "0123456789abcdef", string(got))

	// With malformed padding or another length the result is a random key.
	other := rsapadtest.Raw(public, []byte{0, 1, 2, 3})
	for _, ciphertext := range [][]byte{secret, other} {
		got, err := key.Decrypt(zeroReader{}, ciphertext, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 24})
		require.NoError(t, err)
		assert.Equal(t, make([]byte, 24), got, "from random")
	}
	_, err = key.Decrypt(nil, secret, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: public.Size()})
	assert.ErrorIs(t, err, rsa.ErrDecryption, "no such key fits")
	_, err = key.Decrypt(bytes.NewReader(nil), secret, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 16})
	assert.Error(t, err, "random ends")
}

func TestDecryptOAEP(t *testing.T) {
	key, public := decrypter(t, cardtest.RSA2048)
	label := []byte("label")
	secret, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, []byte("secret"), label)
	require.NoError(t, err)
	got, err := key.Decrypt(nil, secret, &rsa.OAEPOptions{Hash: crypto.SHA256, Label: label})
	require.NoError(t, err)
	assert.Equal(t, "secret", string(got))

	mixed := rsapadtest.Raw(public, rsapadtest.OAEP(public.Size(), crypto.SHA256, crypto.SHA1, label, []byte("secret")))
	got, err = key.Decrypt(nil, mixed, &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1, Label: label})
	require.NoError(t, err)
	assert.Equal(t, "secret", string(got))

	empty, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, nil, nil)
	require.NoError(t, err)
	got, err = key.Decrypt(nil, empty, &rsa.OAEPOptions{Hash: crypto.SHA1})
	require.NoError(t, err)
	assert.Empty(t, got)

	for name, opts := range map[string]*rsa.OAEPOptions{
		"another label": {Hash: crypto.SHA256, Label: []byte("other")},
		"no label":      {Hash: crypto.SHA256},
		"another hash":  {Hash: crypto.SHA384, Label: label},
		"another mask":  {Hash: crypto.SHA256, MGFHash: crypto.SHA1, Label: label},
		"no hash":       {Hash: crypto.Hash(0), Label: label},
	} {
		_, err := key.Decrypt(nil, secret, opts)
		if name == "no hash" {
			assert.ErrorIs(t, err, errors.ErrUnsupported, name)
		} else {
			assert.ErrorIs(t, err, rsa.ErrDecryption, name)
		}
	}
	small, public := decrypter(t, cardtest.RSA1024)
	_, err = small.Decrypt(nil, rsapadtest.Raw(public, []byte{0, 2}), &rsa.OAEPOptions{Hash: crypto.SHA512})
	assert.ErrorIs(t, err, rsa.ErrDecryption, "no message fits")
}

// All malformed ciphertexts have the same error text.
func TestDecryptErrorsAreEqual(t *testing.T) {
	key, public := decrypter(t, cardtest.RSA2048)
	ones := bytes.Repeat([]byte{1}, 300)
	texts := map[string]bool{}
	for name, block := range map[string][]byte{
		"first byte":           append([]byte{1, 2}, ones[:250]...),
		"second byte":          append([]byte{0, 1}, ones[:250]...),
		"no zero":              append([]byte{0, 2}, ones[:254]...),
		"short padding":        append([]byte{0, 2, 1, 1, 1, 1, 1, 1, 1, 0}, ones[:100]...),
		"only the first bytes": {0, 2},
	} {
		_, err := key.Decrypt(nil, rsapadtest.Raw(public, block), nil)
		assert.ErrorIs(t, err, rsa.ErrDecryption, name)
		texts[err.Error()] = true
	}
	for _, n := range []int{0, 255, 257} {
		_, err := key.Decrypt(nil, make([]byte, n), nil)
		assert.ErrorIs(t, err, rsa.ErrDecryption)
		texts[err.Error()] = true
	}
	assert.Len(t, texts, 1)
}

func TestDecryptUnsupported(t *testing.T) {
	key, public := decrypter(t, cardtest.RSA2048)
	_, err := key.Decrypt(nil, make([]byte, public.Size()), "what")
	assert.ErrorIs(t, err, errors.ErrUnsupported)

	private := cardtest.Key(cardtest.P256, 0)
	elliptic := unlocked(t, cardtest.PIV().Put("9D", private, nil), piv.KeyManagement, private.Public())
	_, err = elliptic.Decrypt(nil, make([]byte, 256), nil)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestECDH(t *testing.T) {
	for _, test := range []struct {
		name    string
		private crypto.PrivateKey
		curve   ecdh.Curve
	}{
		{"P-256", testkeys.ECDSA(cardtest.Key(cardtest.P256, 0).(*ecdsa.PrivateKey).Curve, 0), ecdh.P256()},
		{"P-384", testkeys.ECDSA(cardtest.Key(cardtest.P384, 0).(*ecdsa.PrivateKey).Curve, 0), ecdh.P384()},
		{"X25519", testkeys.X25519(), ecdh.X25519()},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := yubikey("5.7.1").Put("9D", test.private, nil)
			peer, err := test.curve.GenerateKey(rand.Reader)
			require.NoError(t, err)

			var publics []crypto.PublicKey
			switch k := test.private.(type) {
			case *ecdsa.PrivateKey:
				public, err := k.PublicKey.ECDH()
				require.NoError(t, err)
				publics = []crypto.PublicKey{k.Public(), public}
			case *ecdh.PrivateKey:
				publics = []crypto.PublicKey{k.PublicKey()}
			}
			for _, public := range publics {
				converted, ok := public.(*ecdh.PublicKey)
				if !ok {
					converted, err = public.(*ecdsa.PublicKey).ECDH()
					require.NoError(t, err)
				}
				want, err := peer.ECDH(converted)
				require.NoError(t, err)
				key, err := open(t, soft).Key(t.Context(), piv.KeyManagement, public, card.FixedPIN(cardtest.PIN))
				require.NoError(t, err)
				got, err := key.ECDH(peer.PublicKey())
				require.NoError(t, err)
				assert.Equal(t, want, got)

				other, err := ecdh.P521().GenerateKey(rand.Reader)
				require.NoError(t, err)
				before := soft.Exchanges().Commands
				_, err = key.ECDH(other.PublicKey())
				assert.ErrorContains(t, err, "the peer's key is on P-521, not on "+test.name)
				assert.Equal(t, before, soft.Exchanges().Commands)
				require.NoError(t, key.Close())
				soft.Reset()
			}
		})
	}
}

func TestECDHUnsupported(t *testing.T) {
	peer, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	key, _ := decrypter(t, cardtest.RSA2048)
	_, err = key.ECDH(peer.PublicKey())
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	ed := cardtest.Key(cardtest.Ed25519, 0)
	edKey := unlocked(t, yubikey("5.7.1").Put("9D", ed, nil), piv.KeyManagement, ed.Public().(ed25519.PublicKey))
	_, err = edKey.ECDH(peer.PublicKey())
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestECDHSecretOfWrongLength(t *testing.T) {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	p := piv.New(card.New("test", scripted{selectPrefix: {0x90, 0x00}, "\x00\x87": success(tlv(0x7C, tlv(0x82, make([]byte, 31)...)...))}))
	key, err := p.Key(t.Context(), piv.CardAuthentication, private.PublicKey(), nil)
	require.NoError(t, err)
	defer key.Close()
	got, err := key.ECDH(private.PublicKey())
	assert.Nil(t, got)
	assert.ErrorIs(t, err, card.ErrMalformed)
	assert.ErrorContains(t, err, "secret of 31 bytes, not 32")
}
