package piv_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
)

const (
	tagCHUID      = 0x5FC102
	tagCCC        = 0x5FC107
	tagKeyHistory = 0x5FC10C
	tagPrinted    = 0x5FC109
	tagDiscovery  = 0x7E
	tagBITGroup   = 0x7F61
)

func TestObject(t *testing.T) {
	content := join(tlv(0x01, 'A', 'l', 'i', 'c', 'e'), tlv(0xFE))
	group := tlv(0x02, 1, 0)
	for _, test := range []struct {
		name    string
		options []cardtest.Option
	}{
		{"plain", nil},
		{"with lengths of four bytes", []cardtest.Option{cardtest.PIVLongLengths}},
		{"over T=0", []cardtest.Option{cardtest.T0}},
		{"short lengths", []cardtest.Option{cardtest.ShortLengths}},
		{"with an exact Le", []cardtest.Option{cardtest.ExactLe, cardtest.ShortLengths}},
		{"Le ignored", []cardtest.Option{cardtest.IgnoresLe}},
		{"contactless", []cardtest.Option{cardtest.PIVContactless}},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := cardtest.PIV(test.options...).PutObject(0x5FC122, content).PutObject(tagBITGroup, group)
			p := open(t, soft)
			got, err := p.Object(t.Context(), 0x5FC122)
			require.NoError(t, err)
			if test.name == "with lengths of four bytes" {
				assert.Len(t, got, len(content)+6)
			} else {
				assert.Equal(t, content, got)
			}
			_, err = p.Object(t.Context(), tagBITGroup)
			require.NoError(t, err, "it has its own outer tag")
		})
	}
}

func TestMissingObject(t *testing.T) {
	for name, c := range map[string]card.Transmitter{
		"6A82":                   cardtest.PIV(),
		"53 00":                  cardtest.PIV(cardtest.PIVEmptyObjects),
		"6A88":                   scripted{selectPrefix: {0x90, 0x00}, "": {0x6A, 0x88}},
		"no data":                scripted{"": {0x90, 0x00}},
		"53 00 for every object": scripted{selectPrefix: {0x90, 0x00}, "": success([]byte{0x53, 0x00})},
	} {
		t.Run(name, func(t *testing.T) {
			p := piv.New(card.New("test", c))
			_, err := p.Object(t.Context(), 0x5FC123+1)
			assert.ErrorIs(t, err, piv.ErrNotFound)
			assert.ErrorContains(t, err, "5FC124")
			_, err = p.Certificate(t.Context(), piv.Retired(20))
			assert.ErrorIs(t, err, piv.ErrNotFound)
			assert.ErrorContains(t, err, "95 (Retired Key Management 20)")
			_, err = p.KeyHistory(t.Context())
			assert.ErrorIs(t, err, piv.ErrNotFound)
		})
	}
}

func TestObjectThatNeedsPIN(t *testing.T) {
	soft := cardtest.PIV().PutObject(tagPrinted, tlv(0x01, 'A'))
	_, err := open(t, soft).Object(t.Context(), tagPrinted)
	assert.ErrorIs(t, err, card.StatusNotPermitted)
	assert.Zero(t, soft.Spent())
}

