package piv_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// elements returns the algorithm of a private key and its elements in IMPORT.
func elements(t testing.TB, key crypto.PrivateKey) (piv.Algorithm, []byte) {
	t.Helper()
	switch key := key.(type) {
	case *rsa.PrivateKey:
		alg := map[int]piv.Algorithm{1024: piv.RSA1024, 2048: piv.RSA2048, 3072: piv.RSA3072, 4096: piv.RSA4096}[key.N.BitLen()]
		one := big.NewInt(1)
		p, q := key.Primes[0], key.Primes[1]
		var b []byte
		for i, n := range []*big.Int{
			p, q,
			new(big.Int).Mod(key.D, new(big.Int).Sub(p, one)),
			new(big.Int).Mod(key.D, new(big.Int).Sub(q, one)),
			new(big.Int).ModInverse(q, p),
		} {
			b = append(b, tlv(ber.Tag(i+1), n.FillBytes(make([]byte, key.N.BitLen()/16)))...)
		}
		return alg, b
	case *ecdsa.PrivateKey:
		alg := piv.P256
		if key.Curve == elliptic.P384() {
			alg = piv.P384
		}
		scalar, err := key.Bytes()
		require.NoError(t, err)
		return alg, tlv(0x06, scalar)
	case ed25519.PrivateKey:
		return piv.Ed25519, tlv(0x07, key.Seed())
	}
	return piv.X25519, tlv(0x08, key.(*ecdh.PrivateKey).Bytes())
}

func TestImport(t *testing.T) {
	keys := []crypto.PrivateKey{
		testkeys.RSA(1024, 0), testkeys.RSA(2048, 0), testkeys.RSA(3072, 0), testkeys.RSA(4096, 0),
		p256, testkeys.ECDSA(elliptic.P384(), 0), testkeys.Ed25519(), testkeys.X25519(),
	}
	for _, key := range keys {
		alg, b := elements(t, key)
		t.Run(fmt.Sprintf("%02X", byte(alg)), func(t *testing.T) {
			c := newYubiKey(t, "5.7.4", piv.Config{})
			put := command(0xFE, byte(alg), 0x9A, append(b, 0xAA, 1, 1, 0xAB, 1, 3))
			assert.Equal(t, "6982", c.send(put))
			authenticateFirmwareKey(c, "5.7.4")
			require.Equal(t, "9000", c.send(put))
			same := newYubiKey(t, "5.7.4", piv.Config{})
			require.NoError(t, same.app.Put(0x9A, key, nil))
			require.True(t, same.app.SetPolicy(0x9A, piv.PINNever, piv.TouchCached))
			assert.Equal(t, same.send(command(0xF7, 0, 0x9A, nil)), c.send(command(0xF7, 0, 0x9A, nil)))
			assert.Equal(t, "6a80", c.send("00f99a00"), "ATTEST of an imported key")
		})
	}
	assert.False(t, piv.New(piv.Config{}).SetPolicy(0x9A, piv.PINNever, piv.TouchNever), "SetPolicy of an empty slot")

	_, rsaKey := elements(t, testkeys.RSA(1024, 0))
	_, ecKey := elements(t, p256)
	broken := bytes.Clone(rsaKey)
	broken[len(broken)-1] ^= 1
	small := bytes.Clone(rsaKey)
	clear(small[2 : 2+64])
	tests := []struct {
		name, want string
		p1, p2     byte
		data       []byte
	}{
		{"undefined slot", "6a86", 0x11, 0x9B, ecKey},
		{"undefined algorithm", "6a86", 0x12, 0x9A, ecKey},
		{"another algorithm", "6a80", 0x14, 0x9A, ecKey},
		{"no data", "6a80", 0x11, 0x9A, nil},
		{"scalar of zero", "6a80", 0x11, 0x9A, tlv(0x06, make([]byte, 32))},
		{"no seed", "6a80", 0xE0, 0x9A, nil},
		{"short seed", "6a80", 0xE0, 0x9A, tlv(0x07, make([]byte, 31))},
		{"no X25519 scalar", "6a80", 0xE1, 0x9A, nil},
		{"short X25519 scalar", "6a80", 0xE1, 0x9A, tlv(0x08, make([]byte, 31))},
		{"inconsistent RSA key", "6a80", 0x06, 0x9A, broken},
		{"prime of zero", "6a80", 0x06, 0x9A, small},
		{"missing numbers", "6a80", 0x06, 0x9A, rsaKey[:66]},
		{"numbers of another length", "6a80", 0x07, 0x9A, rsaKey},
		{"PIN policy 4", "6a80", 0x11, 0x9A, append(bytes.Clone(ecKey), 0xAA, 1, 4)},
		{"policy of two bytes", "6a80", 0x11, 0x9A, append(bytes.Clone(ecKey), 0xAA, 2, 1, 1)},
		{"policies in the wrong order", "6a80", 0x11, 0x9A, append(bytes.Clone(ecKey), 0xAB, 1, 1, 0xAA, 1, 1)},
		{"default policies", "9000", 0x11, 0x9A, append(bytes.Clone(ecKey), 0xAA, 1, 0, 0xAB, 1, 0)},
		{"attestation key", "9000", 0x11, 0xF9, ecKey},
	}
	c := newYubiKey(t, "5.7.4", piv.Config{})
	authenticateFirmwareKey(c, "5.7.4")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, c.send(command(0xFE, tt.p1, tt.p2, tt.data)))
		})
	}
}
