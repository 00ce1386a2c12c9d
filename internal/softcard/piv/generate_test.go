package piv_test

import (
	"crypto"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

func TestGenerate(t *testing.T) {
	c := newCard(t, piv.Config{Generate: fixedKey})
	require.NoError(t, c.app.Put(0x9A, nil, []byte{0x30, 0x00}))
	require.Equal(t, "9000", authenticateAdmin(c))
	for alg, head := range map[piv.Algorithm]string{
		piv.RSA2048: "7f4982010981820100", piv.RSA3072: "7f4982018981820180", piv.P256: "7f4943864104", piv.P384: "7f4963866104",
	} {
		resp := c.send(generateCommand(0x9A, alg))
		assert.Equal(t, "9000", status(resp))
		assert.Equal(t, head, resp[:len(head)], "%02X", byte(alg))
		if strings.HasPrefix(head, "7f4982") {
			assert.Equal(t, "82030100019000", resp[len(resp)-14:])
		}
	}
	assert.Equal(t, []byte{0x30, 0x00}, c.app.Object(0x5FC105)[2:4], "the certificate stays")

	tests := []struct{ name, command, want string }{
		{"exponent 65537", generateCommand(0x9A, piv.RSA2048, 0x81, 3, 1, 0, 1), "9000"},
		{"another exponent", generateCommand(0x9A, piv.RSA2048, 0x81, 1, 3), "6a80"},
		{"malformed exponent", generateCommand(0x9A, piv.RSA2048, 0x81, 3), "6a80"},
		{"RSA 1024", generateCommand(0x9A, piv.RSA1024), "6a80"},
		{"RSA 4096", generateCommand(0x9A, piv.RSA4096), "6a80"},
		{"policies", generateCommand(0x9A, piv.P256, 0xAA, 1, 2), "6a80"},
		{"no mechanism", command(0x47, 0x00, 0x9A, tlv(0xAC)), "6a80"},
		{"mechanism of two bytes", command(0x47, 0x00, 0x9A, tlv(0xAC, tlv(0x80, []byte{0x11, 0x00}))), "6a80"},
		{"no template", command(0x47, 0x00, 0x9A, nil), "6a80"},
		{"retired slot", generateCommand(0x82, piv.P256), "6a86"},
		{"reference of the administrator's key", generateCommand(0x9B, piv.P256), "6a86"},
		{"other parameters", command(0x47, 0x01, 0x9A, unhex(t, "ac03800111")), "6a86"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, status(c.send(tt.command))) })
	}

	for name, generate := range map[string]func(piv.Algorithm) (crypto.PrivateKey, error){
		"error":            func(piv.Algorithm) (crypto.PrivateKey, error) { return nil, errors.New("no") },
		"other algorithm":  func(piv.Algorithm) (crypto.PrivateKey, error) { return testkeys.Ed25519(), nil },
		"unsupported type": func(piv.Algorithm) (crypto.PrivateKey, error) { return "", nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCard(t, piv.Config{Generate: generate})
			authenticateAdmin(c)
			assert.Equal(t, "6f00", c.send(generateCommand(0x9A, piv.P256)))
		})
	}
}

func TestGenerateRandomKeys(t *testing.T) {
	c := newCard(t, piv.Config{})
	authenticateAdmin(c)
	points := map[string]bool{}
	for range 3 {
		resp := c.send(command(0x47, 0x00, 0x9E, unhex(t, "ac03800111")))
		require.Equal(t, "9000", status(resp))
		points[resp] = true
		assert.NotEmpty(t, responseElement(t, c.send(signCommand(piv.P256, 0x9E, make([]byte, 32)))))
	}
	assert.Len(t, points, 3)
	assert.Equal(t, "9000", status(c.send(command(0x47, 0x00, 0x9E, unhex(t, "ac03800114")))))
	assert.NotEmpty(t, responseElement(t, c.send(signCommand(piv.P384, 0x9E, make([]byte, 48)))))
}
