package cardtest_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

// Each quirk changes the answer to some command.
func TestQuirks(t *testing.T) {
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	extended := append([]byte{0x00, 0xCB, 0x3F, 0xFF, 0, 0, 5}, 0x5C, 0x03, 0x5F, 0xC1, 0x05, 0, 0)
	wholeAID := []byte{0x00, 0xA4, 0x04, 0x00, 11, 0xA0, 0, 0, 3, 8, 0, 0, 0x10, 0, 1, 0, 0}
	discovery := []byte{0x00, 0xCB, 0x3F, 0xFF, 3, 0x5C, 1, 0x7E, 0}
	chuid := []byte{0x00, 0xCB, 0x3F, 0xFF, 5, 0x5C, 3, 0x5F, 0xC1, 2, 0}
	chain := append([]byte{0x10}, generate[1:len(generate)-1]...)
	logout := []byte{0x00, 0x20, 0xFF, 0x80}
	tests := []struct {
		quirk    cardtest.Quirk
		commands [][]byte // all but the last lead up to it
		with     string   // how the last answer ends, or what it contains
		without  string
	}{
		{cardtest.T0, [][]byte{wholeAID[:len(wholeAID)-1]}, "\x61", "\x90\x00"},
		{cardtest.ShortLengths, [][]byte{selectPIV, extended}, "\x67\x00", "\x90\x00"},
		{cardtest.NoCommandChaining, [][]byte{selectPIV, chain}, "\x68\x84", "\x90\x00"},
		{cardtest.NoResponseChaining, [][]byte{selectPIV, certificate}, "\x67\x00", "\x61\x00"},
		{cardtest.ExactLe, [][]byte{selectPIV, append(bytes.Clone(chuid[:len(chuid)-1]), 0xFE)}, "\x6C\x3D", "\x90\x00"},
		{cardtest.IgnoresLe, [][]byte{selectPIV, append(bytes.Clone(chuid[:len(chuid)-1]), 1)}, "\x90\x00", "\x61\x3C"},
		{cardtest.FullAID, [][]byte{selectPIV}, "\x6A\x82", "\x90\x00"},
		{cardtest.Implicit, [][]byte{chuid}, "\x90\x00", "\x6D\x00"},
		{cardtest.PIVContactless, [][]byte{selectPIV, generate}, "\x6A\x81", "\x69\x82"},
		{cardtest.ReadOnly, [][]byte{selectPIV, generate}, "\x69\x85", "\x69\x82"},
		{cardtest.PIVNoDiscovery, [][]byte{selectPIV, discovery}, "\x6A\x82", "\x90\x00"},
		{cardtest.PIVEmptyObjects, [][]byte{selectPIV, {0x00, 0xCB, 0x3F, 0xFF, 5, 0x5C, 3, 0x5F, 0xC1, 0x0C, 0}}, "\x53\x00\x90\x00", "\x6A\x82"},
		{cardtest.PIVLongLengths, [][]byte{selectPIV, chuid}, "\x53\x83\x00", "\x53\x3B"},
		{cardtest.PIVShortAID, [][]byte{selectPIV}, "\x4F\x06\x00\x00\x10", "\x4F\x0B\xA0\x00"},
		{cardtest.PIVSelectClears, [][]byte{selectPIV, rightPIN, selectPIV, askTries}, "\x63\xC3", "\x90\x00"},
		{cardtest.PlainRetries, [][]byte{selectPIV, wrongPIN}, "\x63\x02", "\x63\xC2"},
		{cardtest.PIVBlocksAtOnce, [][]byte{selectPIV, wrongPIN, wrongPIN, wrongPIN}, "\x69\x83", "\x63\xC0"},
		{cardtest.EmptyVerifyRefused, [][]byte{selectPIV, askTries}, "\x67\x00", "\x63\xC3"},
		{cardtest.PIVEmptyVerifyHides, [][]byte{selectPIV, rightPIN, askTries}, "\x63\xC3", "\x90\x00"},
		{cardtest.PIVEmptyVerifyClears, [][]byte{selectPIV, rightPIN, askTries, askTries}, "\x63\xC3", "\x90\x00"},
		{cardtest.PIVEmptyVerifyCosts, [][]byte{selectPIV, askTries}, "\x63\xC2", "\x63\xC3"},
		{cardtest.PIVBadFormatCosts, [][]byte{selectPIV, []byte("\x00\x20\x00\x80\x08letters!")}, "\x63\xC2", "\x6A\x80"},
		{cardtest.NoLogout, [][]byte{selectPIV, logout}, "\x6A\x86", "\x90\x00"},
		{cardtest.PIVMissing, [][]byte{selectPIV}, "\x6A\x82", "\x90\x00"},
	}
	ofEveryCard := int(cardtest.NoLogout) + 1
	ofPIV := int(cardtest.PIVBadFormatCosts-cardtest.PIVMissing) + 1
	assert.Len(t, tests, ofEveryCard+ofPIV-2, "every quirk except the two compressions")
	for _, tt := range tests {
		for _, quirky := range []bool{true, false} {
			c, want := cardtest.PIV(), tt.without
			if quirky {
				c, want = cardtest.PIV(tt.quirk), tt.with
			}
			c.Put("9A", key, der)
			var answer []byte
			for _, command := range tt.commands {
				var err error
				answer, err = c.Transmit(command)
				require.NoError(t, err)
			}
			assert.Contains(t, string(answer), want, "quirk %v: %t, answer %X", tt.quirk, quirky, answer)
		}
	}
}

