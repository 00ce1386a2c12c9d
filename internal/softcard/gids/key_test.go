package gids_test

import (
	"bytes"
	"crypto"
	"crypto/cipher"
	"crypto/des"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"crypto/elliptic"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tripleDES is CBC from a block of zeros under the customary key.
func tripleDES(t *testing.T, data []byte, encrypt bool) []byte {
	t.Helper()
	block, err := des.NewTripleDESCipher(bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3))
	require.NoError(t, err)
	out := make([]byte, len(data))
	if encrypt {
		cipher.NewCBCEncrypter(block, make([]byte, 8)).CryptBlocks(out, data)
	} else {
		cipher.NewCBCDecrypter(block, make([]byte, 8)).CryptBlocks(out, data)
	}
	return out
}

func TestVectorsOfTheAdministrator(t *testing.T) {
	assert.Equal(t, decode(t, "6C5E94DCADD39F1D"), tripleDES(t, decode(t, "1122334455667788"), true))
	host := decode(t, "101112131415161718191A1B1C1D1E1F 000102030405060708090A0B0C0D0E0F 21222324252627 80")
	assert.Equal(t, decode(t, "76E690BEE82E547B6FE744F89AB23604D16EE897925362D01BD69EADC6D49DECA3F246E83EA377B8"), tripleDES(t, host, true))
}

func TestMutualAuthentication(t *testing.T) {
	b := selected(t, gids.Config{})
	b.is("00 22 C1 A4 03 83 01 80", "9000")
	r1 := decode(t, "000102030405060708090A0B0C0D0E0F")
	answer := b.send(fmt.Sprintf("00 87 00 00 14 7C 12 81 10 %X 00", r1))
	require.Len(t, answer, 4+16+2)
	r2 := answer[4:20]
	proof := bytes.Join([][]byte{r2, r1, {1, 2, 3, 4, 5, 6, 7, 0x80}}, nil)
	answer = b.send(fmt.Sprintf("00 87 00 00 2C 7C 2A 82 28 %X 00", tripleDES(t, proof, true)))
	require.Len(t, answer, 4+40+2)
	plain := tripleDES(t, answer[4:44], false)
	assert.Equal(t, append(bytes.Clone(r1), r2...), plain[:32], "the card knows the key, too")
	assert.Equal(t, byte(0x80), plain[39])
	b.is("00 DB A0 14 03 DF 24 00", "9000")
}

func TestAuthenticationsThatFail(t *testing.T) {
	b := selected(t, gids.Config{})
	b.is("00 87 00 00 04 7C 02 81 00 00", "6985") // no key is chosen
	b.is("00 22 81 A4 03 83 01 81", "6984")
	b.is("00 22 81 A4 03 84 01 80", "6984")
	b.is("00 22 81 A4 03 83 01 80", "9000")
	b.is("00 87 00 00 0C 7C 0A 82 08 0000000000000000", "6985") // no challenge
	b.is("00 87 00 01 04 7C 02 81 00 00", "6A86")
	b.is("00 87 00 00 04 7D 02 81 00 00", "6984")
	b.is("00 87 00 00 04 7C 02 83 00 00", "6984")
	b.is("00 87 00 00 06 7C 04 81 02 00 00 00", "6984")
	challenge := b.send("00 87 00 00 04 7C 02 81 00 00")[4:12]
	b.is("00 87 00 00 0C 7C 0A 82 08 0000000000000000", "6982")
	b.is(fmt.Sprintf("00 87 00 00 0C 7C 0A 82 08 %X", tripleDES(t, challenge, true)), "6985") // one answer each
	b.send("00 87 00 00 14 7C 12 81 10 000102030405060708090A0B0C0D0E0F 00")
	b.is("00 87 00 00 05 7C 03 82 01 00", "6982")
	b.send("00 87 00 00 14 7C 12 81 10 000102030405060708090A0B0C0D0E0F 00")
	b.is(fmt.Sprintf("00 87 00 00 2C 7C 2A 82 28 %080X", 7), "6982")
	b.is("00 DB A0 14 03 DF 24 00", "6982")
}

var sha256Prefix = "3031300D060960864801650304020105000420"

