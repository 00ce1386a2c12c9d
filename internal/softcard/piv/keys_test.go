package piv_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// signCommand returns a GENERAL AUTHENTICATE that applies a key to a challenge.
func signCommand(alg piv.Algorithm, slot byte, challenge []byte) string {
	return command(0x87, byte(alg), slot, tlv(0x7C, tlv(0x82), tlv(0x81, challenge)))
}

// agreeCommand returns a GENERAL AUTHENTICATE that requests a shared secret.
func agreeCommand(alg piv.Algorithm, slot byte, peer []byte) string {
	return command(0x87, byte(alg), slot, tlv(0x7C, tlv(0x82), tlv(0x85, peer)))
}

// responseElement returns element 82 of a template without other elements.
func responseElement(t testing.TB, resp string) []byte {
	t.Helper()
	require.Equal(t, "9000", status(resp))
	r := ber.DER(unhex(t, resp[:len(resp)-4]))
	outer, ok := r.Take(0x7C)
	require.True(t, ok)
	require.NoError(t, r.Close())
	in := outer.Inside()
	e, ok := in.Take(0x82)
	require.True(t, ok)
	require.NoError(t, in.Close())
	return e.Value
}

var slots = []byte{0x9A, 0x9C, 0x9D, 0x9E, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A,
	0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95}

func TestRSA(t *testing.T) {
	for alg, bits := range map[piv.Algorithm]int{piv.RSA1024: 1024, piv.RSA2048: 2048, piv.RSA3072: 3072, piv.RSA4096: 4096} {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			key := testkeys.RSA(bits, 0)
			c := newCard(t, piv.Config{})
			require.NoError(t, c.app.Put(0x9E, key, nil))

			// Encode the digest with PKCS#1 v1.5 (RFC 8017, 9.2).
			digest := sha256.Sum256([]byte("smartlogon"))
			info := append(unhex(t, "3031300d060960864801650304020105000420"), digest[:]...)
			block := append([]byte{0x00, 0x01}, bytes.Repeat([]byte{0xFF}, key.Size()-3-len(info))...)
			block = append(append(block, 0x00), info...)
			signature := responseElement(t, c.send(signCommand(alg, 0x9E, block)))
			assert.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature))

			// crypto/rsa removes the padding, so encrypt a block without it: the
			// card must return the whole block.
			m := new(big.Int).SetBytes(append([]byte{0x00, 0x02}, bytes.Repeat([]byte{0x5A}, key.Size()-2)...))
			cipher := new(big.Int).Exp(m, big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
			assert.Equal(t, m.FillBytes(make([]byte, key.Size())), responseElement(t, c.send(signCommand(alg, 0x9E, cipher))), "leading zero bytes stay")

			assert.Equal(t, "6a80", c.send(signCommand(alg, 0x9E, block[1:])), "too short")
			assert.Equal(t, "6a80", c.send(signCommand(alg, 0x9E, append(block, 0))), "too long")
			assert.Equal(t, "6a80", c.send(signCommand(alg, 0x9E, key.N.Bytes())), "the modulus itself")
			assert.Equal(t, "6a80", c.send(agreeCommand(alg, 0x9E, block)), "key agreement")
		})
	}
}

