package piv_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/piv"
)

// publicKeyContent encodes a public key as a card does.
func publicKeyContent(t *testing.T, key crypto.PublicKey) []byte {
	t.Helper()
	switch k := key.(type) {
	case *rsa.PublicKey:
		return join(tlv(0x81, k.N.Bytes()...), tlv(0x82, big.NewInt(int64(k.E)).Bytes()...))
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		require.NoError(t, err)
		return tlv(0x86, point...)
	case ed25519.PublicKey:
		return tlv(0x86, k...)
	case *ecdh.PublicKey:
		return tlv(0x86, k.Bytes()...)
	}
	t.Fatalf("a public key of type %T", key)
	return nil
}

// A decoded public key has the algorithm that was asked for and survives a round trip.
func FuzzPublicKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, algorithm byte, content []byte) {
		key, err := piv.DecodePublicKey(piv.Algorithm(algorithm), content)
		if err != nil {
			assertMalformed(t, err)
			assert.Nil(t, key)
			return
		}
		of, err := piv.AlgorithmOf(key)
		require.NoError(t, err)
		assert.Equal(t, piv.Algorithm(algorithm), of)
		again, err := piv.DecodePublicKey(of, publicKeyContent(t, key))
		require.NoError(t, err)
		assert.Equal(t, key, again)
	})
}

func FuzzMetadata(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := piv.DecodeMetadata(content)
		if err != nil {
			assertMalformed(t, err)
			assert.Nil(t, m)
			return
		}
		origin, initial := byte(2), byte(0)
		if m.Generated {
			origin = 1
		}
		if m.Default {
			initial = 1
		}
		written := join(tlv(1, byte(m.Algorithm)), tlv(2, byte(m.PIN), byte(m.Touch)), tlv(3, origin), tlv(5, initial), tlv(6, byte(m.Tries), byte(m.Retries)))
		if m.PublicKey != nil {
			written = append(written, tlv(4, publicKeyContent(t, m.PublicKey)...)...)
		}
		again, err := piv.DecodeMetadata(written)
		require.NoError(t, err)
		assert.Equal(t, m, again)
	})
}

// A serial number of up to 32 bits is decoded as by encoding/asn1.
func FuzzSerialNumber(f *testing.F) {
	f.Fuzz(func(t *testing.T, der []byte) {
		n, ok := piv.SerialNumber(der)
		var want int64
		rest, err := asn1.Unmarshal(der, &want)
		valid := err == nil && len(rest) == 0 && want >= 0 && want <= 0xFFFFFFFF
		if valid {
			require.True(t, ok)
			assert.EqualValues(t, want, n)
		} else if ok { // longer forms are accepted
			assert.ErrorContains(t, err, "integer not minimally-encoded")
		}
	})
}
