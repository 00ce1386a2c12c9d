package piv_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/piv"
)

// A Key implements the interfaces of package crypto.
var (
	_ crypto.Signer        = (*piv.Key)(nil)
	_ crypto.MessageSigner = (*piv.Key)(nil)
	_ crypto.Decrypter     = (*piv.Key)(nil)
)

// unlocked opens the key in a slot and closes it with the test.
func unlocked(t *testing.T, soft *cardtest.Card, s piv.Slot, public crypto.PublicKey) *piv.Key {
	t.Helper()
	key, err := open(t, soft).Key(t.Context(), s, public, card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, key.Close()) })
	return key
}

func digest(h crypto.Hash) []byte {
	d := h.New()
	d.Write([]byte("message"))
	return d.Sum(nil)
}

func TestSignRSA(t *testing.T) {
	hashes := []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512}
	for _, kind := range []cardtest.KeyKind{cardtest.RSA1024, cardtest.RSA2048, cardtest.RSA3072, cardtest.RSA4096} {
		private := cardtest.Key(kind, 0)
		public := private.Public().(*rsa.PublicKey)
		for form, options := range map[string][]cardtest.Option{"extended": nil, "chained": {cardtest.ShortLengths}} {
			t.Run(string(kind)+" "+form, func(t *testing.T) {
				key := unlocked(t, cardtest.PIV(options...).Put("9A", private, nil), piv.Authentication, public)
				assert.Equal(t, public, key.Public())
				for _, h := range hashes {
					if form == "chained" && h != crypto.SHA256 {
						continue // the padded block has the same length
					}
					got, err := key.Sign(nil, digest(h), h)
					require.NoError(t, err, h)
					assert.NoError(t, rsa.VerifyPKCS1v15(public, h, digest(h), got))

					for _, salt := range []int{rsa.PSSSaltLengthAuto, rsa.PSSSaltLengthEqualsHash, 0, 20} {
						pss := &rsa.PSSOptions{SaltLength: salt, Hash: h}
						if public.Size() < 2*h.Size()+2 && salt == rsa.PSSSaltLengthEqualsHash {
							continue // does not fit
						}
						got, err := key.Sign(nil, digest(h), pss)
						require.NoError(t, err, "%v, salt %d", h, salt)
						assert.NoError(t, rsa.VerifyPSS(public, h, digest(h), got, pss))
					}
				}
				got, err := key.Sign(nil, []byte("no hash"), crypto.Hash(0))
				require.NoError(t, err)
				assert.NoError(t, rsa.VerifyPKCS1v15(public, 0, []byte("no hash"), got))
			})
		}
	}
}

func TestSignPSSTakesSaltFromRandom(t *testing.T) {
	private := cardtest.Key(cardtest.RSA2048, 0)
	key := unlocked(t, cardtest.PIV().Put("9A", private, nil), piv.Authentication, private.Public())
	pss := &rsa.PSSOptions{Hash: crypto.SHA256}
	zeros := func() io.Reader { return io.LimitReader(zeroReader{}, 1<<10) }
	first, err := key.Sign(zeros(), digest(crypto.SHA256), pss)
	require.NoError(t, err)
	second, err := key.Sign(zeros(), digest(crypto.SHA256), pss)
	require.NoError(t, err)
	assert.Equal(t, first, second)
	third, err := key.Sign(rand.Reader, digest(crypto.SHA256), pss)
	require.NoError(t, err)
	assert.NotEqual(t, first, third)
	_, err = key.Sign(io.LimitReader(zeroReader{}, 3), digest(crypto.SHA256), pss)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestSignECDSA(t *testing.T) {
	for _, kind := range []cardtest.KeyKind{cardtest.P256, cardtest.P384} {
		t.Run(string(kind), func(t *testing.T) {
			private := cardtest.Key(kind, 0)
			public := private.Public().(*ecdsa.PublicKey)
			key := unlocked(t, cardtest.PIV().Put("9A", private, nil), piv.Authentication, public)
			for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
				got, err := key.Sign(rand.Reader, digest(h), h)
				require.NoError(t, err)
				assert.True(t, ecdsa.VerifyASN1(public, digest(h), got), h)
			}
			got, err := key.SignMessage(nil, []byte("message"), crypto.SHA256)
			require.NoError(t, err)
			assert.True(t, ecdsa.VerifyASN1(public, digest(crypto.SHA256), got))
		})
	}
}

