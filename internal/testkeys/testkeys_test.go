package testkeys_test

import (
	"crypto/elliptic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/testkeys"
)

func TestAllKeys(t *testing.T) {
	moduli := map[string]bool{}
	for bits, count := range map[int]int{1024: 1, 2048: 3, 3072: 1, 4096: 1} {
		for n := range count {
			key := testkeys.RSA(bits, n)
			assert.Equal(t, bits, key.N.BitLen())
			assert.NoError(t, key.Validate())
			moduli[key.N.String()] = true
		}
	}
	assert.Len(t, moduli, 6, "RSA keys differ")

	points := map[string]bool{}
	for curve, count := range map[elliptic.Curve]int{elliptic.P256(): 3, elliptic.P384(): 2, elliptic.P521(): 1} {
		for n := range count {
			key, err := testkeys.ECDSA(curve, n).ECDH()
			assert.NoError(t, err)
			points[string(key.Bytes())] = true
		}
	}
	assert.Len(t, points, 6, "EC keys differ")

	assert.Len(t, testkeys.Ed25519(), 64)
	assert.Len(t, testkeys.X25519().Bytes(), 32)
}

func TestKeysAreEqualButNotShared(t *testing.T) {
	a, b := testkeys.RSA(2048, 1), testkeys.RSA(2048, 1)
	assert.True(t, a.Equal(b))
	assert.NotSame(t, a, b)
}

func TestMissingKey(t *testing.T) {
	assert.PanicsWithValue(t, "testkeys: no key rsa-2048-7", func() { testkeys.RSA(2048, 7) })
}

func BenchmarkRSA4096(b *testing.B) {
	for b.Loop() {
		testkeys.RSA(4096, 0)
	}
}
