package gids_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/rsapad/rsapadtest"
	"github.com/smartlogon/smartlogon/internal/signature"
)

// variants are cards that support every operation.
func variants() map[string]func() *cardtest.Card {
	return map[string]func() *cardtest.Card{
		"GIDS":               func() *cardtest.Card { return cardtest.GIDS() },
		"TPM":                func() *cardtest.Card { return cardtest.TPM() },
		"the host pads":      func() *cardtest.Card { return cardtest.GIDS(cardtest.GIDSHostPads) },
		"T=0":                func() *cardtest.Card { return cardtest.GIDS(cardtest.T0) },
		"SELECT keeps a PIN": func() *cardtest.Card { return cardtest.GIDS(cardtest.GIDSSelectKeeps) },
		"no key map":         func() *cardtest.Card { return cardtest.GIDS(cardtest.GIDSNoKeyMap) },
	}
}

func TestSignRSA(t *testing.T) {
	for name, newSoft := range variants() {
		for _, kind := range []cardtest.KeyKind{cardtest.RSA1024, cardtest.RSA2048, cardtest.RSA3072, cardtest.RSA4096} {
			t.Run(name+", "+string(kind), func(t *testing.T) {
				private := cardtest.Key(kind, 0)
				public := private.Public().(*rsa.PublicKey)
				soft := newSoft()
				putLeaf(soft, "kxc00", private)
				key := openKey(t, soft, public)
				assert.Equal(t, public, key.Public())
				for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
					sig, err := key.Sign(nil, digest(h), h)
					require.NoError(t, err, h)
					assert.NoError(t, rsa.VerifyPKCS1v15(public, h, digest(h), sig))
				}
				sig, err := key.Sign(nil, digest36(), crypto.Hash(0)) // MD5 and SHA-1, as in TLS 1.0
				require.NoError(t, err)
				assert.NoError(t, rsa.VerifyPKCS1v15(public, 0, digest36(), sig))
				for _, salt := range []int{rsa.PSSSaltLengthAuto, rsa.PSSSaltLengthEqualsHash, 0} {
					opts := &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: salt}
					sig, err := key.Sign(nil, digest(crypto.SHA256), opts)
					require.NoError(t, err)
					assert.NoError(t, rsa.VerifyPSS(public, crypto.SHA256, digest(crypto.SHA256), sig, opts))
				}
				assert.Zero(t, soft.Spent()+soft.Writes())
			})
		}
	}
}

func digest36() []byte { return bytes.Repeat([]byte{7}, 36) }

// The exchange is an assumption: see package gids.
func TestSignECDSA(t *testing.T) {
	for _, kind := range []cardtest.KeyKind{cardtest.P256, cardtest.P384, cardtest.P521} {
		private := cardtest.Key(kind, 0)
		soft := cardtest.GIDS()
		putLeaf(soft, "kxc00", private)
		key := openKey(t, soft, private.Public())
		for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA512} {
			sig, err := key.Sign(nil, digest(h), h)
			require.NoError(t, err)
			assert.True(t, ecdsa.VerifyASN1(private.Public().(*ecdsa.PublicKey), digest(h), sig))
		}
		_, err := key.Decrypt(nil, make([]byte, 256), nil)
		assert.ErrorIs(t, err, errors.ErrUnsupported)
	}
}