func TestUseOfRSAKeys(t *testing.T) {
	key := testkeys.RSA(2048, 0)
	b := selected(t, gids.Config{})
	require.NoError(t, b.app.Put("kxc00", key, nil))
	require.NoError(t, b.app.Put("ksc01", key, nil))
	b.is("00 22 41 B6 06 80 01 57 84 01 81", "6982")
	b.verify()
	sum := sha256.Sum256([]byte("what is signed"))
	for _, reference := range []string{"81", "82"} {
		b.is("00 22 41 B6 06 80 01 57 84 01 "+reference, "9000")
		made := b.send(fmt.Sprintf("00 2A 9E 9A 33 %s %X 00", sha256Prefix, sum))
		require.Len(t, made, 258)
		assert.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], made[:256]))
	}
	b.is("00 22 41 B6 06 80 01 57 84 01 81", "9000")
	made := b.send(fmt.Sprintf("00 2A 9E 9A 24 %072X 00", 7)) // as TLS 1.0 does
	assert.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, 0, decode(t, fmt.Sprintf("%072X", 7)), made[:256]))

	b.is("00 22 41 B6 06 80 01 17 84 01 81", "9000")
	block := decode(t, fmt.Sprintf("%0512X", 9))
	b.is(fmt.Sprintf("10 2A 9E 9A F0 %X", block[:240]), "9000")
	made = b.send(fmt.Sprintf("00 2A 9E 9A 10 %X 00", block[240:]))
	assert.Equal(t, big.NewInt(9), new(big.Int).Exp(new(big.Int).SetBytes(made[:256]), big.NewInt(int64(key.E)), key.N))
	b.is("00 2A 9E 9A 01 00 00", "6700")
	b.is("10 2A 9E 9A F0 "+strings.Repeat("FF", 240), "9000")
	b.is("00 2A 9E 9A 10 "+strings.Repeat("FF", 16)+" 00", "6A80") // larger than the modulus
	b.is("00 2A 9E 9B 01 00 00", "6A86")
	b.is("00 2A 80 86 01 00 00", "6985") // the key was chosen to sign

	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte("secret"))
	require.NoError(t, err)
	decipher := func(alg, want string, sealed []byte) {
		t.Helper()
		b.is("00 22 41 B8 06 80 01 "+alg+" 84 01 81", "9000")
		b.is(fmt.Sprintf("10 2A 80 86 F0 %X", sealed[:240]), "9000")
		b.is(fmt.Sprintf("00 2A 80 86 10 %X 00", sealed[240:]), want)
	}
	decipher("47", fmt.Sprintf("%X 9000", "secret"), sealed)
	decipher("87", "6A80", sealed)
	oaep, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, &key.PublicKey, []byte("secret"), nil)
	require.NoError(t, err)
	decipher("87", fmt.Sprintf("%X 9000", "secret"), oaep)
	nine := new(big.Int).Exp(big.NewInt(9), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, 256))
	decipher("07", fmt.Sprintf("%0512X 9000", 9), nine)
	for _, alg := range []string{"17", "57", "0A"} {
		b.is("00 22 41 B8 06 80 01 "+alg+" 84 01 81", "6984")
	}
	b.is("00 22 41 B8 06 80 01 47 84 01 82", "6984") // a signature key
	b.is("00 22 41 B6 06 80 01 57 84 01 83", "6984")
	b.is("00 22 41 B6 06 84 01 81 80 01 57", "6984")
	b.is("00 22 41 B7 06 80 01 57 84 01 81", "6984")
	b.is("00 22 42 B6 06 80 01 57 84 01 81", "6A81")
	b.is("00 2A 9E 9A 01 00 00", "6985") // nothing is chosen any more
	b.is("00 22 41 B6 06 80 01 57 84 01 81", "9000")
	b.is("00 20 00 82", "9000")
	b.is("00 2A 9E 9A 01 00 00", "6982") // the key is chosen still, but nobody may use it
}

