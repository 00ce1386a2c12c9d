package piv_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// TestManagement compares with a YubiKey 4.3.7 and a YubiKey 5.4.3 (OpenSC's
// fuzzing corpus).
func TestManagement(t *testing.T) {
	for firmware, want := range map[piv.Version]string{
		{4, 3, 7}: "Virtual mgr - FW version 4.3.7",
		{5, 4, 3}: "Virtual mgr - FW version 5.4.3",
	} {
		card := iso.New(iso.Config{}, piv.New(piv.Config{}), piv.Management{Firmware: firmware})
		assert.Equal(t, want+"\x90\x00", string(card.Transmit(unhex(t, "00a4040008a000000527471117"))))
		assert.Equal(t, "\x6d\x00", string(card.Transmit(unhex(t, "00010000"))))
		assert.Equal(t, "\x68\x84", string(card.Transmit(unhex(t, "100100000100"))))
		card.Transmit(unhex(t, selectPIV))
		card.Reset()
		assert.Equal(t, "\x6d\x00", string(card.Transmit(unhex(t, "00010000"))))
	}
}
