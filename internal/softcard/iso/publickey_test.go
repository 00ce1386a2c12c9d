package iso_test

import (
	"crypto"
	"crypto/elliptic"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

func TestPublicKeyTemplate(t *testing.T) {
	tests := []struct {
		name       string
		key        crypto.PublicKey
		start, end string
		length     int
	}{
		{"RSA", testkeys.RSA(2048, 0).Public(), "7f4982010981820100", "8203010001", 5 + 4 + 256 + 5},
		{"ECDSA", testkeys.ECDSA(elliptic.P256(), 0).Public(), "7f4943864104", "", 3 + 2 + 65},
		{"Ed25519", testkeys.Ed25519().Public(), "7f49228620", "", 3 + 2 + 32},
		{"X25519", testkeys.X25519().Public(), "7f49228620", "", 3 + 2 + 32},
		{"unsupported", "key", "7f4900", "", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := iso.PublicKeyTemplate(tt.key, ber.Append)
			assert.Len(t, b, tt.length)
			s := hex.EncodeToString(b)
			assert.Equal(t, tt.start, s[:len(tt.start)])
			assert.Equal(t, tt.end, s[len(s)-len(tt.end):])
		})
	}
}
