package piv_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// PINs and PUKs with padding.
const (
	pin123456 = "313233343536ffff"
	pin654321 = "363534333231ffff"
	pin999999 = "393939393939ffff"
	puk       = "3132333435363738"
	otherPUK  = "3837363534333231"
	letters   = "6162636465666768"
)

func TestChangeReferenceData(t *testing.T) {
	const (
		change    = "0024008010"
		changePUK = "0024008110"
		global    = "0024000010"
	)
	tests := []struct {
		name   string
		config piv.Config
		ref    byte
		steps  []step
		tries  piv.Tries
	}{
		{"PIN", piv.Config{}, 0x80, []step{{change + pin123456 + pin654321, "9000"}, {queryPIN, "9000"}, {"0020008008" + pin654321, "9000"}, {verifyPIN, "63c2"}},
			piv.Tries{Left: 2, Limit: 3, Sent: 3, Spent: 1}},
		{"right PIN resets the counter", piv.Config{}, 0x80, []step{{wrongPIN, "63c2"}, {change + pin123456 + pin654321, "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 2, Spent: 1, Verified: true}},
		{"wrong old PIN", piv.Config{}, 0x80, []step{{verifyPIN, "9000"}, {change + pin999999 + pin654321, "63c2"}, {queryPIN, "63c2"}},
			piv.Tries{Left: 2, Limit: 3, Sent: 2, Spent: 1}},
		{"badly formatted new PIN spends no try", piv.Config{}, 0x80, []step{{verifyPIN, "9000"}, {change + pin123456 + letters, "6a80"}, {queryPIN, "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}},
		{"badly formatted old and new PIN", piv.Config{}, 0x80, []step{{change + letters + letters, "6a80"}}, piv.Tries{Left: 3, Limit: 3}},
		{"wrong old and badly formatted new PIN", piv.Config{}, 0x80, []step{{change + pin999999 + letters, "6a80"}}, piv.Tries{Left: 3, Limit: 3}},
		{"blocked", piv.Config{PINTries: 1}, 0x80, []step{{wrongPIN, "63c0"}, {change + pin123456 + pin654321, "6983"}},
			piv.Tries{Limit: 1, Sent: 1, Spent: 1}},
		{"wrong length", piv.Config{}, 0x80, []step{{"0024008008" + pin123456, "6a80"}, {"00240080", "6a80"}}, piv.Tries{Left: 3, Limit: 3}},
		{"other parameters", piv.Config{}, 0x80, []step{{"0024018010" + pin123456 + pin654321, "6a86"}, {"0024009610" + pin123456 + pin654321, "6a88"}, {global + pin123456 + pin654321, "6a88"}},
			piv.Tries{Left: 3, Limit: 3}},
		{"contactless", piv.Config{Contactless: true}, 0x80, []step{{change + pin123456 + pin654321, "6982"}}, piv.Tries{Left: 3, Limit: 3}},
		{"LenientPIN", piv.Config{LenientPIN: true}, 0x80, []step{{change + pin123456 + letters, "9000"}, {"0020008008" + letters, "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 2, Verified: true}},
		{"does not count as VERIFY before a signature", piv.Config{}, 0x80, []step{{change + pin123456 + pin654321, "9000"}, {signCommand(piv.P256, 0x9C, make([]byte, 32)), "6982"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}},
		{"PUK", piv.Config{}, 0x81, []step{{changePUK + puk + otherPUK, "9000"}, {changePUK + puk + otherPUK, "63c2"}},
			piv.Tries{Left: 2, Limit: 3, Sent: 2, Spent: 1}},
		{"PUK of any bytes", piv.Config{}, 0x81, []step{{changePUK + puk + "00ff00ff00ff00ff", "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}},
		{"PUK blocked", piv.Config{PUKTries: 1}, 0x81, []step{{changePUK + otherPUK + puk, "63c0"}, {changePUK + puk + puk, "6983"}},
			piv.Tries{Limit: 1, Sent: 1, Spent: 1}},
		{"global PIN", piv.Config{GlobalPIN: "123456"}, 0x00, []step{{global + pin123456 + pin654321, "9000"}, {"00200000", "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t, tt.config)
			assert.NoError(t, c.app.Put(0x9C, p256, nil))
			for _, s := range tt.steps {
				assert.Equal(t, s.want, c.send(s.command), s.command)
			}
			assert.Equal(t, tt.tries, c.app.Tries(tt.ref))
		})
	}
}

func TestResetRetryCounter(t *testing.T) {
	const reset = "002c008010"
	tests := []struct {
		name   string
		config piv.Config
		steps  []step
		pin    piv.Tries
		puk    piv.Tries
	}{
		{"does not verify the PIN", piv.Config{}, []step{{reset + puk + pin654321, "9000"}, {queryPIN, "63c3"}, {"0020008008" + pin654321, "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}, piv.Tries{Left: 3, Limit: 3, Sent: 1}},
		{"keeps the PIN verified", piv.Config{}, []step{{verifyPIN, "9000"}, {reset + puk + pin654321, "9000"}, {queryPIN, "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}, piv.Tries{Left: 3, Limit: 3, Sent: 1}},
		{"blocked PIN", piv.Config{PINTries: 1}, []step{{wrongPIN, "63c0"}, {verifyPIN, "6983"}, {reset + puk + pin654321, "9000"}, {queryPIN, "63c1"}},
			piv.Tries{Left: 1, Limit: 1, Sent: 1, Spent: 1}, piv.Tries{Left: 3, Limit: 3, Sent: 1}},
		{"wrong PUK clears the verified PIN", piv.Config{}, []step{{verifyPIN, "9000"}, {reset + otherPUK + pin654321, "63c2"}, {queryPIN, "63c3"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1}, piv.Tries{Left: 2, Limit: 3, Sent: 1, Spent: 1}},
		{"right PUK resets its counter", piv.Config{}, []step{{reset + otherPUK + pin654321, "63c2"}, {reset + puk + pin654321, "9000"}},
			piv.Tries{Left: 3, Limit: 3}, piv.Tries{Left: 3, Limit: 3, Sent: 2, Spent: 1}},
		{"blocked PUK", piv.Config{PUKTries: 1}, []step{{reset + otherPUK + pin654321, "63c0"}, {reset + puk + pin654321, "6983"}},
			piv.Tries{Left: 3, Limit: 3}, piv.Tries{Limit: 1, Sent: 1, Spent: 1}},
		{"BlocksAtOnce", piv.Config{PUKTries: 1, Quirks: piv.Quirks{BlocksAtOnce: true}}, []step{{reset + otherPUK + pin654321, "6983"}},
			piv.Tries{Left: 3, Limit: 3}, piv.Tries{Limit: 1, Sent: 1, Spent: 1}},
		{"badly formatted new PIN", piv.Config{}, []step{{verifyPIN, "9000"}, {reset + otherPUK + letters, "6a80"}, {queryPIN, "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}, piv.Tries{Left: 3, Limit: 3}},
		{"wrong length", piv.Config{}, []step{{"002c008008" + puk, "6a80"}}, piv.Tries{Left: 3, Limit: 3}, piv.Tries{Left: 3, Limit: 3}},
		{"other parameters", piv.Config{GlobalPIN: "123456"}, []step{{"002c018010" + puk + pin654321, "6a86"}, {"002c000010" + puk + pin654321, "6a88"}},
			piv.Tries{Left: 3, Limit: 3}, piv.Tries{Left: 3, Limit: 3}},
		{"contactless", piv.Config{Contactless: true}, []step{{reset + puk + pin654321, "6a81"}}, piv.Tries{Left: 3, Limit: 3}, piv.Tries{Left: 3, Limit: 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t, tt.config)
			for _, s := range tt.steps {
				assert.Equal(t, s.want, c.send(s.command), s.command)
			}
			assert.Equal(t, tt.pin, c.app.Tries(0x80))
			assert.Equal(t, tt.puk, c.app.Tries(0x81))
		})
	}
}
