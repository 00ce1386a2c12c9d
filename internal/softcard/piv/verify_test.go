package piv_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

type step struct{ command, want string }

func TestVerify(t *testing.T) {
	const (
		global     = "00200000083837363534333231"
		emptyBytes = "0020008008ffffffffffffffff"
		letters    = "002000800861626364656667ff"
	)
	quirk := func(q piv.Quirks) piv.Config { return piv.Config{Quirks: q} }
	blocked := []step{{wrongPIN, "63c2"}, {wrongPIN, "63c1"}, {wrongPIN, "63c0"}}
	tests := []struct {
		name   string
		config piv.Config
		steps  []step
		tries  piv.Tries
	}{
		{"right PIN", piv.Config{}, []step{{queryPIN, "63c3"}, {verifyPIN, "9000"}, {queryPIN, "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}},
		{"wrong PIN", piv.Config{}, []step{{verifyPIN, "9000"}, {wrongPIN, "63c2"}, {queryPIN, "63c2"}},
			piv.Tries{Left: 2, Limit: 3, Sent: 2, Spent: 1}},
		{"right PIN resets the counter", piv.Config{}, []step{{wrongPIN, "63c2"}, {wrongPIN, "63c1"}, {verifyPIN, "9000"}, {wrongPIN, "63c2"}},
			piv.Tries{Left: 2, Limit: 3, Sent: 4, Spent: 3}},
		{"blocked", piv.Config{}, append(blocked, step{verifyPIN, "6983"}, step{wrongPIN, "6983"}, step{queryPIN, "6983"}, step{emptyBytes, "6983"}),
			piv.Tries{Left: 0, Limit: 3, Sent: 3, Spent: 3}},
		{"PINTries", piv.Config{PINTries: 10}, []step{{queryPIN, "63ca"}, {wrongPIN, "63c9"}},
			piv.Tries{Left: 9, Limit: 10, Sent: 1, Spent: 1}},
		{"more than 15 retries", piv.Config{PINTries: 20}, []step{{queryPIN, "63cf"}, {wrongPIN, "63cf"}},
			piv.Tries{Left: 19, Limit: 20, Sent: 1, Spent: 1}},
		{"another PIN", piv.Config{PIN: "87654321"}, []step{{"00200080083837363534333231", "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}},
		{"query with Le", piv.Config{}, []step{{queryPIN + "00", "63c3"}}, piv.Tries{Left: 3, Limit: 3}},
		{"badly formatted PINs spend no try", piv.Config{}, []step{
			{emptyBytes, "6a80"}, {letters, "6a80"}, {"00200080083132333435ffffff", "6a80"}, {"00200080083132333435ff36ff", "6a80"},
			{"0020008006313233343536", "6a80"}, {"0020008009313233343536ffffff", "6a80"}, {queryPIN, "63c3"},
		}, piv.Tries{Left: 3, Limit: 3}},
		{"eight digits without padding", piv.Config{}, []step{{"00200080083132333435363738", "63c2"}},
			piv.Tries{Left: 2, Limit: 3, Sent: 1, Spent: 1}},
		{"logout", piv.Config{}, []step{{verifyPIN, "9000"}, {logout, "9000"}, {queryPIN, "63c3"}, {"0020ff8008313233343536ffff", "6a80"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1}},
		{"other parameters", piv.Config{}, []step{{"00200180", "6a86"}, {"00200081", "6a88"}, {"00200096", "6a88"}, {"00200098", "6a88"}, {"00200004", "6a88"}},
			piv.Tries{Left: 3, Limit: 3}},
		{"chained", piv.Config{}, []step{{"102000800431323334", "6884"}}, piv.Tries{Left: 3, Limit: 3}},
		{"contactless", piv.Config{Contactless: true}, []step{{verifyPIN, "6982"}, {queryPIN, "6982"}}, piv.Tries{Left: 3, Limit: 3}},
		{"no global PIN", piv.Config{}, []step{{global, "6a88"}, {"0020ff00", "6a88"}}, piv.Tries{Left: 3, Limit: 3}},
		{"global PIN", piv.Config{GlobalPIN: "87654321"}, []step{{"00200000", "63c3"}, {global, "9000"}, {"00200000", "9000"}, {queryPIN, "63c3"}},
			piv.Tries{Left: 3, Limit: 3}},
		{"GlobalTries", piv.Config{GlobalPIN: "87654321", GlobalTries: 1}, []step{
			{"0020000008313233343536ffff", "63c0"}, {global, "6983"}, {"00200000", "6983"}, {queryPIN, "63c3"},
		}, piv.Tries{Left: 3, Limit: 3}},
		{"global PIN without a discovery object", piv.Config{GlobalPIN: "87654321", Quirks: piv.Quirks{NoDiscovery: true}}, []step{{global, "6a88"}},
			piv.Tries{Left: 3, Limit: 3}},

		{"LenientPIN compares any eight bytes", piv.Config{LenientPIN: true}, []step{{letters, "63c2"}, {emptyBytes, "63c1"}, {"002000800431323334", "6a80"}},
			piv.Tries{Left: 1, Limit: 3, Sent: 2, Spent: 2}},
		{"LenientPIN allows letters", piv.Config{PIN: "abcdefg", LenientPIN: true}, []step{{letters, "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}},
		{"PlainRetries", quirk(piv.Quirks{PlainRetries: true}), []step{{queryPIN, "6303"}, {wrongPIN, "6302"}},
			piv.Tries{Left: 2, Limit: 3, Sent: 1, Spent: 1}},
		{"PlainRetries with more than 15 retries", piv.Config{PINTries: 200, Quirks: piv.Quirks{PlainRetries: true}}, []step{{queryPIN, "63c8"}},
			piv.Tries{Left: 200, Limit: 200}},
		{"BlocksAtOnce", quirk(piv.Quirks{BlocksAtOnce: true}), []step{{wrongPIN, "63c2"}, {wrongPIN, "63c1"}, {wrongPIN, "6983"}},
			piv.Tries{Left: 0, Limit: 3, Sent: 3, Spent: 3}},
		{"BlockedQuery", quirk(piv.Quirks{BlockedQuery: 0x63C0}), append(blocked, step{queryPIN, "63c0"}, step{verifyPIN, "6983"}),
			piv.Tries{Left: 0, Limit: 3, Sent: 3, Spent: 3}},
		{"EmptyVerify 6700", quirk(piv.Quirks{EmptyVerify: iso.WrongLength}), []step{{queryPIN, "6700"}, {verifyPIN, "9000"}, {queryPIN, "6700"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}},
		{"EmptyVerify 6A80", quirk(piv.Quirks{EmptyVerify: iso.BadData}), []step{{queryPIN, "6a80"}}, piv.Tries{Left: 3, Limit: 3}},
		{"EmptyVerifyHides", quirk(piv.Quirks{EmptyVerifyHides: true}), []step{{verifyPIN, "9000"}, {queryPIN, "63c3"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}},
		{"EmptyVerifyClears", quirk(piv.Quirks{EmptyVerifyClears: true}), []step{{verifyPIN, "9000"}, {queryPIN, "63c3"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1}},
		{"EmptyVerifyCosts", quirk(piv.Quirks{EmptyVerifyCosts: true}), []step{{queryPIN, "63c2"}, {verifyPIN, "9000"}, {queryPIN, "63c2"}},
			piv.Tries{Left: 2, Limit: 3, Sent: 3, Spent: 2}},
		{"BadFormatCosts", quirk(piv.Quirks{BadFormatCosts: true}), []step{{emptyBytes, "63c2"}, {"002000800431323334", "63c1"}},
			piv.Tries{Left: 1, Limit: 3, Sent: 2, Spent: 2}},
		{"NoLogout", quirk(piv.Quirks{NoLogout: true}), []step{{verifyPIN, "9000"}, {logout, "6a86"}, {queryPIN, "9000"}},
			piv.Tries{Left: 3, Limit: 3, Sent: 1, Verified: true}},
		{"SelectClears", quirk(piv.Quirks{SelectClears: true}), []step{
			{verifyPIN, "9000"}, {selectPIV, "61164f0ba00000030800001000010079074f05a0000003089000"}, {queryPIN, "63c3"},
		}, piv.Tries{Left: 3, Limit: 3, Sent: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t, tt.config)
			for _, s := range tt.steps {
				assert.Equal(t, s.want, c.send(s.command), s.command)
			}
			assert.Equal(t, tt.tries, c.app.Tries(0x80))
		})
	}
}

func TestTries(t *testing.T) {
	c := newCard(t, piv.Config{GlobalPIN: "87654321", GlobalTries: 5, PUKTries: 4})
	c.send("0020000008313233343536ffff")
	assert.Equal(t, piv.Tries{Left: 4, Limit: 5, Sent: 1, Spent: 1}, c.app.Tries(0x00))
	assert.Equal(t, piv.Tries{Left: 4, Limit: 4}, c.app.Tries(0x81))
	assert.Zero(t, c.app.Tries(0x96))
}

func TestSetTriesLeft(t *testing.T) {
	c := newCard(t, piv.Config{})
	c.app.SetTriesLeft(0x80, 1)
	assert.Equal(t, "63c1", c.send(queryPIN))
	assert.Equal(t, "63c0", c.send(wrongPIN))
	c.app.SetTriesLeft(0x96, 1)
	assert.Zero(t, c.app.Tries(0x96), "missing reference")
}

func TestDiscoveryObjectPolicy(t *testing.T) {
	tests := []struct {
		name   string
		config piv.Config
		policy string
	}{
		{"application PIN", piv.Config{}, "4000"},
		{"global PIN", piv.Config{GlobalPIN: "87654321"}, "6010"},
		{"GlobalPrimary", piv.Config{GlobalPIN: "87654321", GlobalPrimary: true}, "6020"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t, tt.config)
			assert.Equal(t, "7e124f0ba0000003080000100001005f2f02"+tt.policy+"9000", c.send(getDataCommand(0x7E)))
		})
	}

	c := newCard(t, piv.Config{GlobalPIN: "87654321"})
	c.app.PutObject(0x5FC109, []byte{0xFE, 0x00})
	c.send("00200000083837363534333231")
	assert.Equal(t, "5302fe009000", c.send(getDataCommand(0x5FC109)))
	c.app.PutObject(0x7E, unhex(t, "4f0ba0000003080000100001005f2f024000"))
	assert.Equal(t, "6982", c.send(getDataCommand(0x5FC109)), "PutObject disables the global PIN")
	assert.Equal(t, "6a88", c.send("00200000"))
	c.app.PutObject(0x7E, []byte{0x5F})
	assert.Equal(t, "6a88", c.send("00200000"), "malformed discovery object")
}

func TestObjectQuirks(t *testing.T) {
	c := newCard(t, piv.Config{Quirks: piv.Quirks{EmptyObjects: true}})
	assert.Equal(t, "53009000", c.send(getDataCommand(0x5FC105)))
	assert.Equal(t, "6982", c.send(getDataCommand(0x5FC109)))
	assert.Equal(t, "6a82", c.send(getDataCommand(0x5FC124)), "object undefined by the standard")

	c = newCard(t, piv.Config{Quirks: piv.Quirks{NoDiscovery: true}})
	assert.Equal(t, "6a82", c.send(getDataCommand(0x7E)))

	c = newCard(t, piv.Config{Quirks: piv.Quirks{LongLengths: true}})
	assert.NoError(t, c.app.Put(0x9A, nil, []byte{0x30, 0x01, 0x00}))
	assert.Equal(t, "538300001370830000033001007183000001"+"00fe83000000"+"9000", c.send(getDataCommand(0x5FC105)))
	assert.Equal(t, "7e830000184f8300000ba0000003080000100001005f2f83000002"+"4000"+"9000", c.send(getDataCommand(0x7E)))
	assert.Equal(t, "618300001f4f8300000ba000000308000010000100"+"798300000a4f83000005a000000308"+"9000", c.send(selectPIV))
	c.app.PutObject(0x5FC105, []byte{0x70, 0x05, 0x30})
	assert.Equal(t, "53830000037005309000", c.send(getDataCommand(0x5FC105)), "LongLengths leaves a malformed value unchanged")
}
