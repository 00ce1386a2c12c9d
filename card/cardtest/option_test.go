package cardtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

func TestOptionsWithValues(t *testing.T) {
	assert.Equal(t, 7, cardtest.PIV(cardtest.MaxRetries(7)).RetriesLeft())
	assert.Equal(t, []byte{0x3B, 0x00}, cardtest.PIV(cardtest.ATR([]byte{0x3B, 0x00})).ATR())

	blocked := cardtest.PIV(cardtest.RetriesLeft(0))
	send(t, blocked, selectPIV)
	assert.Equal(t, uint16(0x6983), send(t, blocked, rightPIN))

	narrow := cardtest.PIV(cardtest.MaxCommand(10), cardtest.MaxResponse(16))
	assert.Equal(t, uint16(0x6700), send(t, narrow, selectPIV), "11 bytes")
	assert.Equal(t, uint16(0x6100), send(t, narrow, selectPIV[:10])&0xFF00)

	both := cardtest.PIV(cardtest.PIVGlobalPIN("00112233"))
	send(t, both, selectPIV)
	assert.Equal(t, uint16(0x9000), send(t, both, []byte("\x00\x20\x00\x00\x0800112233")))
}

func TestWritesCountsRefusedCommands(t *testing.T) {
	c := cardtest.PIV(cardtest.ReadOnly)
	send(t, c, selectPIV)
	assert.Equal(t, uint16(0x6985), send(t, c, generate))
	assert.Equal(t, uint16(0x6985), send(t, c, []byte("\x00\x24\x00\x80\x10123456\xFF\xFF654321\xFF\xFF")))
	assert.Equal(t, uint16(0x9000), send(t, c, rightPIN), "VERIFY is not a write")
	assert.Equal(t, 2, c.Writes())
}

func TestPanicsOfOptions(t *testing.T) {
	for want, f := range map[string]func() *cardtest.Card{
		"cardtest: GIDSHostPads is an option of GIDS cards, not of PIV cards":       func() *cardtest.Card { return cardtest.PIV(cardtest.GIDSHostPads) },
		"cardtest: GIDSBlank is an option of GIDS cards, not of PIV cards":          func() *cardtest.Card { return cardtest.YubiKey("5.7.1", cardtest.GIDSBlank) },
		"cardtest: GIDSLockout is an option of GIDS cards, not of PIV cards":        func() *cardtest.Card { return cardtest.PIV(cardtest.GIDSLockout(1)) },
		"cardtest: PIVMissing is an option of PIV cards, not of GIDS cards":         func() *cardtest.Card { return cardtest.GIDS(cardtest.PIVMissing) },
		"cardtest: PIVGlobalPIN is an option of PIV cards, not of GIDS cards":       func() *cardtest.Card { return cardtest.TPM(cardtest.PIVGlobalPIN("123456")) },
		"cardtest: a card cannot have both PIVGzip and PIVNetID":                    func() *cardtest.Card { return cardtest.PIV(cardtest.PIVNetID, cardtest.PIVGzip) },
		"cardtest: a card cannot have both GIDSHostPads and GIDSCardPads":           func() *cardtest.Card { return cardtest.GIDS(cardtest.GIDSHostPads, cardtest.GIDSCardPads) },
		"cardtest: Quirk(50) does not exist":                                        func() *cardtest.Card { return cardtest.PIV(cardtest.Quirk(50)) },
		"cardtest: MaxRetries(0): the least is 1":                                   func() *cardtest.Card { return cardtest.PIV(cardtest.MaxRetries(0)) },
		"cardtest: RetriesLeft(4): the retry counter starts at 3; see MaxRetries":   func() *cardtest.Card { return cardtest.PIV(cardtest.RetriesLeft(4)) },
		"cardtest: RetriesLeft(11): the retry counter starts at 10; see MaxRetries": func() *cardtest.Card { return cardtest.GIDS(cardtest.MaxRetries(10), cardtest.RetriesLeft(11)) },
	} {
		assert.PanicsWithValue(t, want, func() { f() })
	}
}
