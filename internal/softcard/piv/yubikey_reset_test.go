package piv_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

func TestYubiKeyRefusesShortPINs(t *testing.T) {
	const short = "3132333435ffffff"
	c := newYubiKey(t, "5.4.3", piv.Config{})
	c.send(wrongPIN)
	assert.Equal(t, "6985", c.send("0024008010"+pin123456+short))
	assert.Equal(t, "63c1", c.send("0024008010"+pin999999+short), "a wrong old PIN spends a try")
	assert.Equal(t, "9000", c.send("0024008010"+pin123456+letters), "letters are allowed")
	assert.Equal(t, "6985", c.send("0024008110"+puk+short))
	assert.Equal(t, "6985", c.send("002c008010"+puk+short))
	assert.Equal(t, "63c2", c.send("002c008010"+strings.Repeat("ff", 16)), "clients block the PUK this way")
}

func TestSetRetries(t *testing.T) {
	c := newYubiKey(t, "5.4.3", piv.Config{PIN: "654321", PUK: "87654321"})
	assert.Equal(t, "6982", c.send("00fa0505"))
	authenticateFirmwareKey(c, "5.4.3")
	assert.Equal(t, "6982", c.send("00fa0505"), "the PIN must be verified")
	c.send("0020008008" + pin654321)
	assert.Equal(t, "6a86", c.send("00fa0005"))
	assert.Equal(t, "6a86", c.send("00fa0500"))
	assert.Equal(t, "9000", c.send("00fa0afe"))
	assert.Equal(t, piv.Tries{Left: 10, Limit: 10, Sent: 1}, c.app.Tries(0x80))
	assert.Equal(t, piv.Tries{Left: 254, Limit: 254}, c.app.Tries(0x81))
	assert.Equal(t, "9000", c.send(verifyPIN), "PIN and PUK are the defaults")
	assert.Equal(t, "9000", c.send("0024008110"+puk+otherPUK))
}

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