func TestCompressedCertificatesAreShorter(t *testing.T) {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	plain := cardtest.PIV().Put("9A", nil, der).Object(0x5FC105)
	assert.True(t, bytes.Contains(plain, der))
	for _, q := range []cardtest.Quirk{cardtest.PIVGzip, cardtest.PIVNetID} {
		packed := cardtest.PIV(q).Put("9A", nil, der).Object(0x5FC105)
		assert.Less(t, len(packed), len(plain))
		assert.True(t, bytes.Contains(packed, []byte{0x71, 0x01, 0x01}), "CertInfo says so")
	}
}

func TestOptionsWithNumbers(t *testing.T) {
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

func TestWritesAreCountedWhetherAllowedOrNot(t *testing.T) {
	c := cardtest.PIV(cardtest.ReadOnly)
	send(t, c, selectPIV)
	assert.Equal(t, uint16(0x6985), send(t, c, generate))
	assert.Equal(t, uint16(0x6985), send(t, c, []byte("\x00\x24\x00\x80\x10123456\xFF\xFF654321\xFF\xFF")))
	assert.Equal(t, uint16(0x9000), send(t, c, rightPIN), "trying a PIN is no write")
	assert.Equal(t, 2, c.Writes())
}

func TestANeighbourHasItsOwnPIN(t *testing.T) {
	n := cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4}, "9999")
	c := cardtest.PIV(n)
	selectIt := append([]byte{0x00, 0xA4, 0x04, 0x00, 5}, n.AID()...)
	assert.Equal(t, uint16(0x9000), send(t, c, selectIt))
	assert.Equal(t, uint16(0x63C2), send(t, c, rightPIN), "the PIN of PIV is wrong here")
	assert.Equal(t, 2, n.RetriesLeft())
	assert.Equal(t, 1, n.Spent())
	assert.Equal(t, 3, c.RetriesLeft())
	assert.Equal(t, uint16(0x9000), send(t, c, []byte("\x00\x20\x00\x80\x089999\xFF\xFF\xFF\xFF")))
	assert.Equal(t, 3, n.RetriesLeft())
}

func TestOptionsThatACardCannotHave(t *testing.T) {
	for want, options := range map[string]func() *cardtest.Card{
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
		assert.PanicsWithValue(t, want, func() { options() })
	}
}