func TestEllipticCurves(t *testing.T) {
	tests := []struct {
		alg   piv.Algorithm
		curve elliptic.Curve
		peer  ecdh.Curve
		size  int
	}{
		{piv.P256, elliptic.P256(), ecdh.P256(), 32},
		{piv.P384, elliptic.P384(), ecdh.P384(), 48},
	}
	for _, tt := range tests {
		t.Run(tt.curve.Params().Name, func(t *testing.T) {
			key := testkeys.ECDSA(tt.curve, 0)
			c := newCard(t, piv.Config{})
			for _, slot := range []byte{0x9A, 0x9D, 0x9E, 0x82} {
				require.NoError(t, c.app.Put(slot, key, nil))
			}
			hash := bytes.Repeat([]byte{0xA5}, tt.size)
			assert.True(t, ecdsa.VerifyASN1(&key.PublicKey, hash, responseElement(t, c.send(signCommand(tt.alg, 0x9E, hash)))))
			assert.Equal(t, "6a80", c.send(signCommand(tt.alg, 0x9E, hash[1:])), "short hash")
			assert.Equal(t, "6a80", c.send(signCommand(tt.alg, 0x9E, append(hash, 0))), "long hash")

			peer, err := tt.peer.GenerateKey(rand.Reader)
			require.NoError(t, err)
			point := peer.PublicKey().Bytes()
			ours, err := key.ECDH()
			require.NoError(t, err)
			want, err := peer.ECDH(ours.PublicKey())
			require.NoError(t, err)
			c.send(verifyPIN)
			assert.Equal(t, want, responseElement(t, c.send(agreeCommand(tt.alg, 0x9D, point))))
			assert.Equal(t, want, responseElement(t, c.send(agreeCommand(tt.alg, 0x82, point))))
			for _, slot := range []byte{0x9A, 0x9E} {
				assert.Equal(t, "6a80", c.send(agreeCommand(tt.alg, slot, point)), "key agreement in %X", slot)
			}
			point[10] ^= 1
			assert.Equal(t, "6a80", c.send(agreeCommand(tt.alg, 0x9D, point)), "point not on the curve")
			assert.Equal(t, "6a80", c.send(agreeCommand(tt.alg, 0x9D, nil)), "no point")
		})
	}
}

func TestCurve25519(t *testing.T) {
	c := newCard(t, piv.Config{})
	require.NoError(t, c.app.Put(0x9A, testkeys.Ed25519(), nil))
	require.NoError(t, c.app.Put(0x9D, testkeys.X25519(), nil))
	c.send(verifyPIN)

	message := bytes.Repeat([]byte("a message, not a hash "), 20)
	signature := responseElement(t, c.send(signCommand(piv.Ed25519, 0x9A, message)))
	assert.True(t, ed25519.Verify(testkeys.Ed25519().Public().(ed25519.PublicKey), message, signature))
	assert.NotEmpty(t, responseElement(t, c.send(signCommand(piv.Ed25519, 0x9A, nil))), "the empty message")
	assert.Equal(t, "6a80", c.send(agreeCommand(piv.Ed25519, 0x9A, message[:32])))

	peer, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	want, err := peer.ECDH(testkeys.X25519().PublicKey())
	require.NoError(t, err)
	assert.Equal(t, want, responseElement(t, c.send(agreeCommand(piv.X25519, 0x9D, peer.PublicKey().Bytes()))))
	assert.Equal(t, "6a80", c.send(agreeCommand(piv.X25519, 0x9D, make([]byte, 32))), "point of small order")
	assert.Equal(t, "6a80", c.send(signCommand(piv.X25519, 0x9D, message[:32])))
}

// TestSlotPINPolicies follows the security conditions of SP 800-73-4 part 1,
// table 4b.
func TestSlotPINPolicies(t *testing.T) {
	c := newCard(t, piv.Config{})
	contactless := newCard(t, piv.Config{Contactless: true})
	hash := make([]byte, 32)
	for _, slot := range slots {
		require.NoError(t, c.app.Put(slot, testkeys.ECDSA(elliptic.P256(), 0), nil))
		require.NoError(t, contactless.app.Put(slot, testkeys.ECDSA(elliptic.P256(), 0), nil))
	}
	for _, slot := range slots {
		t.Run(fmt.Sprintf("%X", slot), func(t *testing.T) {
			c.send(logout)
			use := func() string { return status(c.send(signCommand(piv.P256, slot, hash))) }
			without, again := "6982", "9000"
			switch slot {
			case 0x9C:
				again = "6982"
			case 0x9E:
				without = "9000"
			}
			assert.Equal(t, without, use(), "without PIN")
			c.send(verifyPIN)
			assert.Equal(t, "9000", use(), "with the PIN")
			assert.Equal(t, again, use(), "a second time")
			c.send(verifyPIN)
			c.send(logout)
			assert.Equal(t, without, use(), "after logout")

			want := "6982"
			if slot == 0x9E {
				want = "9000"
			}
			assert.Equal(t, want, status(contactless.send(signCommand(piv.P256, slot, hash))), "contactless")
		})
	}
}

