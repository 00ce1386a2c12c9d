package piv_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

func TestOTPSerialNumber(t *testing.T) {
	card := iso.New(iso.Config{}, piv.New(piv.Config{}), piv.OTP{Firmware: piv.Version{4, 3, 5}, Serial: 11409355})
	send := func(s string) string { return hex.EncodeToString(card.Transmit(unhex(t, s))) }
	assert.Equal(t, "0403050000009000", send("00a4040008a000000527200101"))
	assert.Equal(t, "00ae17cb9000", send("00011000"))
	assert.Equal(t, "6a86", send("00010000"))
	assert.Equal(t, "6d00", send("00020000"))
	assert.Equal(t, "6884", send("100110000100"))
	assert.Equal(t, "9000", status(send(selectPIV)))
	card.Reset()
	assert.Equal(t, "6d00", send("00011000"))
}