func TestDecrypt(t *testing.T) {
	oaep := func(h, mgf crypto.Hash, label string) *rsa.OAEPOptions {
		return &rsa.OAEPOptions{Hash: h, MGFHash: mgf, Label: []byte(label)}
	}
	for name, newSoft := range variants() {
		t.Run(name, func(t *testing.T) {
			private := cardtest.Key(cardtest.RSA2048, 0)
			public := private.Public().(*rsa.PublicKey)
			soft := newSoft()
			putLeaf(soft, "kxc00", private)
			key := openKey(t, soft, public)
			for _, message := range [][]byte{{}, []byte("secret"), bytes.Repeat([]byte{9}, public.Size()-11)} {
				sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, message)
				require.NoError(t, err)
				for _, opts := range []crypto.DecrypterOpts{nil, &rsa.PKCS1v15DecryptOptions{}} {
					got, err := key.Decrypt(nil, sealed, opts)
					require.NoError(t, err)
					assert.Equal(t, message, append([]byte{}, got...))
				}
			}
			sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, []byte("0123456789abcdef"))
			require.NoError(t, err)
			got, err := key.Decrypt(nil, sealed, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 16})
			require.NoError(t, err)
			assert.Equal(t, "0123456789abcdef", string(got))
			for _, opts := range []*rsa.OAEPOptions{
				oaep(crypto.SHA1, 0, ""), oaep(crypto.SHA1, crypto.SHA1, ""), oaep(crypto.SHA256, 0, ""),
				oaep(crypto.SHA256, crypto.SHA1, ""), oaep(crypto.SHA1, 0, "label"),
			} {
				mgf := opts.MGFHash
				if mgf == 0 {
					mgf = opts.Hash
				}
				block := rsapadtest.OAEP(public.Size(), opts.Hash, mgf, opts.Label, []byte("secret"))
				got, err := key.Decrypt(nil, rsapadtest.Raw(public, block), opts)
				require.NoError(t, err, opts)
				assert.Equal(t, "secret", string(got))
			}
			assert.Zero(t, soft.Spent()+soft.Writes())
		})
	}
}

// A card that pads and unpads itself, and does not return the padded block.
func TestCardPads(t *testing.T) {
	private := cardtest.Key(cardtest.RSA2048, 0)
	public := private.Public().(*rsa.PublicKey)
	soft := cardtest.GIDS(cardtest.GIDSCardPads)
	putLeaf(soft, "kxc00", private)
	key := openKey(t, soft, public)
	sig, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	require.NoError(t, err)
	assert.NoError(t, rsa.VerifyPKCS1v15(public, crypto.SHA256, digest(crypto.SHA256), sig))
	_, err = key.Sign(nil, digest(crypto.SHA256), &rsa.PSSOptions{Hash: crypto.SHA256})
	assert.ErrorIs(t, err, card.StatusDataUnusable, "the card cannot pad for PSS")

	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, []byte("0123456789abcdef"))
	require.NoError(t, err)
	for _, opts := range []crypto.DecrypterOpts{nil, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 16}} {
		got, err := key.Decrypt(nil, sealed, opts)
		require.NoError(t, err)
		assert.Equal(t, "0123456789abcdef", string(got))
	}
	sealed, err = rsa.EncryptOAEP(sha1.New(), rand.Reader, public, []byte("secret"), nil)
	require.NoError(t, err)
	got, err := key.Decrypt(nil, sealed, &rsa.OAEPOptions{Hash: crypto.SHA1})
	require.NoError(t, err)
	assert.Equal(t, "secret", string(got))
	_, err = key.Decrypt(nil, sealed, &rsa.OAEPOptions{Hash: crypto.SHA256})
	assert.ErrorIs(t, err, card.StatusDataUnusable)
}

func TestDecryptDoesNotRevealWhatIsInvalid(t *testing.T) {
	private := cardtest.Key(cardtest.RSA2048, 0)
	public := private.Public().(*rsa.PublicKey)
	for _, options := range [][]cardtest.Option{nil, {cardtest.GIDSHostPads}, {cardtest.GIDSCardPads}} {
		soft := cardtest.GIDS(options...)
		putLeaf(soft, "kxc00", private)
		key := openKey(t, soft, public)
		for _, block := range [][]byte{{0, 1, 2, 3}, {1, 2}, {0, 2, 7, 7, 0}} {
			sealed := rsapadtest.Raw(public, block)
			_, err := key.Decrypt(nil, sealed, nil)
			assert.ErrorIs(t, err, rsa.ErrDecryption)
			_, err = key.Decrypt(nil, sealed, &rsa.OAEPOptions{Hash: crypto.SHA1})
			assert.ErrorIs(t, err, rsa.ErrDecryption)
			got, err := key.Decrypt(nil, sealed, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 24})
			require.NoError(t, err)
			assert.Len(t, got, 24, "random")
		}
		other, err := rsa.EncryptPKCS1v15(rand.Reader, public, []byte("another length"))
		require.NoError(t, err)
		got, err := key.Decrypt(nil, other, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: 24})
		require.NoError(t, err)
		assert.Len(t, got, 24)
		_, err = key.Decrypt(nil, make([]byte, 255), nil)
		assert.ErrorIs(t, err, rsa.ErrDecryption)
		_, err = key.Decrypt(nil, make([]byte, 256), 7)
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		assert.Zero(t, soft.Spent())
	}
}

