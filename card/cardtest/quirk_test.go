package cardtest_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

// Each quirk changes the response to some command.
func TestQuirks(t *testing.T) {
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	extended := append([]byte{0x00, 0xCB, 0x3F, 0xFF, 0, 0, 5}, 0x5C, 0x03, 0x5F, 0xC1, 0x05, 0, 0)
	fullAID := []byte{0x00, 0xA4, 0x04, 0x00, 11, 0xA0, 0, 0, 3, 8, 0, 0, 0x10, 0, 1, 0, 0}
	discovery := []byte{0x00, 0xCB, 0x3F, 0xFF, 3, 0x5C, 1, 0x7E, 0}
	chuid := []byte{0x00, 0xCB, 0x3F, 0xFF, 5, 0x5C, 3, 0x5F, 0xC1, 2, 0}
	chain := append([]byte{0x10}, generate[1:len(generate)-1]...)
	logout := []byte{0x00, 0x20, 0xFF, 0x80}
	tests := []struct {
		quirk    cardtest.Quirk
		commands [][]byte // the response to the last one is compared
		with     string   // part of the response with the quirk
		without  string   // and without it
	}{
		{cardtest.T0, [][]byte{fullAID[:len(fullAID)-1]}, "\x61", "\x90\x00"},
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
		{cardtest.PIVSelectClears, [][]byte{selectPIV, rightPIN, selectPIV, askRetries}, "\x63\xC3", "\x90\x00"},
		{cardtest.PlainRetries, [][]byte{selectPIV, wrongPIN}, "\x63\x02", "\x63\xC2"},
		{cardtest.PIVBlocksAtOnce, [][]byte{selectPIV, wrongPIN, wrongPIN, wrongPIN}, "\x69\x83", "\x63\xC0"},
		{cardtest.EmptyVerifyRefused, [][]byte{selectPIV, askRetries}, "\x67\x00", "\x63\xC3"},
		{cardtest.PIVEmptyVerifyHides, [][]byte{selectPIV, rightPIN, askRetries}, "\x63\xC3", "\x90\x00"},
		{cardtest.PIVEmptyVerifyClears, [][]byte{selectPIV, rightPIN, askRetries, askRetries}, "\x63\xC3", "\x90\x00"},
		{cardtest.PIVEmptyVerifyCosts, [][]byte{selectPIV, askRetries}, "\x63\xC2", "\x63\xC3"},
		{cardtest.PIVBadFormatCosts, [][]byte{selectPIV, []byte("\x00\x20\x00\x80\x08letters!")}, "\x63\xC2", "\x6A\x80"},
		{cardtest.NoLogout, [][]byte{selectPIV, logout}, "\x6A\x86", "\x90\x00"},
		{cardtest.PIVMissing, [][]byte{selectPIV}, "\x6A\x82", "\x90\x00"},
	}
	common := int(cardtest.NoLogout) + 1
	ofPIV := int(cardtest.PIVBadFormatCosts-cardtest.PIVMissing) + 1
	assert.Len(t, tests, common+ofPIV-2, "every quirk except the two compressions")
	for _, tt := range tests {
		for _, quirky := range []bool{true, false} {
			c, want := cardtest.PIV(), tt.without
			if quirky {
				c, want = cardtest.PIV(tt.quirk), tt.with
			}
			c.Put("9A", key, der)
			var response []byte
			for _, command := range tt.commands {
				var err error
				response, err = c.Transmit(command)
				require.NoError(t, err)
			}
			assert.Contains(t, string(response), want, "quirk %v: %t, response %X", tt.quirk, quirky, response)
		}
	}
}

