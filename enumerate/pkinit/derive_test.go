package pkinit

import (
	"bytes"
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// TestDeriveKeyVector is the vector of RFC 8636, 8.2.
func TestDeriveKeyVector(t *testing.T) {
	const sha256KDF = "\x2B\x06\x01\x05\x02\x03\x06\x02"
	client := realmName{"SU.SE", principal{ntPrincipal, []string{"lha"}}}
	server := realmName{"SU.SE", principal{ntPrincipal, []string{"krbtgt", "SU.SE"}}}
	key, err := deriveKey(sha256KDF, make([]byte, 256), client, server, 18, bytes.Repeat([]byte{0xAA}, 10), bytes.Repeat([]byte{0xBB}, 9))
	require.NoError(t, err)
	assert.Equal(t, unhex(t, "77ef4e48c420ae3fec75109d7981697eed5d295c90c62564f7bfd101fa9bc1d5"), key)

	_, err = deriveKey("\x2A", nil, client, server, 18, nil, nil)
	assert.ErrorIs(t, err, ErrMalformed)
}

// TestLegacyKeyVectors has the vectors of RFC 4556, appendix B.
func TestLegacyKeyVectors(t *testing.T) {
	counting := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i % 17)
		}
		return b
	}
	for _, c := range []struct {
		secret []byte
		want   string
	}{
		{make([]byte, 256), "5ee50d675c809fe59e4a7762c54b65837547eafb159bd8cdc75ffca5911e4c41"},
		{make([]byte, 128), "acf7707c08973ddfdb27cd361442ccfba355c8884cb472f37da636d07d56787e"},
		{counting(128), "c442da585fcb80e43b47946f254093e37329d99001380db78371db3acf5c797e"},
		{counting(77), "0053953b84c896f4eb385c3f2e751c4a590ed6ffadca6ff64f47ebeb8d780ffc"},
	} {
		assert.Equal(t, c.want, hex.EncodeToString(legacyKey(c.secret, nil, 18)))
		half := len(c.secret) / 2
		assert.Equal(t, c.want, hex.EncodeToString(legacyKey(c.secret[:half], c.secret[half:], 18)), "the nonce follows the secret")
	}
}

func TestGroup14(t *testing.T) {
	assert.Equal(t, 2048, group14.p.BitLen())
	assert.True(t, group14.p.ProbablyPrime(10))
	assert.True(t, group14.q.ProbablyPrime(10))
	assert.Equal(t, 1, big.Jacobi(group14.g, group14.p), "2 generates the subgroup of order q")
}