func TestKeyDoesNotMatchCertificate(t *testing.T) {
	for _, options := range [][]cardtest.Option{nil, {cardtest.GIDSHostPads}} {
		listed, other := cardtest.Key(cardtest.RSA2048, 0), cardtest.Key(cardtest.RSA2048, 1)
		_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: listed})
		soft := cardtest.GIDS(options...).Put("kxc00", other, der)
		key := openKey(t, soft, listed.Public())
		_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		assert.ErrorIs(t, err, signature.ErrMismatch)
		sealed, err := rsa.EncryptPKCS1v15(rand.Reader, listed.Public().(*rsa.PublicKey), []byte("secret"))
		require.NoError(t, err)
		_, err = key.Decrypt(nil, sealed, nil)
		assert.Error(t, err)
	}
}

func TestUnsupportedKeys(t *testing.T) {
	soft := cardtest.GIDS()
	putLeaf(soft, "kxc00", smallKey())
	g := newCard(t, soft)
	cert := onlyCertificate(t, g)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	for _, public := range []crypto.PublicKey{cardtest.Key(cardtest.Ed25519, 0).Public(), &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1535), E: 3}, p224.Public(), nil} {
		_, err := g.Key(t.Context(), cert, public, nil)
		assert.ErrorIs(t, err, errors.ErrUnsupported)
	}
}

func TestSignRefusesWithoutExchange(t *testing.T) {
	soft := cardtest.GIDS()
	putLeaf(soft, "kxc00", smallKey())
	key := openKey(t, soft, smallKey().Public())
	before := soft.Exchanges().Commands
	for _, opts := range []crypto.SignerOpts{crypto.SHA384, crypto.MD5SHA1, crypto.BLAKE2b_256, &rsa.PSSOptions{Hash: crypto.SHA384}} {
		_, err := key.Sign(nil, make([]byte, 32), opts)
		assert.Error(t, err)
	}
	_, err := key.Sign(nil, make([]byte, 200), crypto.Hash(0))
	assert.ErrorContains(t, err, "too long")
	_, err = key.Sign(bytes.NewReader(nil), digest(crypto.SHA256), &rsa.PSSOptions{Hash: crypto.SHA256})
	assert.Error(t, err, "no randomness")
	assert.Equal(t, before, soft.Exchanges().Commands)
}

func TestClosedKey(t *testing.T) {
	soft := cardtest.GIDS()
	putLeaf(soft, "kxc00", smallKey())
	g := newCard(t, soft)
	key, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	assert.True(t, soft.Verified())
	require.NoError(t, key.Close())
	require.NoError(t, key.Close())
	assert.False(t, soft.Verified())
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.ErrorIs(t, err, cardapp.ErrKeyClosed)
}

// After a reset by another program, an open key asks for the PIN and works.
func TestKeyAfterReset(t *testing.T) {
	soft := cardtest.GIDS()
	putLeaf(soft, "kxc00", smallKey())
	g := newCard(t, soft)
	asked := 0
	ask := func(context.Context, card.PINRequest) (card.PIN, error) {
		asked++
		return card.NewPIN([]byte(cardtest.PIN)), nil
	}
	key, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), ask)
	require.NoError(t, err)
	defer key.Close()
	for range 2 {
		_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		require.NoError(t, err)
	}
	assert.Equal(t, 1, asked)
	soft.Reset()
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	require.NoError(t, err)
	assert.Equal(t, 2, asked)
}

func TestKeyWithoutPINFunc(t *testing.T) {
	soft := cardtest.GIDS()
	putLeaf(soft, "kxc00", smallKey())
	g := newCard(t, soft)
	key, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), nil)
	require.NoError(t, err)
	defer key.Close()
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.ErrorIs(t, err, card.StatusNotPermitted)
	sum := sha256.Sum256(nil)
	other, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer other.Close()
	_, err = key.Sign(nil, sum[:], crypto.SHA256)
	assert.NoError(t, err, "the PIN is verified for the other key")
}
