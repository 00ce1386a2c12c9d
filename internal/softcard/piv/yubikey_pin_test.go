package piv_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// TestQueryOfReference82 compares with a YubiKey 4.2.6 (OpenSC/OpenSC pull requests
// 624, 1243 and 1256). GIDS clients send this command to log out.
func TestQueryOfReference82(t *testing.T) {
	c := newYubiKey(t, "4.2.6", piv.Config{})
	assert.Equal(t, "63c3", c.send("00200082"))
	c.send(wrongPIN)
	assert.Equal(t, "63c2", c.send("00200082"))
	c.send(verifyPIN)
	assert.Equal(t, "9000", c.send("00200082"))
	assert.True(t, c.app.Tries(0x80).Verified)
	assert.Equal(t, "6a88", c.send("0020008208"+pin123456), "not recorded")
	assert.Equal(t, "6a88", newCard(t, piv.Config{}).send("00200082"))
}

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
