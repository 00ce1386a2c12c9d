package gids_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var sha256Prefix = "3031300D060960864801650304020105000420"

func TestRSA(t *testing.T) {
	key := testkeys.RSA(2048, 0)
	f := newSelected(t, gids.Config{})
	require.NoError(t, f.app.Put("kxc00", key, nil))
	require.NoError(t, f.app.Put("ksc01", key, nil))
	f.expect("00 22 41 B6 06 80 01 57 84 01 81", "6982")
	f.verifyPIN()
	sum := sha256.Sum256([]byte("message"))
	for _, reference := range []string{"81", "82"} {
		f.expect("00 22 41 B6 06 80 01 57 84 01 "+reference, "9000")
		signature := f.send(fmt.Sprintf("00 2A 9E 9A 33 %s %X 00", sha256Prefix, sum))
		require.Len(t, signature, 258)
		assert.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature[:256]))
	}
	f.expect("00 22 41 B6 06 80 01 57 84 01 81", "9000")
	signature := f.send(fmt.Sprintf("00 2A 9E 9A 24 %072X 00", 7)) // MD5 and SHA-1 without an identifier: TLS 1.0
	assert.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, 0, decode(t, fmt.Sprintf("%072X", 7)), signature[:256]))

	f.expect("00 22 41 B6 06 80 01 17 84 01 81", "9000")
	block := decode(t, fmt.Sprintf("%0512X", 9))
	f.expect(fmt.Sprintf("10 2A 9E 9A F0 %X", block[:240]), "9000")
	signature = f.send(fmt.Sprintf("00 2A 9E 9A 10 %X 00", block[240:]))
	assert.Equal(t, big.NewInt(9), new(big.Int).Exp(new(big.Int).SetBytes(signature[:256]), big.NewInt(int64(key.E)), key.N))
	f.expect("00 2A 9E 9A 01 00 00", "6700")
	f.expect("10 2A 9E 9A F0 "+strings.Repeat("FF", 240), "9000")
	f.expect("00 2A 9E 9A 10 "+strings.Repeat("FF", 16)+" 00", "6A80") // not smaller than the modulus
	f.expect("00 2A 9E 9B 01 00 00", "6A86")
	f.expect("00 2A 80 86 01 00 00", "6985") // selected for signatures

	ciphertext, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte("secret"))
	require.NoError(t, err)
	decipher := func(alg, want string, ciphertext []byte) {
		t.Helper()
		f.expect("00 22 41 B8 06 80 01 "+alg+" 84 01 81", "9000")
		f.expect(fmt.Sprintf("10 2A 80 86 F0 %X", ciphertext[:240]), "9000")
		f.expect(fmt.Sprintf("00 2A 80 86 10 %X 00", ciphertext[240:]), want)
	}
	decipher("47", fmt.Sprintf("%X 9000", "secret"), ciphertext)
	decipher("87", "6A80", ciphertext)
	oaep, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, &key.PublicKey, []byte("secret"), nil)
	require.NoError(t, err)
	decipher("87", fmt.Sprintf("%X 9000", "secret"), oaep)
	nine := new(big.Int).Exp(big.NewInt(9), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, 256))
	decipher("07", fmt.Sprintf("%0512X 9000", 9), nine)
	for _, alg := range []string{"17", "57", "0A"} {
		f.expect("00 22 41 B8 06 80 01 "+alg+" 84 01 81", "6984")
	}
	f.expect("00 22 41 B8 06 80 01 47 84 01 82", "6984") // signature key
	f.expect("00 22 41 B6 06 80 01 57 84 01 83", "6984")
	f.expect("00 22 41 B6 06 84 01 81 80 01 57", "6984")
	f.expect("00 22 41 B7 06 80 01 57 84 01 81", "6984")
	f.expect("00 22 42 B6 06 80 01 57 84 01 81", "6A81")
	f.expect("00 2A 9E 9A 01 00 00", "6985") // no key selected
	f.expect("00 22 41 B6 06 80 01 57 84 01 81", "9000")
	f.expect("00 20 00 82", "9000")
	f.expect("00 2A 9E 9A 01 00 00", "6982") // selected, but the PIN is logged out
}

