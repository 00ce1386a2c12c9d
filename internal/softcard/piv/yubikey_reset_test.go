package piv_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// TestFactoryState compares with a new YubiKey in Yubico's manual (.NET SDK,
// application-piv/apdu): the discovery object is its only object of the standard.
func TestFactoryState(t *testing.T) {
	reset := newYubiKey(t, "5.4.3", piv.Config{GUID: [16]byte{1}})
	assert.NotNil(t, reset.app.Object(0x5FC102), "with a GUID")
	assert.NotNil(t, reset.app.Object(0x5FC107), "with a GUID")
	reset.app.SetTriesLeft(0x80, 0)
	reset.app.SetTriesLeft(0x81, 0)
	require.Equal(t, "9000", reset.send("00fb0000"))

	for name, c := range map[string]*card{"New": newYubiKey(t, "5.4.3", piv.Config{}), "RESET": reset} {
		require.Equal(t, "9000", c.send(verifyPIN), name)
		for tag := range objects() {
			want := "6a82"
			if tag == 0x7E {
				want = "7e124f0ba0000003080000100001005f2f0240009000"
			}
			assert.Equal(t, want, c.send(getDataCommand(tag)), "%s: %X", name, tag)
		}
	}
}

func TestFactoryReset(t *testing.T) {
	c := newYubiKey(t, "5.7.4", piv.Config{PIN: "654321"})
	require.NoError(t, c.app.Put(0x9A, p256, []byte{0x30, 0x00}))
	authenticateFirmwareKey(c, "5.7.4")
	before := c.app.Object(0x5FFF01)
	assert.Equal(t, "6985", c.send("00fb0000"))
	c.app.SetTriesLeft(0x80, 0)
	assert.Equal(t, "6985", c.send("00fb0000"), "the PUK must be blocked")
	c.app.SetTriesLeft(0x81, 0)
	assert.Equal(t, "9000", c.send("00fb0000"))
	assert.Equal(t, "6a82", c.send(getDataCommand(0x5FC105)))
	assert.Equal(t, "6a88", c.send("00f7009a"))
	assert.False(t, adminAuthenticated(c))
	assert.Equal(t, "9000", c.send(verifyPIN))
	assert.Equal(t, before, c.app.Object(0x5FFF01), "the attestation key stays")
	assert.Equal(t, "9000", status(c.send(command(0xF7, 0, 0xF9, nil))))
}