func TestSignatureKeyRequiresImmediateVERIFY(t *testing.T) {
	key := testkeys.RSA(2048, 0)
	block := make([]byte, 256)
	data := hex.EncodeToString(tlv(0x7C, tlv(0x82), tlv(0x81, block)))
	first, last := "1087079cff"+data[:510], "0087079c0b"+data[510:]+"00"
	tests := []struct {
		name    string
		between []string
		want    string
	}{
		{"nothing between", nil, "6108"},
		{"GET DATA between", []string{getDataCommand(0x7E)}, "6982"},
		{"VERIFY without data between", []string{queryPIN}, "6982"},
		{"SELECT between", []string{selectPIV}, "6982"},
		{"unsupported instruction between", []string{"00770000"}, "6982"},
		{"wrong PIN between", []string{wrongPIN}, "6982"},
		{"GET RESPONSE between", []string{"00c0000000"}, "6108"},
		{"abandoned chain between", []string{"10db3fff015c"}, "6108"},
		{"SELECT of a missing application between", []string{"00a4040005f900000000"}, "6108"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t, piv.Config{})
			require.NoError(t, c.app.Put(0x9C, key, nil))
			c.send(verifyPIN)
			for _, command := range tt.between {
				c.send(command)
			}
			require.Equal(t, "9000", c.send(first))
			assert.Equal(t, tt.want, status(c.send(last)))
		})
	}
	t.Run("global PIN", func(t *testing.T) {
		c := newCard(t, piv.Config{GlobalPIN: "87654321"})
		require.NoError(t, c.app.Put(0x9C, key, nil))
		c.send("00200000083837363534333231")
		assert.Equal(t, "9000", status(c.send(signCommand(piv.RSA2048, 0x9C, block))))
		assert.Equal(t, "6982", c.send(signCommand(piv.RSA2048, 0x9C, block)))
	})
}