func TestProtectedObject(t *testing.T) {
	printed := tlv(0x01, 'A', 'l', 'i', 'c', 'e')
	for _, soft := range []*cardtest.Card{cardtest.PIV(), yubikey("5.7.1"), cardtest.PIV(cardtest.ShortLengths)} {
		soft.PutObject(tagPrinted, printed)
		p := open(t, soft)
		n := 0
		got, err := p.ProtectedObject(t.Context(), tagPrinted, countPrompts(&n))
		require.NoError(t, err)
		assert.Equal(t, printed, got)
		assert.Equal(t, 1, n)
		assert.False(t, soft.Verified(), "logged out")
		_, err = p.ProtectedObject(t.Context(), 0x5FC103, card.FixedPIN(cardtest.PIN))
		assert.ErrorIs(t, err, piv.ErrNotFound)
		_, err = p.ProtectedObject(t.Context(), tagPrinted, card.FixedPIN("000000"))
		assert.ErrorIs(t, err, card.ErrWrongPIN)
		assert.Equal(t, 1, soft.Spent())
	}
	soft := cardtest.PIV().PutObject(tagPrinted, printed)
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, response []byte, _ time.Duration) {
		assert.NotContains(t, string(c.Data), "Alice")
		assert.NotContains(t, string(response), "Alice")
	}})
	p := open(t, soft)
	_, err := p.ProtectedObject(ctx, tagPrinted, card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, adminOf(t, p, piv.TripleDES).PutObject(ctx, tagPrinted, printed))

	_, err = open(t, cardtest.PIV(cardtest.PIVMissing)).ProtectedObject(t.Context(), tagPrinted, noPIN(t))
	assert.ErrorIs(t, err, piv.ErrNotPIV)
}

func TestMalformedObject(t *testing.T) {
	for name, answer := range map[string][]byte{
		"another outer tag":    tlv(0x54, 1),
		"data after the value": {0x53, 0x01, 0x00, 0x00},
		"truncated value":      {0x53, 0x05, 0x00},
		"indefinite length":    {0x53, 0x80, 0x00, 0x00},
	} {
		t.Run(name, func(t *testing.T) {
			p := piv.New(card.New("test", scripted{selectPrefix: {0x90, 0x00}, "": success(answer)}))
			_, err := p.Object(t.Context(), tagCHUID)
			assert.ErrorIs(t, err, card.ErrMalformed)
			assert.ErrorContains(t, err, "byte ")
		})
	}
}

func TestCHUID(t *testing.T) {
	fascn := make([]byte, 25)
	fascn[0] = 0xD4
	guid := [16]byte{0: 1, 15: 16}
	holder := make([]byte, 16)
	holder[3] = 3
	soft := cardtest.PIV().PutObject(tagCHUID, join(
		tlv(0xEE, 0, 1), tlv(0x30, fascn...), tlv(0x32, 1, 2, 3, 4), tlv(0x33, make([]byte, 9)...), tlv(0x34, guid[:]...),
		tlv(0x35, []byte("20301231")...), tlv(0x36, holder...), tlv(0x3D, 7), tlv(0x3E, 0x30, 0x00), tlv(0xFE)))
	got, err := open(t, soft).CHUID(t.Context())
	require.NoError(t, err)
	assert.Equal(t, &piv.CHUID{FASCN: fascn, GUID: guid, Expires: "20301231", CardholderUUID: holder, Signature: []byte{0x30, 0x00}}, got)
}

func TestCHUIDOfANewCard(t *testing.T) {
	got, err := open(t, cardtest.YubiKey("5.7.1")).CHUID(t.Context())
	require.NoError(t, err)
	assert.NotZero(t, got.GUID)
	assert.Len(t, got.FASCN, 25)
	assert.Nil(t, got.CardholderUUID)
}

func TestCCC(t *testing.T) {
	soft := cardtest.PIV().PutObject(tagCCC, join(tlv(0xF0, make([]byte, 21)...), tlv(0xF1, 0x21), tlv(0xF3), tlv(0xF5, 0x10), tlv(0xFE)))
	got, err := open(t, soft).CCC(t.Context())
	require.NoError(t, err)
	assert.Equal(t, &piv.CCC{CardIdentifier: make([]byte, 21), DataModel: 0x10}, got)
}

var fullAID = []byte{0xA0, 0, 0, 3, 8, 0, 0, 0x10, 0, 1, 0}

