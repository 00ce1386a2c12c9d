package piv_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// TestOTP compares with real YubiKeys: a NEO 3.3.7, a YubiKey 4.3.7 and a YubiKey
// 5.4.3 (cunicu/go-iso7816 mockdata).
func TestOTP(t *testing.T) {
	for firmware, want := range map[piv.Version]struct{ selected, status, otherSlot string }{
		{3, 3, 7}: {"03030701850706000000", "03030701850706000000", "6a86"},
		{4, 3, 7}: {"040307010500060f0000", "040307010500", "6b00"},
		{5, 4, 3}: {"050403010500", "050403010500", "6b00"},
	} {
		card := iso.New(iso.Config{}, piv.New(piv.Config{}), piv.OTP{Firmware: firmware, Serial: 11409355})
		send := func(s string) string { return hex.EncodeToString(card.Transmit(unhex(t, s))) }
		assert.Equal(t, want.selected+"9000", send("00a4040008a000000527200101"), "SELECT")
		assert.Equal(t, want.status+"9000", send("00030000"), "status")
		assert.Equal(t, "00ae17cb9000", send("00011000"), "serial number")
		assert.Equal(t, want.otherSlot, send("00011400"), "another slot")
		assert.Equal(t, want.otherSlot, send("00010000"), "another slot")
		assert.Equal(t, "6d00", send("00020000"))
		assert.Equal(t, "6884", send("100110000100"))
		assert.Equal(t, "9000", status(send(selectPIV)))
		card.Reset()
		assert.Equal(t, "6d00", send("00011000"))
	}
}