// Each quirk changes the response to some command.
func TestQuirksOfGIDS(t *testing.T) {
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	setEnvironment := func(algorithm byte) []byte {
		return []byte{0x00, 0x22, 0x41, 0xB6, 6, 0x80, 1, algorithm, 0x84, 1, 0x8B}
	}
	read := func(object byte) []byte { return []byte{0x00, 0xCB, 0xA0, 0x10, 4, 0x5C, 2, 0xDF, object, 0} }
	keyMap := []byte{0x00, 0xCB, 0xA0, 0x00, 4, 0x5C, 2, 0xDF, 0x20, 0}
	tests := map[cardtest.Quirk]struct {
		commands      [][]byte // the response to the last one is compared
		with, without string   // part of the response with the quirk, and without it
	}{
		cardtest.ShortLengths:          {[][]byte{selectGIDS, {0x00, 0xCB, 0xA0, 0x10, 0, 0, 4, 0x5C, 2, 0xDF, 0x22, 0, 0}}, "\x67\x00", "\x90\x00"},
		cardtest.GIDSSelectKeeps:       {[][]byte{selectGIDS, plainPIN, selectGIDS, setEnvironment(0x57)}, "\x90\x00", "\x69\x82"},
		cardtest.PlainRetries:          {[][]byte{selectGIDS, wrongGIDS}, "\x63\x02", "\x63\xC2"},
		cardtest.EmptyVerifyRefused:    {[][]byte{selectGIDS, askRetries}, "\x67\x00", "\x63\xC3"},
		cardtest.NoLogout:              {[][]byte{selectGIDS, {0x00, 0x20, 0x00, 0x82}}, "\x6A\x88", "\x90\x00"},
		cardtest.ReadOnly:              {[][]byte{selectGIDS, plainPIN, {0x00, 0xDB, 0xA0, 0x10, 3, 0xDF, 0x50, 0}}, "\x69\x85", "\x90\x00"},
		cardtest.GIDSDecimalNames:      {[][]byte{selectGIDS, {0x00, 0xCB, 0xA0, 0x00, 4, 0x5C, 2, 0xDF, 0x1F, 0}}, "kxc10", "kxc0A"},
		cardtest.GIDSPlainCertificates: {[][]byte{selectGIDS, read(0x24)}, "\x30\x82", "\x01\x00"},
		cardtest.GIDSOldRetries:        {[][]byte{selectGIDS, readTries}, "\x9F\x17\x01\x03", "\x97\x01\x03"},
		cardtest.GIDSNoRetries:         {[][]byte{selectGIDS, readTries}, "\x6A\x88", "\x90\x00"},
		cardtest.GIDSNoKeyMap:          {[][]byte{selectGIDS, keyMap}, "\x6A\x88", "\x90\x00"},
		cardtest.GIDSHostPads:          {[][]byte{selectGIDS, plainPIN, setEnvironment(0x57)}, "\x69\x84", "\x90\x00"},
		cardtest.GIDSCardPads:          {[][]byte{selectGIDS, plainPIN, setEnvironment(0x17)}, "\x69\x84", "\x90\x00"},
		cardtest.GIDSNoProperties:      {[][]byte{selectGIDS}, "\x90\x00", "\x01\xC0\x90\x00"},
		cardtest.GIDSWithPUK:           {[][]byte{selectGIDS, {0x00, 0xCB, 0x3F, 0xFF, 4, 0x5C, 2, 0x7F, 0x73, 0}}, "\x90\x00", "\x6A\x88"},
	}
	for q := cardtest.GIDSWithPUK; q <= cardtest.GIDSNoProperties; q++ {
		assert.Contains(t, tests, q)
	}
	for quirk, tt := range tests {
		for _, quirky := range []bool{true, false} {
			c, want := cardtest.GIDS(), tt.without
			if quirky {
				c, want = cardtest.GIDS(quirk), tt.with
			}
			c.Put("kxc0A", key, der)
			var response []byte
			for _, command := range tt.commands {
				response, _ = c.Transmit(command)
			}
			assert.True(t, bytes.Contains(response, []byte(want)), "quirk %v, %v: %X", quirk, quirky, response)
		}
	}
	blank, _ := cardtest.GIDS(cardtest.GIDSBlank).Transmit(selectGIDS)
	assert.Equal(t, "\x90\x00", string(blank[len(blank)-2:]))
	assert.Nil(t, cardtest.GIDS(cardtest.GIDSBlank).File("cardid"))
}

func TestCompressedCertificatesAreShorter(t *testing.T) {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	plain := cardtest.PIV().Put("9A", nil, der).Object(0x5FC105)
	assert.True(t, bytes.Contains(plain, der))
	for _, q := range []cardtest.Quirk{cardtest.PIVGzip, cardtest.PIVNetID} {
		packed := cardtest.PIV(q).Put("9A", nil, der).Object(0x5FC105)
		assert.Less(t, len(packed), len(plain))
		assert.True(t, bytes.Contains(packed, []byte{0x71, 0x01, 0x01}), "CertInfo: compressed")
	}
}