func TestDiscovery(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy uint16
		want   card.Reference
	}{
		{"the application PIN alone", 0x4000, piv.ApplicationPIN},
		{"the application PIN, second byte set (CanoKey)", 0x4010, piv.ApplicationPIN},
		{"both, application PIN preferred", 0x6010, piv.ApplicationPIN},
		{"both, global PIN preferred", 0x6020, piv.GlobalPIN},
		{"global PIN preferred but not allowed", 0x4020, piv.ApplicationPIN},
		{"all other bits", 0x7C20, piv.GlobalPIN},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := cardtest.PIV(cardtest.PIVGlobalPIN("654321")).
				PutObject(tagDiscovery, join(tlv(0x4F, fullAID...), tlv(0x5F2F, byte(test.policy>>8), byte(test.policy))))
			got, err := open(t, soft).Discovery(t.Context())
			require.NoError(t, err)
			assert.Equal(t, &piv.Discovery{AID: fullAID, Policy: test.policy}, got)
			assert.Equal(t, test.want, got.PIN())
		})
	}
	_, err := open(t, cardtest.PIV(cardtest.PIVNoDiscovery)).Discovery(t.Context())
	assert.ErrorIs(t, err, piv.ErrNotFound)
}

func TestKeyHistory(t *testing.T) {
	soft := cardtest.PIV().PutObject(tagKeyHistory, join(tlv(0xC1, 5), tlv(0xC2, 2), tlv(0xF3, []byte("http://x/y")...), tlv(0xFE)))
	got, err := open(t, soft).KeyHistory(t.Context())
	require.NoError(t, err)
	assert.Equal(t, &piv.KeyHistory{OnCard: 5, OffCard: 2, URL: "http://x/y"}, got)
}

func TestMalformedContent(t *testing.T) {
	chuid := func(p *piv.Card) error { _, err := p.CHUID(t.Context()); return err }
	ccc := func(p *piv.Card) error { _, err := p.CCC(t.Context()); return err }
	discovery := func(p *piv.Card) error { _, err := p.Discovery(t.Context()); return err }
	history := func(p *piv.Card) error { _, err := p.KeyHistory(t.Context()); return err }
	for _, test := range []struct {
		name    string
		tag     uint32
		content []byte
		read    func(*piv.Card) error
		want    string
	}{
		{"CHUID with a FASC-N of 24 bytes", tagCHUID, tlv(0x30, make([]byte, 24)...), chuid, "object 5FC102: malformed data from the card: byte 0: tag 30 has 24 bytes, not 25"},
		{"CHUID with a GUID of 17 bytes", tagCHUID, join(tlv(0xEE), tlv(0x34, make([]byte, 17)...)), chuid, "byte 2: tag 34 has 17 bytes, not 16"},
		{"CHUID with a date of 6 bytes", tagCHUID, tlv(0x35, []byte("301231")...), chuid, "tag 35"},
		{"CHUID with half a holder's UUID", tagCHUID, tlv(0x36, make([]byte, 8)...), chuid, "tag 36"},
		{"CHUID truncated", tagCHUID, []byte{0x30, 0x19, 0xD4}, chuid, "byte 0: value is longer"},
		{"CCC with a data model of 2 bytes", tagCCC, tlv(0xF5, 1, 0), ccc, "data model of 2 bytes"},
		{"CCC truncated", tagCCC, []byte{0xF0}, ccc, "byte 0: length is missing"},
		{"discovery with a policy of 1 byte", tagDiscovery, tlv(0x5F2F, 0x40), discovery, "object 7E: malformed data from the card: byte 0: PIN usage policy of 1 bytes"},
		{"discovery truncated", tagDiscovery, []byte{0x5F}, discovery, "object 7E"},
		{"key history of 21 keys", tagKeyHistory, tlv(0xC1, 21), history, "tag C1 is not a number up to 20"},
		{"key history without a number", tagKeyHistory, tlv(0xC2), history, "tag C2"},
		{"key history with a long URL", tagKeyHistory, tlv(0xF3, make([]byte, 119)...), history, "URL of 119 bytes"},
		{"key history truncated", tagKeyHistory, []byte{0xC1, 2, 1}, history, "object 5FC10C"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.read(open(t, cardtest.PIV().PutObject(test.tag, test.content)))
			assert.ErrorIs(t, err, card.ErrMalformed)
			assert.ErrorContains(t, err, test.want)
			assert.Regexp(t, "^piv: ", err.Error(), "package name first")
		})
	}
}
