package rsapad_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"math/big"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/rsapad"
	"github.com/smartlogon/smartlogon/internal/rsapad/rsapadtest"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// The padding is measured against crypto/rsa, with the shortest key that cards have.
var shortKey = sync.OnceValue(func() *rsa.PrivateKey { return testkeys.RSA(1024, 0) })

// opened is what the public key makes of a signature.
func opened(public *rsa.PublicKey, signature []byte) []byte {
	s := new(big.Int).SetBytes(signature)
	return s.Exp(s, big.NewInt(int64(public.E)), public.N).FillBytes(make([]byte, public.Size()))
}

// block makes of fuzzed bytes what a key can decrypt to, and the ciphertext of it.
func block(data []byte) (plain, ciphertext []byte) {
	public := &shortKey().PublicKey
	plain = make([]byte, public.Size())
	copy(plain, data)
	if new(big.Int).SetBytes(plain).Cmp(public.N) >= 0 {
		plain[0] = 0
	}
	return plain, rsapadtest.Raw(public, plain)
}

var hashes = []crypto.Hash{0, crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func FuzzPadPKCS1(f *testing.F) {
	f.Fuzz(func(t *testing.T, digest []byte, n uint8) {
		hash := hashes[int(n)%len(hashes)]
		if hash != 0 {
			digest = append(digest, make([]byte, hash.Size())...)[:hash.Size()]
		}
		got, err := rsapad.PadPKCS1(shortKey().Size(), hash, digest)
		signature, wantErr := rsa.SignPKCS1v15(nil, shortKey(), hash, digest)
		require.Equal(t, wantErr == nil, err == nil, "%v, %v", wantErr, err)
		if err == nil {
			assert.Equal(t, opened(&shortKey().PublicKey, signature), got)
		}
	})
}

func FuzzPadPSS(f *testing.F) {
	f.Fuzz(func(t *testing.T, digest []byte, n uint8, salt int16) {
		hash := hashes[1+int(n)%(len(hashes)-1)]
		digest = append(digest, make([]byte, hash.Size())...)[:hash.Size()]
		opts := &rsa.PSSOptions{SaltLength: int(salt), Hash: hash}
		padded, err := rsapad.PadPSS(nil, &shortKey().PublicKey, digest, opts)
		if err != nil {
			assert.Nil(t, padded)
			most := shortKey().Size() - hash.Size() - 2
			assert.True(t, most < 0 || salt < -1 || int(salt) > most || salt == -1 && hash.Size() > most, "it fits: %v", err)
			return
		}
		m := new(big.Int).SetBytes(padded)
		signature := m.Exp(m, shortKey().D, shortKey().N).FillBytes(make([]byte, shortKey().Size()))
		assert.NoError(t, rsa.VerifyPSS(&shortKey().PublicKey, hash, digest, signature, opts))
	})
}

func FuzzUnpadPKCS1(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, ciphertext := block(data)
		want, wantErr := rsa.DecryptPKCS1v15(nil, shortKey(), ciphertext)
		got, err := rsapad.UnpadPKCS1(plain)
		require.Equal(t, wantErr == nil, err == nil)
		assert.True(t, bytes.Equal(want, got))
	})
}

func FuzzUnpadSessionKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, length uint8) {
		plain, ciphertext := block(data)
		want := make([]byte, length) // stays as it is where there is no such key
		wantErr := rsa.DecryptPKCS1v15SessionKey(nil, shortKey(), ciphertext, want)
		got, err := rsapad.UnpadSessionKey(zeroReader{}, plain, int(length))
		require.Equal(t, wantErr == nil, err == nil)
		if err == nil {
			assert.Equal(t, want, got)
		}
	})
}

func FuzzUnpadOAEP(f *testing.F) {
	f.Fuzz(func(t *testing.T, data, label []byte, encode bool) {
		if encode { // else hardly anything would ever be right
			if len(data) > shortKey().Size()-2*sha1.Size-2 {
				return
			}
			data = rsapadtest.OAEP(shortKey().Size(), crypto.SHA1, crypto.SHA1, label, data)
		}
		plain, ciphertext := block(data)
		want, wantErr := rsa.DecryptOAEP(sha1.New(), nil, shortKey(), ciphertext, label)
		got, err := rsapad.UnpadOAEP(plain, &rsa.OAEPOptions{Hash: crypto.SHA1, Label: label})
		require.Equal(t, wantErr == nil, err == nil)
		require.True(t, !encode || err == nil)
		assert.True(t, bytes.Equal(want, got))
	})
}
