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

// shortKey is the key that the fuzz targets compare padding with crypto/rsa for:
// the shortest that cards hold.
var shortKey = sync.OnceValue(func() *rsa.PrivateKey { return testkeys.RSA(1024, 0) })

// recoverBlock returns the padded block that was signed.
func recoverBlock(public *rsa.PublicKey, signature []byte) []byte {
	s := new(big.Int).SetBytes(signature)
	return s.Exp(s, big.NewInt(int64(public.E)), public.N).FillBytes(make([]byte, public.Size()))
}

// encryptBlock cuts or extends fuzzed data to a block below the modulus and
// returns that and its ciphertext.
func encryptBlock(data []byte) (plain, ciphertext []byte) {
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
			assert.Equal(t, recoverBlock(&shortKey().PublicKey, signature), got)
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
			longest := shortKey().Size() - hash.Size() - 2
			assert.True(t, longest < 0 || salt < -1 || int(salt) > longest || salt == -1 && hash.Size() > longest, "the salt fits: %v", err)
			return
		}
		m := new(big.Int).SetBytes(padded)
		signature := m.Exp(m, shortKey().D, shortKey().N).FillBytes(make([]byte, shortKey().Size()))
		assert.NoError(t, rsa.VerifyPSS(&shortKey().PublicKey, hash, digest, signature, opts))
	})
}

func FuzzUnpadPKCS1(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, ciphertext := encryptBlock(data)
		want, wantErr := rsa.DecryptPKCS1v15(nil, shortKey(), ciphertext)
		got, err := rsapad.UnpadPKCS1(plain)
		require.Equal(t, wantErr == nil, err == nil)
		assert.True(t, bytes.Equal(want, got))
	})
}

func FuzzUnpadSessionKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, length uint8) {
		plain, ciphertext := encryptBlock(data)
		want := make([]byte, length) // unchanged if the block holds no such key
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
		if encode { // random data is almost never a valid block
			if len(data) > shortKey().Size()-2*sha1.Size-2 {
				return
			}
			data = rsapadtest.OAEP(shortKey().Size(), crypto.SHA1, crypto.SHA1, label, data)
		}
		plain, ciphertext := encryptBlock(data)
		want, wantErr := rsa.DecryptOAEP(sha1.New(), nil, shortKey(), ciphertext, label)
		got, err := rsapad.UnpadOAEP(plain, &rsa.OAEPOptions{Hash: crypto.SHA1, Label: label})
		require.Equal(t, wantErr == nil, err == nil)
		require.True(t, !encode || err == nil)
		assert.True(t, bytes.Equal(want, got))
	})
}