// unpad returns the data of a signature with PKCS #1 v1.5 padding.
func unpad(key *rsa.PrivateKey, signature []byte) []byte {
	block := new(big.Int).Exp(new(big.Int).SetBytes(signature), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
	_, data, _ := bytes.Cut(block[1:], []byte{0}) // 00 01 FF ... 00
	return data
}

func TestECDSA(t *testing.T) {
	for alg, curve := range map[string]elliptic.Curve{"1C": elliptic.P256(), "1D": elliptic.P384(), "1E": elliptic.P521()} {
		key := testkeys.ECDSA(curve, 0)
		f := newSelected(t, gids.Config{})
		require.NoError(t, f.app.Put("kxc00", key, nil))
		point, err := key.PublicKey.Bytes()
		require.NoError(t, err)
		assert.True(t, bytes.Contains(f.send("00 CB 3F FF 0A 70 08 84 01 81 A5 03 7F 49 80 00"), point))
		f.verifyPIN()
		f.expect("00 22 41 B6 06 80 01 "+alg+" 84 01 81", "9000")
		sum := sha256.Sum256(nil)
		signature := f.send(fmt.Sprintf("00 2A 9E 9A 20 %X 00", sum))
		size := (curve.Params().BitSize + 7) / 8
		require.Len(t, signature, 2*size+2)
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:2*size])
		assert.True(t, ecdsa.Verify(&key.PublicKey, sum[:], r, s))
		f.expect("00 2A 9E 9A 43 "+fmt.Sprintf("%0134X", 1)+" 00", "6700")
		f.expect("00 22 41 B6 06 80 01 57 84 01 81", "6984")
	}
}

// TestUnsupportedTemplates creates key files whose templates no key supports.
func TestUnsupportedTemplates(t *testing.T) {
	f := newSelected(t, gids.Config{Generate: func(a gids.Algorithm) (crypto.PrivateKey, error) {
		if a == gids.P256 {
			return testkeys.ECDSA(elliptic.P256(), 0), nil
		}
		return testkeys.RSA(1024, 0), nil
	}})
	f.verifyPIN()
	f.expectAll(`00 E0 00 00 28 62 26 82 01 18 83 02 B0 81 8C 05 8F 10 10 10 00 A5 16 B6 09 80 01 46 83 01 81 95 01 40 B8 09 80 01 56 83 01 81 95 01 40
		00 44 00 00
		00 E0 00 00 28 62 26 82 01 18 83 02 B0 82 8C 05 8F 10 10 10 00 A5 16 B6 09 80 01 5C 83 01 82 95 01 40 B8 09 80 01 0C 83 01 82 95 01 40
		00 44 00 00
		00 E0 00 00 1D 62 1B 82 01 18 83 02 B0 83 8C 05 8F 10 10 10 00 A5 0B B6 09 80 01 17 83 01 83 95 01 40
		00 44 00 00
		00 47 00 00 08 AC 06 80 01 07 83 01 83 -> 6F00`) // Generate returns a key of another length
	for _, command := range []string{"00 47 00 00 08 AC 06 80 01 06 83 01 81 00", "00 47 00 00 08 AC 06 80 01 0C 83 01 82 00"} {
		assert.True(t, bytes.HasSuffix(f.send(command), []byte{0x90, 0x00}), command)
	}
	block := strings.Repeat("00", 128)
	f.expectAll(`00 22 41 B6 06 80 01 46 84 01 81
		00 2A 9E 9A 80 ` + block + ` 00 -> 6A81
		00 22 41 B8 06 80 01 56 84 01 81
		00 2A 80 86 80 ` + block + ` 00 -> 6A81
		00 22 41 B6 06 80 01 5C 84 01 82
		00 2A 9E 9A 20 ` + block[:64] + ` 00 -> 6A81
		00 22 41 B8 06 80 01 0C 84 01 82
		00 2A 80 86 20 ` + block[:64] + ` 00 -> 6A81
		00 DB 3F FF 0F 70 0D 84 01 81 A5 08 83 01 01 84 01 00 87 00 -> 6984
		00 DB 3F FF 0F 70 0D 84 01 81 A5 08 83 01 02 84 01 01 87 00 -> 6A81
		00 E0 00 00 0D 62 0B 82 01 18 83 02 B0 84 8C 02 01 00 -> 6984`)
}