func TestSignEd25519(t *testing.T) {
	private := cardtest.Key(cardtest.Ed25519, 0)
	public := private.Public().(ed25519.PublicKey)
	key := unlocked(t, yubikey("5.7.1").Put("9A", private, nil), piv.Authentication, public)
	for _, message := range [][]byte{nil, []byte("message"), make([]byte, 1500)} {
		got, err := crypto.SignMessage(key, rand.Reader, message, crypto.Hash(0))
		require.NoError(t, err)
		assert.True(t, ed25519.Verify(public, message, got))
		got, err = key.Sign(nil, message, &ed25519.Options{})
		require.NoError(t, err)
		assert.True(t, ed25519.Verify(public, message, got))
	}
	for name, opts := range map[string]crypto.SignerOpts{
		"a digest":  crypto.SHA512,
		"a context": &ed25519.Options{Context: "x"},
	} {
		_, err := key.Sign(nil, digest(crypto.SHA512), opts)
		assert.ErrorIs(t, err, errors.ErrUnsupported, name)
	}
}

// Invalid arguments are refused before anything is sent.
func TestSignInvalidArguments(t *testing.T) {
	const unknown = crypto.Hash(77)
	private := func(k cardtest.KeyKind) crypto.Signer { return cardtest.Key(k, 0) }
	for _, test := range []struct {
		name   string
		key    crypto.Signer
		digest []byte
		opts   crypto.SignerOpts
		want   string
	}{
		{"a digest of another length", private(cardtest.RSA2048), make([]byte, 31), crypto.SHA256, "digest of 31 bytes is not one of SHA-256"},
		{"the same with ECDSA", private(cardtest.P256), make([]byte, 20), crypto.SHA256, "digest of 20 bytes is not one of SHA-256"},
		{"PKCS #1 v1.5 with an unsupported hash", private(cardtest.RSA2048), make([]byte, 32), crypto.SHA3_256, "PKCS #1 v1.5 with"},
		{"too many bytes", private(cardtest.RSA1024), make([]byte, 118), crypto.Hash(0), "too long for the key"},
		{"PSS without a hash", private(cardtest.RSA2048), make([]byte, 32), &rsa.PSSOptions{}, "PSS with hash"},
		{"PSS that does not fit", private(cardtest.RSA1024), make([]byte, 64), &rsa.PSSOptions{Hash: crypto.SHA512, SaltLength: rsa.PSSSaltLengthEqualsHash}, "too short for PSS"},
		{"PSS with a negative salt", private(cardtest.RSA1024), make([]byte, 64), &rsa.PSSOptions{Hash: crypto.SHA512, SaltLength: -7}, "too short for PSS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := cardtest.PIV().Put("9A", test.key, nil)
			key := unlocked(t, soft, piv.Authentication, test.key.Public())
			before := soft.Exchanges().Commands
			_, err := key.Sign(nil, test.digest, test.opts)
			assert.ErrorContains(t, err, "piv: sign with 9A (PIV Authentication): ")
			assert.ErrorContains(t, err, test.want)
			assert.Equal(t, before, soft.Exchanges().Commands)
		})
	}
	soft := cardtest.PIV().Put("9A", private(cardtest.P256), nil)
	_, err := unlocked(t, soft, piv.Authentication, private(cardtest.P256).Public()).SignMessage(nil, nil, unknownHash{unknown})
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

type unknownHash struct{ crypto.Hash }

func (h unknownHash) HashFunc() crypto.Hash { return h.Hash }

func TestUnsupportedPublicKeys(t *testing.T) {
	p := open(t, cardtest.PIV())
	odd, err := rsa.GenerateKey(rand.Reader, 1032)
	require.NoError(t, err)
	p521, err := ecdh.P521().GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, public := range map[string]crypto.PublicKey{
		"RSA of 1032 bits": odd.Public(),
		"P-521":            cardtest.Key(cardtest.P521, 0).Public(),
		"P-521 for ECDH":   p521.PublicKey(),
		"P-224":            &ecdsa.PublicKey{Curve: elliptic.P224()},
		"nothing":          nil,
		"a string":         "key",
	} {
		_, err := p.Key(t.Context(), piv.Authentication, public, noPIN(t))
		assert.ErrorIs(t, err, errors.ErrUnsupported, name)
		assert.ErrorContains(t, err, "piv: open key 9A", name)
	}
	_, err = p.Key(t.Context(), 0x9B, cardtest.Key(cardtest.P256, 0).Public(), noPIN(t))
	assert.ErrorIs(t, err, piv.ErrNotFound)
}

