package piv_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

func TestSetManagementKey(t *testing.T) {
	c := newYubiKey(t, "5.4.3", piv.Config{})
	set := func(touch string, alg piv.Algorithm, key []byte) string {
		return fmt.Sprintf("00ffff%s%02x%02x9b%02x%x", touch, len(key)+3, byte(alg), len(key), key)
	}
	assert.Equal(t, "6982", c.send(set("ff", piv.TripleDES, defaultKey)))
	for name, key := range adminKeys {
		authenticateFirmwareKey(c, "5.4.3")
		require.Equal(t, "9000", c.send(set("ff", key.Algorithm, key.Key)), name)
		b := block(t, key)
		challenge := element(t, c.send(adminCommand(key.Algorithm, tlv(0x81))), 0x81)
		require.Equal(t, "9000", c.send(adminCommand(key.Algorithm, tlv(0x82, apply(b.Encrypt, challenge)))), name)
		require.Equal(t, "9000", c.send(set("ff", piv.TripleDES, defaultKey)), name)
	}
	tests := []struct{ name, command, want string }{
		{"length of another algorithm", set("ff", piv.AES128, defaultKey), "6a80"},
		{"unsupported algorithm", set("ff", piv.P256, defaultKey), "6a80"},
		{"undefined touch policy", set("fc", piv.TripleDES, defaultKey), "6a86"},
		{"another reference", strings.Replace(set("ff", piv.TripleDES, defaultKey), "9b", "9a", 1), "6a80"},
		{"truncated", "00ffffff02039b", "6a80"},
		{"inconsistent length", "00ffffff04039b1801", "6a80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			authenticateFirmwareKey(c, "5.4.3")
			assert.Equal(t, tt.want, c.send(tt.command))
		})
	}
	authenticateFirmwareKey(c, "5.4.3")
	require.Equal(t, "9000", c.send(set("fe", piv.TripleDES, defaultKey)))
	assert.Equal(t, "0101030202000205"+"0101"+"9000", c.send("00f7009b"), "touch always")
}
