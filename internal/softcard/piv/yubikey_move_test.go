package piv_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

func TestMoveKey(t *testing.T) {
	c := newYubiKey(t, "5.7.4", piv.Config{})
	require.NoError(t, c.app.Put(0x9A, p256, []byte{0x30, 0x00}))
	require.NoError(t, c.app.Put(0x9C, p256, nil))
	assert.Equal(t, "6982", c.send("00f6829a"))
	authenticateFirmwareKey(c, "5.7.4")
	tests := []struct{ name, command, want string }{
		{"to a slot in use", "00f69c9a", "6a80"},
		{"from an empty slot", "00f6829d", "6a88"},
		{"to an undefined slot", "00f6809a", "6a86"},
		{"attestation key", "00f682f9", "6a86"},
		{"to a retired slot", "00f6829a", "9000"},
		{"from the old slot", "00f6839a", "6a88"},
		{"delete", "00f6ff82", "9000"},
		{"delete twice", "00f6ff82", "6a88"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, c.send(tt.command)) })
	}
	assert.NotEmpty(t, c.app.Object(0x5FC105), "the certificate stays")
}
