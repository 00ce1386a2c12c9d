package piv_test

import (
	"crypto"
	"crypto/elliptic"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

func TestGenerate(t *testing.T) {
	ask := func(slot byte, alg piv.Algorithm, rest ...byte) string {
		return command(0x47, 0x00, slot, tlv(0xAC, tlv(0x80, []byte{byte(alg)}), rest))
	}
	fixed := func(alg piv.Algorithm) (crypto.PrivateKey, error) {
		switch alg {
		case piv.RSA2048:
			return testkeys.RSA(2048, 0), nil
		case piv.RSA3072:
			return testkeys.RSA(3072, 0), nil
		case piv.P384:
			return testkeys.ECDSA(elliptic.P384(), 0), nil
		}
		return p256, nil
	}
	c := newCard(t, piv.Config{Generate: fixed})
	require.NoError(t, c.app.Put(0x9A, nil, []byte{0x30, 0x00}))
	require.Equal(t, "9000", becomeAdmin(c))
	for alg, head := range map[piv.Algorithm]string{
		piv.RSA2048: "7f4982010981820100", piv.RSA3072: "7f4982018981820180", piv.P256: "7f4943864104", piv.P384: "7f4963866104",
	} {
		answer := c.say(ask(0x9A, alg))
		assert.Equal(t, "9000", status(answer))
		assert.Equal(t, head, answer[:len(head)], "%02X", byte(alg))
		if strings.HasPrefix(head, "7f4982") {
			assert.Equal(t, "82030100019000", answer[len(answer)-14:])
		}
	}
	assert.Equal(t, []byte{0x30, 0x00}, c.app.Object(0x5FC105)[2:4], "the certificate stays")

	tests := []struct{ name, command, answer string }{
		{"the exponent there is", ask(0x9A, piv.RSA2048, 0x81, 3, 1, 0, 1), "9000"},
		{"another exponent", ask(0x9A, piv.RSA2048, 0x81, 1, 3), "6a80"},
		{"broken exponent", ask(0x9A, piv.RSA2048, 0x81, 3), "6a80"},
		{"RSA 1024 is for old keys", ask(0x9A, piv.RSA1024), "6a80"},
		{"RSA 4096 is Yubico's", ask(0x9A, piv.RSA4096), "6a80"},
		{"policies are Yubico's", ask(0x9A, piv.P256, 0xAA, 1, 2), "6a80"},
		{"no mechanism", command(0x47, 0x00, 0x9A, tlv(0xAC)), "6a80"},
		{"a mechanism of two bytes", command(0x47, 0x00, 0x9A, tlv(0xAC, tlv(0x80, []byte{0x11, 0x00}))), "6a80"},
		{"no template", command(0x47, 0x00, 0x9A, nil), "6a80"},
		{"retired keys are not made", ask(0x82, piv.P256), "6a86"},
		{"no key reference", ask(0x9B, piv.P256), "6a86"},
		{"other parameters", command(0x47, 0x01, 0x9A, unhex(t, "ac03800111")), "6a86"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.answer, status(c.say(tt.command))) })
	}

	for name, generate := range map[string]func(piv.Algorithm) (crypto.PrivateKey, error){
		"an error":      func(piv.Algorithm) (crypto.PrivateKey, error) { return nil, errors.New("no") },
		"the wrong key": func(piv.Algorithm) (crypto.PrivateKey, error) { return testkeys.Ed25519(), nil },
		"no key":        func(piv.Algorithm) (crypto.PrivateKey, error) { return "", nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCard(t, piv.Config{Generate: generate})
			becomeAdmin(c)
			assert.Equal(t, "6f00", c.say(ask(0x9A, piv.P256)))
		})
	}
}

func TestGeneratedKeysAreNewAndWork(t *testing.T) {
	c := newCard(t, piv.Config{})
	becomeAdmin(c)
	points := map[string]bool{}
	for range 3 {
		answer := c.say(command(0x47, 0x00, 0x9E, unhex(t, "ac03800111")))
		require.Equal(t, "9000", status(answer))
		points[answer] = true
		assert.NotEmpty(t, response(t, c.say(signing(piv.P256, 0x9E, make([]byte, 32)))))
	}
	assert.Len(t, points, 3)
	assert.Equal(t, "9000", status(c.say(command(0x47, 0x00, 0x9E, unhex(t, "ac03800114")))))
	assert.NotEmpty(t, response(t, c.say(signing(piv.P384, 0x9E, make([]byte, 48)))))
}

func TestYubiKeyMakesKeysOfEveryKind(t *testing.T) {
	c := newCard(t, piv.Config{Firmware: piv.Version{5, 7, 4}})
	administer(c, "5.7.4")
	for alg, head := range map[piv.Algorithm]string{
		piv.RSA1024: "7f498188818180", piv.P384: "7f4963866104", piv.Ed25519: "7f49228620", piv.X25519: "7f49228620",
	} {
		answer := c.say(making(0x9E, alg))
		assert.Equal(t, "9000", status(answer))
		assert.Equal(t, head, answer[:len(head)], "%02X", byte(alg))
	}
}
