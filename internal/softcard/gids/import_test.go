package gids_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"testing"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestImport imports a key as Windows does.
func TestImport(t *testing.T) {
	key := testkeys.RSA(2048, 0)
	f := newSelected(t, gids.Config{})
	f.expect("00 E0 00 00 49 "+exchangeKey, "6982")
	f.verifyPIN()
	f.expect("00 E0 00 00 49 "+exchangeKey, "9000")
	f.expect("00 44 00 00", "9000")
	f.expect("00 CB 3F FF 0A 70 08 84 01 81 A5 03 7F 49 80 00", "6A88") // no key yet
	f.expect("00 22 41 B6 06 80 01 57 84 01 81", "9000")
	f.expect("00 2A 9E 9A 01 00 00", "6985")
	importKey := func(der []byte, want string) {
		t.Helper()
		f.sendChain("DB 3F FF", importData(0x81, der), want)
	}
	importKey([]byte{0x30, 0x00}, "6984")
	importKey(x509.MarshalPKCS1PrivateKey(testkeys.RSA(1024, 0)), "6984") // another length
	importKey(x509.MarshalPKCS1PrivateKey(key), "9000")
	importKey(unsignedKey(t, key), "9000")
	for name, numbers := range map[string][]*big.Int{
		"version 1":       {big.NewInt(1), key.N, big.NewInt(65537), key.D, key.Primes[0], key.Primes[1]},
		"no primes":       {big.NewInt(0), key.N, big.NewInt(65537), key.D},
		"primes of 0":     {big.NewInt(0), key.N, big.NewInt(65537), key.D, new(big.Int), new(big.Int)},
		"a long prime":    {big.NewInt(0), key.N, big.NewInt(65537), key.D, new(big.Int).Lsh(key.N, 3000), key.Primes[1]},
		"primes of 1":     {big.NewInt(0), key.N, big.NewInt(65537), key.D, big.NewInt(1), key.N},
		"a long exponent": {big.NewInt(0), key.N, key.N, key.D, key.Primes[0], key.Primes[1]},
		"even":            {big.NewInt(0), new(big.Int).Lsh(key.N, 1), big.NewInt(65537), key.D, big.NewInt(2), key.N},
		"all 0":           {new(big.Int), new(big.Int), new(big.Int), new(big.Int), new(big.Int), new(big.Int)},
	} {
		t.Log(name)
		importKey(encodeNumbers(numbers...), "6984")
	}
	f.expect("00 22 41 B6 06 80 01 57 84 01 81", "9000")
	sum := sha256.Sum256(nil)
	signature := f.send(fmt.Sprintf("00 2A 9E 9A 33 %s %X 00", sha256Prefix, sum))
	assert.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature[:len(signature)-2]))
	f.expect("00 DB 3F FF 05 70 03 84 01 81", "6984")
	f.expect("00 DB 3F FF 07 70 05 84 01 99 A5 00", "6984")
	f.expect("00 DB 3F FF 07 70 05 84 01 81 A5 00", "6984")
	f.expect("00 DB 3F FF 02 71 00", "6984")
	f.expect("00 DB 3F FF 07 70 05 84 01 80 A5 00", "6982") // the administrator's key
	f.expect("00 20 00 82", "9000")
	f.expect("00 DB 3F FF 07 70 05 84 01 81 A5 00", "6982")

	f.expect("00 A4 00 0C 02 B0 81", "9000")
	f.expect("00 E4 00 00", "6982")
	f.verifyPIN()
	f.expect("00 E4 00 00 01 00", "6700")
	f.expect("00 E4 00 00", "9000")
	f.expect("00 E4 00 00", "6986") // the application
	f.expect("00 A4 00 0C 02 B0 81", "6A82")
}

// unsignedKey encodes a key as OpenSC does, without the zero byte in front of a
// number with its highest bit set.
func unsignedKey(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	der := encodeNumbers(big.NewInt(0), key.N, big.NewInt(int64(key.E)), key.D, key.Primes[0], key.Primes[1], key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv)
	var raw asn1.RawValue
	_, err := asn1.Unmarshal(der, &raw)
	require.NoError(t, err)
	return der
}

// encodeNumbers encodes a SEQUENCE of unsigned INTEGERs.
func encodeNumbers(list ...*big.Int) []byte {
	var numbers []byte
	for _, n := range list {
		b := n.Bytes()
		if len(b) == 0 {
			b = []byte{0}
		}
		numbers = ber.Append(numbers, ber.Integer, b)
	}
	return ber.Append(nil, ber.Sequence, numbers)
}

// importData returns the PUT DATA with which Windows imports an RSA key.
func importData(reference byte, der []byte) []byte {
	content := ber.Append(append(ber.Append(nil, 0x83, []byte{2}), ber.Append(nil, 0x84, []byte{0})...), 0x87, der)
	return ber.Append(nil, 0x70, append(ber.Append(nil, 0x84, []byte{reference}), ber.Append(nil, 0xA5, content)...))
}