func TestSignUnsupported(t *testing.T) {
	x := testkeys.X25519()
	key := unlocked(t, yubikey("5.7.1").Put("9D", x, nil), piv.KeyManagement, x.PublicKey())
	_, err := key.Sign(nil, make([]byte, 32), crypto.SHA256)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

// A result of another key than the one of the certificate is not returned.
func TestMismatch(t *testing.T) {
	sum := sha256.Sum256([]byte("message"))
	sign := func(opts crypto.SignerOpts) func(*piv.Key) ([]byte, error) {
		return func(k *piv.Key) ([]byte, error) {
			if opts.HashFunc() == 0 {
				return k.Sign(nil, []byte("message"), opts)
			}
			return k.Sign(nil, sum[:], opts)
		}
	}
	// The ciphertext must be smaller than both moduli.
	small, large := cardtest.Key(cardtest.RSA2048, 0), cardtest.Key(cardtest.RSA2048, 1)
	if small.Public().(*rsa.PublicKey).N.Cmp(large.Public().(*rsa.PublicKey).N) > 0 {
		small, large = large, small
	}
	_, otherEd25519, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for _, test := range []struct {
		name           string
		inSlot, listed crypto.Signer
		use            func(*piv.Key) ([]byte, error)
	}{
		{"PKCS #1 v1.5", cardtest.Key(cardtest.RSA2048, 0), cardtest.Key(cardtest.RSA2048, 1), sign(crypto.SHA256)},
		{"PSS", cardtest.Key(cardtest.RSA2048, 0), cardtest.Key(cardtest.RSA2048, 1), sign(&rsa.PSSOptions{Hash: crypto.SHA256})},
		{"ECDSA P-256", cardtest.Key(cardtest.P256, 0), cardtest.Key(cardtest.P256, 1), sign(crypto.SHA256)},
		{"ECDSA P-384", cardtest.Key(cardtest.P384, 0), cardtest.Key(cardtest.P384, 1), sign(crypto.SHA256)},
		{"Ed25519", cardtest.Key(cardtest.Ed25519, 0), otherEd25519, sign(crypto.Hash(0))},
		{"decryption", large, small, func(k *piv.Key) ([]byte, error) {
			secret, err := rsa.EncryptPKCS1v15(rand.Reader, k.Public().(*rsa.PublicKey), []byte("secret"))
			require.NoError(t, err)
			return k.Decrypt(nil, secret, nil)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := yubikey("5.7.1").Put("9A", test.inSlot, nil)
			readers := cardtest.NewReaders(soft)
			defer readers.Close()
			p := openDriver(t, replacingDriver{readers.Driver(), 0xF7, []byte{0x6D, 0x00}})
			key, err := p.Key(t.Context(), piv.Authentication, test.listed.Public(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			defer key.Close()
			got, err := test.use(key)
			assert.Nil(t, got)
			assert.ErrorIs(t, err, piv.ErrMismatch)
			assert.Contains(t, card.Hint(err), "reissued")

			// From the metadata it is known before the PIN is asked for.
			_, err = open(t, soft).Key(t.Context(), piv.Authentication, test.listed.Public(), noPIN(t))
			assert.ErrorIs(t, err, piv.ErrMismatch)
		})
	}
}

// The card refuses a key of another algorithm than the certificate's.
func TestKeyOfOtherAlgorithm(t *testing.T) {
	soft := cardtest.PIV().Put("9A", cardtest.Key(cardtest.P256, 0), nil)
	key := unlocked(t, soft, piv.Authentication, cardtest.Key(cardtest.RSA2048, 0).Public())
	got, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.Nil(t, got)
	assert.ErrorIs(t, err, card.StatusWrongParameters)
}

func TestSignWithEmptySlot(t *testing.T) {
	for name, soft := range map[string]*cardtest.Card{"6A88": cardtest.PIV(), "6A80": yubikey("5.4.3")} {
		key := unlocked(t, soft, piv.Authentication, cardtest.Key(cardtest.P256, 0).Public())
		got, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		assert.Nil(t, got)
		var status card.Status
		assert.ErrorAs(t, err, &status, name)
	}
}

func TestMalformedSignature(t *testing.T) {
	const authenticatePrefix = "\x00\x87"
	for name, response := range map[string][]byte{
		"no data":              {},
		"no template":          tlv(0x82, 1),
		"an empty template":    tlv(0x7C),
		"a truncated template": {0x7C, 0x05, 0x82},
		"a challenge":          tlv(0x7C, tlv(0x81, 1)...),
		"a truncated response": tlv(0x7C, 0x82, 0x05),
	} {
		t.Run(name, func(t *testing.T) {
			p := piv.New(card.New("test", scripted{selectPrefix: {0x90, 0x00}, authenticatePrefix: success(response)}))
			key, err := p.Key(t.Context(), piv.CardAuthentication, cardtest.Key(cardtest.P256, 0).Public(), nil)
			require.NoError(t, err)
			defer key.Close()
			got, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			assert.Nil(t, got)
			assert.ErrorIs(t, err, card.ErrMalformed)
		})
	}
}

func TestClosedKey(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := cardtest.PIV().Put("9A", private, nil)
	key := unlocked(t, soft, piv.Authentication, private.Public())
	require.NoError(t, key.Close())
	require.NoError(t, key.Close(), "closed twice")
	_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.ErrorIs(t, err, cardapp.ErrKeyClosed)
	assert.False(t, soft.Verified())
}