func TestAuthenticateErrors(t *testing.T) {
	hash := make([]byte, 32)
	c := newCard(t, piv.Config{})
	require.NoError(t, c.app.Put(0x9E, testkeys.ECDSA(elliptic.P256(), 0), nil))
	authenticate := func(elements ...[]byte) string { return command(0x87, 0x11, 0x9E, tlv(0x7C, elements...)) }
	tests := []struct{ name, command, want string }{
		{"empty slot", signCommand(piv.P256, 0x9A, hash), "6a88"},
		{"another algorithm", signCommand(piv.P384, 0x9E, hash), "6a86"},
		{"reference of the PIN", signCommand(piv.P256, 0x80, hash), "6a86"},
		{"secure messaging key", signCommand(piv.P256, 0x04, hash), "6a86"},
		{"attestation key", signCommand(piv.P256, 0xF9, hash), "6a86"},
		{"no data", command(0x87, 0x11, 0x9E, nil), "6a80"},
		{"no template", command(0x87, 0x11, 0x9E, tlv(0x7D, tlv(0x82), tlv(0x81, hash))), "6a80"},
		{"data after the template", command(0x87, 0x11, 0x9E, append(tlv(0x7C, tlv(0x82), tlv(0x81, hash)), 0)), "6a80"},
		{"empty template", authenticate(), "6a80"},
		{"nothing to sign", authenticate(tlv(0x82)), "6a80"},
		{"no response element", authenticate(tlv(0x81, hash)), "6a80"},
		{"response not empty", authenticate(tlv(0x82, hash), tlv(0x81, hash)), "6a80"},
		{"repeated element", authenticate(tlv(0x82), tlv(0x81, hash), tlv(0x81, hash)), "6a80"},
		{"witness", authenticate(tlv(0x80), tlv(0x82), tlv(0x81, hash)), "6a80"},
		{"challenge and point", authenticate(tlv(0x82), tlv(0x81, hash), tlv(0x85, hash)), "6a80"},
		{"undefined element", authenticate(tlv(0x82), tlv(0x81, hash), tlv(0x86)), "6a80"},
		{"malformed element", authenticate(tlv(0x82), []byte{0x81, 0x20}), "6a80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, c.send(tt.command)) })
	}
	assert.Equal(t, "9000", status(c.send(authenticate(tlv(0x81, hash), tlv(0x82)))), "elements in any order")

	c = newCard(t, piv.Config{Quirks: piv.Quirks{EmptySlot: iso.ConditionsNotSatisfied}})
	assert.Equal(t, "6985", c.send(signCommand(piv.P256, 0x9A, hash)), "EmptySlot")
}

func TestPut(t *testing.T) {
	app := piv.New(piv.Config{})
	for _, slot := range []byte{0x9B, 0x80, 0x96, 0x81, 0x00} {
		assert.EqualError(t, app.Put(slot, testkeys.Ed25519(), nil), fmt.Sprintf("piv: no slot %02X", slot))
		assert.EqualError(t, app.PutCertificate(slot, nil, piv.Plain), fmt.Sprintf("piv: no slot %02X", slot))
	}
	x, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	small := *testkeys.RSA(2048, 0)
	small.N = big.NewInt(15)
	for _, tt := range []struct {
		key  crypto.PrivateKey
		want string
	}{
		{testkeys.ECDSA(elliptic.P521(), 0), "piv: put key: unsupported curve P-521"},
		{x, "piv: put key: unsupported curve P-256"},
		{&small, "piv: put key: unsupported RSA key of 4 bits and 2 primes"},
		{"key", "piv: put key: unsupported type string"},
	} {
		assert.EqualError(t, app.Put(0x9A, tt.key, nil), tt.want)
	}

	c := newCard(t, piv.Config{})
	require.NoError(t, c.app.Put(0x9E, testkeys.ECDSA(elliptic.P256(), 0), []byte{0x30, 0x00}))
	require.NoError(t, c.app.Put(0x9E, testkeys.ECDSA(elliptic.P256(), 1), nil))
	assert.Equal(t, "530970023000710100fe009000", c.send(getDataCommand(0x5FC101)), "the certificate stays when the key changes")
	hash := make([]byte, 32)
	signature := responseElement(t, c.send(signCommand(piv.P256, 0x9E, hash)))
	assert.True(t, ecdsa.VerifyASN1(&testkeys.ECDSA(elliptic.P256(), 1).PublicKey, hash, signature))
}

func TestCertificateObjects(t *testing.T) {
	tags := map[byte]uint32{0x9A: 0x5FC105, 0x9C: 0x5FC10A, 0x9D: 0x5FC10B, 0x9E: 0x5FC101, 0x82: 0x5FC10D, 0x8D: 0x5FC118, 0x95: 0x5FC120}
	c := newCard(t, piv.Config{})
	for slot, tag := range tags {
		require.NoError(t, c.app.Put(slot, nil, []byte{0x30, 0x01, slot}))
		assert.Equal(t, fmt.Sprintf("530a70033001%02x710100fe009000", slot), c.send(getDataCommand(tag)))
	}
}

func BenchmarkRSA2048(b *testing.B) {
	c := newCard(b, piv.Config{})
	require.NoError(b, c.app.Put(0x9E, testkeys.RSA(2048, 0), nil))
	sign := unhex(b, signCommand(piv.RSA2048, 0x9E, make([]byte, 256)))
	for b.Loop() {
		c.iso.Transmit(sign)
	}
}