// opened is what was padded and signed.
func opened(key *rsa.PrivateKey, made []byte) []byte {
	block := new(big.Int).Exp(new(big.Int).SetBytes(made), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
	_, data, _ := bytes.Cut(block[1:], []byte{0}) // 00 01 FF ... 00
	return data
}

func TestUseOfKeysOnCurves(t *testing.T) {
	for alg, curve := range map[string]elliptic.Curve{"1C": elliptic.P256(), "1D": elliptic.P384(), "1E": elliptic.P521()} {
		key := testkeys.ECDSA(curve, 0)
		b := selected(t, gids.Config{})
		require.NoError(t, b.app.Put("kxc00", key, nil))
		point, err := key.PublicKey.Bytes()
		require.NoError(t, err)
		assert.True(t, bytes.Contains(b.send("00 CB 3F FF 0A 70 08 84 01 81 A5 03 7F 49 80 00"), point))
		b.verify()
		b.is("00 22 41 B6 06 80 01 "+alg+" 84 01 81", "9000")
		sum := sha256.Sum256(nil)
		made := b.send(fmt.Sprintf("00 2A 9E 9A 20 %X 00", sum))
		size := (curve.Params().BitSize + 7) / 8
		require.Len(t, made, 2*size+2)
		r, s := new(big.Int).SetBytes(made[:size]), new(big.Int).SetBytes(made[size:2*size])
		assert.True(t, ecdsa.Verify(&key.PublicKey, sum[:], r, s))
		b.is("00 2A 9E 9A 43 "+fmt.Sprintf("%0134X", 1)+" 00", "6700")
		b.is("00 22 41 B6 06 80 01 57 84 01 81", "6984")
	}
}

// What gids-tool does to a card that nobody has set up.
func TestSettingUp(t *testing.T) {
	b := selected(t, gids.Config{Blank: true})
	b.is("00 CB A0 00 04 5C 02 DF 1F 00", "6A82")
	b.is("00 20 00 80 06 313233343536", "6985")
	b.is("00 44 00 00 00", "6985") // without a PIN nobody could do anything again
	b.is("00 24 01 80 03 313233", "6A80")
	b.is("00 24 01 80 06 313233343536", "9000")
	b.is("00 24 01 81 08 3132333435363738", "9000")
	for file, rights := range map[string]string{"A000": "30 00", "A010": "30 00", "A011": "30 FF", "A012": "20 00", "A013": "30 30", "A014": "20 20"} {
		b.is("00 E0 00 00 0E 62 0C 82 01 39 83 02 "+file+" 8C 03 03 "+rights, "9000")
		b.is("00 DB "+file+" 03 DF 1F 00", "6985") // not before it is active
		b.is("00 CB "+file+" 04 5C 02 DF 1F 00", "6985")
		b.is("00 44 00 00 00", "9000")
	}
	b.is("00 E0 00 00 0E 62 0C 82 01 39 83 02 A0 00 8C 03 03 30 00", "6984")
	b.is("00 E0 00 00 1C 62 1A 82 01 18 83 02 B0 80 8C 04 87 00 20 FF A5 0B A4 09 80 01 02 83 01 80 95 01 C0", "9000")
	b.is("00 44 00 00 00", "9000")
	b.is("00 DB 3F FF 26 70 24 84 01 80 A5 1F 87 18 010203040506070801020304050607080102030405060708 88 03 B0 73 DC", "9000")
	b.is("00 DB A0 10 09 DF 22 06 00 00 00 00 00 00", "9000")
	b.is("00 DB A0 12 13 DF 20 10 00112233445566778899AABBCCDDEEFF", "9000")
	b.is("00 A4 00 0C 02 3F FF", "9000")
	b.is("00 44 00 00 00", "9000")
	b.is("00 DB A0 10 03 DF 24 00", "6982") // now the conditions hold
	b.verify()
	b.is("00 DB A0 10 03 DF 24 00", "9000")
	b.is("00 DB A0 12 03 DF 20 00", "6982")
	b.admin()
	b.is("00 DB A0 12 03 DF 20 00", "9000")
	b.is("00 CB 3F FF 04 5C 02 7F 73 00", "7F 73 06 97 01 03 93 01 03 9000")
	b.is("00 20 00 82", "9000")
	b.is("00 E6 00 00", "6982")
	b.verify()
	b.is("00 E6 00 00", "9000")
	b.is("00 CB A0 00 04 5C 02 DF 1F 00", "6285")
}

const exchangeKey = `62 47 82 01 18 83 02 B0 81 8C 05 8F 10 10 10 00 A5 37
	B8 09 80 01 07 83 01 81 95 01 40  B8 09 80 01 87 83 01 81 95 01 40  B8 09 80 01 47 83 01 81 95 01 40
	B6 09 80 01 17 83 01 81 95 01 40  B6 09 80 01 57 83 01 81 95 01 40`

// What Windows does to bring a key onto a card.
func TestImport(t *testing.T) {
	key := testkeys.RSA(2048, 0)
	b := selected(t, gids.Config{})
	b.is("00 E0 00 00 49 "+exchangeKey, "6982")
	b.verify()
	b.is("00 E0 00 00 49 "+exchangeKey, "9000")
	b.is("00 44 00 00", "9000")
	b.is("00 CB 3F FF 0A 70 08 84 01 81 A5 03 7F 49 80 00", "6A88") // no key yet
	b.is("00 22 41 B6 06 80 01 57 84 01 81", "9000")
	b.is("00 2A 9E 9A 01 00 00", "6985")
	importKey := func(der []byte, want string) {
		t.Helper()
		b.chain("DB 3F FF", imported(0x81, der), want)
	}
	importKey([]byte{0x30, 0x00}, "6984")
	importKey(x509.MarshalPKCS1PrivateKey(testkeys.RSA(1024, 0)), "6984") // of another length
	importKey(x509.MarshalPKCS1PrivateKey(key), "9000")
	importKey(unsigned(t, key), "9000")
	for what, numbers := range map[string][]*big.Int{
		"another version": {big.NewInt(1), key.N, big.NewInt(65537), key.D, key.Primes[0], key.Primes[1]},
		"no primes":       {big.NewInt(0), key.N, big.NewInt(65537), key.D},
		"primes of 0":     {big.NewInt(0), key.N, big.NewInt(65537), key.D, new(big.Int), new(big.Int)},
		"a long prime":    {big.NewInt(0), key.N, big.NewInt(65537), key.D, new(big.Int).Lsh(key.N, 3000), key.Primes[1]},
		"primes of 1":     {big.NewInt(0), key.N, big.NewInt(65537), key.D, big.NewInt(1), key.N},
		"a long exponent": {big.NewInt(0), key.N, key.N, key.D, key.Primes[0], key.Primes[1]},
		"even":            {big.NewInt(0), new(big.Int).Lsh(key.N, 1), big.NewInt(65537), key.D, big.NewInt(2), key.N},
		"nothing but 0":   {new(big.Int), new(big.Int), new(big.Int), new(big.Int), new(big.Int), new(big.Int)},
	} {
		t.Log(what)
		importKey(encoded(numbers...), "6984")
	}
	b.is("00 22 41 B6 06 80 01 57 84 01 81", "9000")
	sum := sha256.Sum256(nil)
	made := b.send(fmt.Sprintf("00 2A 9E 9A 33 %s %X 00", sha256Prefix, sum))
	assert.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], made[:len(made)-2]))
	b.is("00 DB 3F FF 05 70 03 84 01 81", "6984")
	b.is("00 DB 3F FF 07 70 05 84 01 99 A5 00", "6984")
	b.is("00 DB 3F FF 07 70 05 84 01 81 A5 00", "6984")
	b.is("00 DB 3F FF 02 71 00", "6984")
	b.is("00 DB 3F FF 07 70 05 84 01 80 A5 00", "6982") // the administrator's key
	b.is("00 20 00 82", "9000")
	b.is("00 DB 3F FF 07 70 05 84 01 81 A5 00", "6982")

	b.is("00 A4 00 0C 02 B0 81", "9000")
	b.is("00 E4 00 00", "6982")
	b.verify()
	b.is("00 E4 00 00 01 00", "6700")
	b.is("00 E4 00 00", "9000")
	b.is("00 E4 00 00", "6986") // the application itself
	b.is("00 A4 00 0C 02 B0 81", "6A82")
}

