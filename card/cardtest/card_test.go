package cardtest_test

import (
	"crypto"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
)

const first = "Software Reader 00"

// Commands of the tests.
var (
	selectPIV   = []byte{0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x03, 0x08, 0x00}
	askRetries  = []byte{0x00, 0x20, 0x00, 0x80}
	rightPIN    = []byte("\x00\x20\x00\x80\x08123456\xFF\xFF")
	wrongPIN    = []byte("\x00\x20\x00\x80\x08654321\xFF\xFF")
	certificate = []byte{0x00, 0xCB, 0x3F, 0xFF, 0x05, 0x5C, 0x03, 0x5F, 0xC1, 0x05, 0x00}
	generate    = []byte{0x00, 0x47, 0x00, 0x9A, 0x05, 0xAC, 0x03, 0x80, 0x01, 0x11, 0x00}
)

// send sends a command and returns the status word of the response.
func send(t *testing.T, c card.Transmitter, command []byte) uint16 {
	t.Helper()
	response, err := c.Transmit(command)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(response), 2)
	return uint16(response[len(response)-2])<<8 | uint16(response[len(response)-1])
}

func TestCountersOfCard(t *testing.T) {
	c := cardtest.PIV()
	before := c.Exchanges()
	assert.Equal(t, uint16(0x9000), send(t, c, selectPIV))
	assert.Equal(t, uint16(0x63C2), send(t, c, wrongPIN))
	assert.Equal(t, 2, c.RetriesLeft())
	assert.Equal(t, 1, c.Spent())
	assert.False(t, c.Verified())
	assert.Equal(t, uint16(0x9000), send(t, c, rightPIN))
	assert.Equal(t, 3, c.RetriesLeft())
	assert.Equal(t, 1, c.Spent())
	assert.True(t, c.Verified())
	assert.Zero(t, c.Writes())

	after := c.Exchanges()
	assert.Equal(t, before.Commands+3, after.Commands)
	assert.Equal(t, before.BytesIn+len(selectPIV)+len(wrongPIN)+len(rightPIN), after.BytesIn)
	assert.Greater(t, after.BytesOut, before.BytesOut+6)
	c.Reset()
	assert.Equal(t, before.Resets+1, c.Exchanges().Resets)
	assert.False(t, c.Verified())
}

func TestCommandsAreCountedByWhatTheyDo(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		card                  *cardtest.Card
		command               []byte
		pins, keyUses, writes int
	}{
		{"read the retry counter", cardtest.PIV(), askRetries, 0, 0, 0},
		{"wrong PIN", cardtest.PIV(), wrongPIN, 1, 0, 0},
		{"right PIN", cardtest.PIV(), rightPIN, 1, 0, 0},
		{"log out", cardtest.PIV(), []byte{0x00, 0x20, 0xFF, 0x80}, 0, 0, 0},
		{"change the PIN", cardtest.PIV(), []byte("\x00\x24\x00\x80\x10123456\xFF\xFF654321\xFF\xFF"), 1, 0, 1},
		{"unblock the PIN", cardtest.PIV(), []byte("\x00\x2C\x00\x80\x1012345678654321\xFF\xFF"), 1, 0, 1},
		{"read", cardtest.PIV(), certificate, 0, 0, 0},
		{"sign, refused", cardtest.PIV(), []byte{0x00, 0x87, 0x07, 0x9A, 4, 0x7C, 2, 0x82, 0, 0}, 0, 1, 0},
		{"authenticate the administrator", cardtest.PIV(), []byte{0x00, 0x87, 0x03, 0x9B, 4, 0x7C, 2, 0x81, 0, 0}, 0, 0, 0},
		{"generate, refused", cardtest.PIV(), generate, 0, 0, 1},
		{"generate on a read-only card", cardtest.PIV(cardtest.ReadOnly), generate, 0, 0, 1},
		{"PIN of GIDS", cardtest.GIDS(), plainPIN, 1, 0, 0},
		{"log out of GIDS", cardtest.GIDS(), []byte{0x00, 0x20, 0x00, 0x82}, 0, 0, 0},
		{"sign with GIDS, refused", cardtest.GIDS(), []byte{0x00, 0x2A, 0x9E, 0x9A, 1, 1, 0}, 0, 1, 0},
		{"authenticate the administrator of GIDS", cardtest.GIDS(), []byte{0x00, 0x87, 0x00, 0x00, 4, 0x7C, 2, 0x81, 0, 0}, 0, 0, 0},
	} {
		for _, command := range [][]byte{selectPIV, selectGIDS, tt.command} {
			send(t, tt.card, command)
		}
		assert.Equal(t, []int{tt.pins, tt.keyUses, tt.writes}, []int{tt.card.PINs(), tt.card.KeyUses(), tt.card.Writes()}, tt.name)
	}
}

func TestPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"missing container":   func() { cardtest.PIV().Put("99", nil, []byte{1}) },
		"malformed container": func() { cardtest.PIV().Put("nine", nil, nil) },
		"not a key":           func() { cardtest.PIV().Put("9A", "key", nil) },
		"missing key":         func() { cardtest.Key(cardtest.P256, 3) },
		"unknown kind of key": func() { cardtest.Key("DSA", 0) },
		"second Ed25519 key":  func() { cardtest.Key(cardtest.Ed25519, 1) },
		"malformed version":   func() { cardtest.YubiKey("new") },
	} {
		assert.Panics(t, f, name)
	}
}

func TestObjectsAreStoredUnchanged(t *testing.T) {
	c := cardtest.PIV().PutObject(0x5FC109, []byte("anything"))
	assert.Equal(t, []byte("anything"), c.Object(0x5FC109))
	assert.Nil(t, c.PutObject(0x5FC109, nil).Object(0x5FC109))
}

func TestKeysSign(t *testing.T) {
	for _, kind := range []cardtest.KeyKind{cardtest.RSA1024, cardtest.RSA2048, cardtest.RSA3072, cardtest.RSA4096,
		cardtest.P256, cardtest.P384, cardtest.P521, cardtest.Ed25519} {
		key, hash := cardtest.Key(kind, 0), crypto.SHA256
		digest := make([]byte, 32)
		if kind == cardtest.Ed25519 {
			hash = 0
		}
		_, err := key.Sign(nil, digest, hash)
		assert.NoError(t, err, kind)
	}
}

func TestVersionOfYubiKey(t *testing.T) {
	c := cardtest.YubiKey("5.4.3")
	assert.Equal(t, uint16(0x9000), send(t, c, selectPIV))
	response, err := c.Transmit([]byte{0x00, 0xFD, 0x00, 0x00, 0x00})
	require.NoError(t, err)
	assert.Equal(t, []byte{5, 4, 3, 0x90, 0x00}, response)
}

func TestCombine(t *testing.T) {
	second := cardtest.GIDS()
	both := cardtest.Combine(cardtest.PIV(cardtest.PIVNoDiscovery), second)
	for _, command := range [][]byte{selectPIV, wrongPIN, selectGIDS, wrongGIDS, wrongGIDS, {0x00, 0xDB, 0xA0, 0x10, 3, 0xDF, 0x50, 0}} {
		_, err := both.Transmit(command)
		require.NoError(t, err)
	}
	assert.Equal(t, []int{2, 1, 0}, []int{both.RetriesLeft(), both.Spent(), both.Writes()})
	assert.Equal(t, []int{1, 2, 1}, []int{second.RetriesLeft(), second.Spent(), second.Writes()})
	assert.Equal(t, 6, both.Exchanges().Commands)
}