// unsigned writes a key as OpenSC does, without the bytes that make its numbers
// positive.
func unsigned(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	der := encoded(big.NewInt(0), key.N, big.NewInt(int64(key.E)), key.D, key.Primes[0], key.Primes[1], key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv)
	var raw asn1.RawValue
	_, err := asn1.Unmarshal(der, &raw)
	require.NoError(t, err)
	return der
}

// encoded is a sequence of numbers of which none is negative.
func encoded(list ...*big.Int) []byte {
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

func TestGenerate(t *testing.T) {
	b := selected(t, gids.Config{Generate: func(a gids.Algorithm) (crypto.PrivateKey, error) {
		if a != gids.RSA2048 {
			return nil, assert.AnError
		}
		return testkeys.RSA(2048, 1), nil
	}})
	b.is("00 47 00 00 08 AC 06 80 01 07 83 01 81", "6984") // no file
	b.verify()
	b.is("00 E0 00 00 49 "+exchangeKey, "9000")
	b.is("00 44 00 00", "9000")
	b.is("00 47 00 01 08 AC 06 80 01 07 83 01 81", "6A86")
	b.is("00 47 00 00 02 AD 00", "6984")
	b.is("00 47 00 00 05 AC 03 80 01 07", "6984")
	b.is("00 47 00 00 08 AC 06 80 01 03 83 01 81", "6A81")
	b.is("00 47 00 00 08 AC 06 80 01 06 83 01 81", "6984")
	assert.True(t, bytes.Contains(b.send("00 47 00 00 08 AC 06 80 01 07 83 01 81 00"), testkeys.RSA(2048, 1).N.Bytes()[:200]))
	b.is("00 20 00 82", "9000")
	b.is("00 47 00 00 08 AC 06 80 01 07 83 01 81", "6982")
	real := selected(t, gids.Config{})
	real.verify()
	real.is("00 E0 00 00 28 62 26 82 01 18 83 02 B0 82 8C 05 8F 10 10 10 00 A5 16 B6 09 80 01 1C 83 01 82 95 01 40 B6 09 80 01 1C 83 01 82 95 01 40", "9000")
	real.is("00 47 00 00 08 AC 06 80 01 0C 83 01 82 00", "6985") // not before it is active
	real.is("00 44 00 00", "9000")
	assert.Equal(t, []byte{0x7F, 0x49}, real.send("00 47 00 00 08 AC 06 80 01 0C 83 01 82 00")[:2])
}

func TestFilesThatCannotBe(t *testing.T) {
	b := selected(t, gids.Config{})
	b.verify()
	for command, want := range map[string]string{
		"00 E0 01 00 02 62 00":                               "6A86",
		"00 E0 00 00 02 63 00":                               "6984",
		"00 E0 00 00 02 62 00":                               "6984",
		"00 E0 00 00 09 62 07 82 01 38 83 02 A0 20":          "6984", // an application
		"00 E0 00 00 09 62 07 82 01 39 83 02 3F FF":          "6984",
		"00 E0 00 00 0C 62 0A 82 01 39 83 02 A0 20 8C 01 03": "6984", // conditions are missing
		"00 E0 00 00 0B 62 09 82 01 39 83 02 A0 20 8C 00":    "6984",
		"00 44 01 00":       "6A86",
		"00 44 00 00 01 00": "6700",
		"00 E4 01 00":       "6A86",
		"00 E6 01 00":       "6A86",
		"00 02 00 00":       "6D00",
	} {
		b.is(command, want)
	}
	b.is("00 E0 00 00 09 62 07 82 01 39 83 02 A0 20", "9000") // without conditions
	b.is("00 44 00 00", "9000")
	b.is("00 20 00 82", "9000")
	b.is("00 E6 00 00", "6982")
	b.is("00 DB A0 20 03 DF 24 00", "9000") // everybody may
	b.verify()
	made := 0
	for i := range 200 {
		if answer := b.send(fmt.Sprintf("00 E0 00 00 09 62 07 82 01 39 83 02 C0 %02X", i)); answer[0] == 0x90 {
			made++
		}
	}
	assert.Less(t, made, 160, "there is an end")
}
