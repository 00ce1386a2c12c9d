package piv_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/ber"
	softpiv "github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/piv"
)

func content(t *testing.T, m encoding.BinaryMarshaler) []byte {
	t.Helper()
	b, err := m.MarshalBinary()
	require.NoError(t, err)
	return b
}

func TestPutObject(t *testing.T) {
	chuid := &piv.CHUID{GUID: [16]byte{1, 2, 3}, Expires: "20301231"}
	ccc := &piv.CCC{CardIdentifier: make([]byte, 21), DataModel: 0x10}
	history := &piv.KeyHistory{OnCard: 2, OffCard: 1, URL: "http://x/y"}
	discovery := &piv.Discovery{Policy: 0x4010}
	soft := cardtest.PIV()
	p := open(t, soft)
	a := adminOf(t, p, piv.TripleDES)
	put := func(tag piv.Object, content []byte) { require.NoError(t, a.PutObject(t.Context(), tag, content), tag) }

	_, err := p.PINStatus(t.Context())
	require.NoError(t, err)
	put(piv.ObjectCHUID, content(t, chuid))
	put(piv.ObjectCCC, content(t, ccc))
	put(piv.ObjectKeyHistory, content(t, history))
	put(piv.ObjectDiscovery, content(t, discovery))
	put(0x7F61, tlv(0x02, 0))
	put(0x5FC109, tlv(0x01, 'A'))

	gotCHUID, err := p.CHUID(t.Context())
	require.NoError(t, err)
	assert.Equal(t, chuid.GUID, gotCHUID.GUID)
	assert.Equal(t, chuid.Expires, gotCHUID.Expires)
	assert.Len(t, gotCHUID.FASCN, 25)
	gotCCC, err := p.CCC(t.Context())
	require.NoError(t, err)
	assert.Equal(t, ccc, gotCCC)
	gotHistory, err := p.KeyHistory(t.Context())
	require.NoError(t, err)
	assert.Equal(t, history, gotHistory)
	gotDiscovery, err := p.Discovery(t.Context())
	require.NoError(t, err)
	assert.Equal(t, &piv.Discovery{AID: fullAID, Policy: 0x4010}, gotDiscovery)
	group, err := p.Object(t.Context(), 0x7F61)
	require.NoError(t, err)
	assert.Equal(t, tlv(0x02, 0), group)
	assert.Equal(t, tlv(0x01, 'A'), soft.Object(tagPrinted))

	for _, tag := range []piv.Object{piv.ObjectCHUID, piv.ObjectKeyHistory, piv.ObjectDiscovery, 0x7F61} {
		put(tag, nil)
		_, err := p.Object(t.Context(), tag)
		assert.ErrorIs(t, err, piv.ErrNotFound, "%v is deleted", tag)
	}
	_, err = p.PINStatus(t.Context())
	assert.NoError(t, err, "the discovery object that was read before is not expected")
}

// A new discovery object takes effect at once.
func TestPutDiscovery(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := cardtest.PIV(cardtest.PIVGlobalPIN("654321")).Put("9A", private, nil)
	p := open(t, soft)
	require.NoError(t, signTwice(t, p, piv.Authentication, private, card.FixedPIN(cardtest.PIN)))
	require.NoError(t, adminOf(t, p, piv.TripleDES).PutObject(t.Context(), piv.ObjectDiscovery, content(t, &piv.Discovery{Policy: 0x6020})))
	require.NoError(t, signTwice(t, p, piv.Authentication, private, card.FixedPIN("654321")))
	assert.Zero(t, soft.Spent())
}

// Prompts after a new CHUID have the new label.
func TestPutCHUIDChangesLabel(t *testing.T) {
	soft := cardtest.PIV()
	p := open(t, soft)
	gaveUp := errors.New("gave up")
	label := ""
	ask := func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		label = r.Card.String()
		return card.PIN{}, gaveUp
	}
	require.ErrorIs(t, p.Holder().ChangePIN(t.Context(), ask), gaveUp)
	before := label
	chuid := content(t, &piv.CHUID{GUID: [16]byte{0xAB}, Expires: "20301231"})
	require.NoError(t, adminOf(t, p, piv.TripleDES).PutObject(t.Context(), piv.ObjectCHUID, chuid))
	require.ErrorIs(t, p.Holder().ChangePIN(t.Context(), ask), gaveUp)
	assert.NotEqual(t, before, label)
	assert.Contains(t, label, "ab000000-")
}

func TestPutMalformedContent(t *testing.T) {
	for _, test := range []struct {
		name string
		put  func(*piv.Admin) error
		want string
	}{
		{"not a PIV tag", func(a *piv.Admin) error { return a.PutObject(t.Context(), 0x5EC105, nil) }, "not the tag of a PIV object"},
		{"no tag", func(a *piv.Admin) error { return a.PutObject(t.Context(), 0, tlv(1)) }, "not the tag of a PIV object"},
		{"too long", func(a *piv.Admin) error { return a.PutObject(t.Context(), 0x5FC103, make([]byte, 65001)) }, "65001 bytes are too long"},
		{"CHUID", func(a *piv.Admin) error { return a.PutObject(t.Context(), piv.ObjectCHUID, tlv(0x34, 1)) }, "store object 5FC102: malformed content: byte 0: tag 34 has 1 bytes"},
		{"CCC", func(a *piv.Admin) error { return a.PutObject(t.Context(), piv.ObjectCCC, tlv(0xF5)) }, "data model of 0 bytes"},
		{"key history", func(a *piv.Admin) error { return a.PutObject(t.Context(), piv.ObjectKeyHistory, tlv(0xC1, 21)) }, "up to 20"},
		{"discovery", func(a *piv.Admin) error { return a.PutObject(t.Context(), piv.ObjectDiscovery, tlv(0x5F2F, 1)) }, "policy of 1 bytes"},
		{"container map", func(a *piv.Admin) error { return a.PutObject(t.Context(), piv.ObjectContainerMap, tlv(0x81, 1)) }, "entries of 107"},
		{"certificate object", func(a *piv.Admin) error { return a.PutObject(t.Context(), 0x5FC10D, tlv(0x70, 1)) }, "certificate in tag 70"},
		{"no certificate", func(a *piv.Admin) error { return a.PutCertificate(t.Context(), piv.Authentication, nil) }, "no certificate"},
		{"not a certificate", func(a *piv.Admin) error { return a.PutCertificate(t.Context(), piv.Authentication, []byte("hello")) }, "certificate in tag 70"},
		{"an invalid slot", func(a *piv.Admin) error { return a.PutCertificate(t.Context(), 0x9B, anyCertificate()) }, "no such slot"},
		{"a certificate of 64 KiB", func(a *piv.Admin) error {
			return a.PutCertificate(t.Context(), 0x9A, tlv(0x30, make([]byte, 1<<16)...))
		}, "too long for a certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := cardtest.PIV()
			err := test.put(adminOf(t, open(t, soft), piv.TripleDES))
			assert.ErrorContains(t, err, test.want)
			assert.NotErrorIs(t, err, card.ErrMalformed, "it does not come from the card")
			assert.Zero(t, soft.Exchanges().Commands)
		})
	}
}

func TestPutCertificate(t *testing.T) {
	random := make([]byte, 4000)
	rand.Read(random)
	for _, test := range []struct {
		name string
		max  int // bytes that an object of the card holds
		der  []byte
		info byte
		err  error
	}{
		{"plain", 0, anyCertificate(), 0, nil},
		{"plain, fits exactly", len(anyCertificate()) + 4 + 3 + 2, anyCertificate(), 0, nil},
		{"compressed", len(anyCertificate()) + 4 + 3 + 1, anyCertificate(), 1, nil},
		{"too long compressed", 100, anyCertificate(), 0, card.StatusNotEnoughMemory},
		{"does not compress", 3052, tlv(0x30, random...), 0, card.StatusNotEnoughMemory},
	} {
		for _, s := range []piv.Slot{piv.Authentication, piv.Retired(20)} {
			t.Run(test.name+", "+s.String(), func(t *testing.T) {
				app, p := newCard(softpiv.Config{MaxObject: test.max})
				err := adminOf(t, p, piv.TripleDES).PutCertificate(t.Context(), s, test.der)
				stored := app.Object(object(s))
				if test.err != nil {
					assert.ErrorIs(t, err, test.err)
					assert.Empty(t, stored)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, byte(0), stored[len(stored)-1])
				assert.Equal(t, test.info, stored[len(stored)-3])
				got, err := p.Certificate(t.Context(), s)
				require.NoError(t, err)
				assert.Equal(t, test.der, got.Raw)
			})
		}
	}
}

func TestPutWithShortCommands(t *testing.T) {
	for _, q := range []cardtest.Option{cardtest.ShortLengths, cardtest.T0, cardtest.MaxCommand(261), cardtest.PIVLongLengths} {
		soft := cardtest.PIV(q)
		p := open(t, soft)
		require.NoError(t, adminOf(t, p, piv.TripleDES).PutCertificate(t.Context(), piv.Signature, anyCertificate()))
		got, err := p.Certificate(t.Context(), piv.Signature)
		require.NoError(t, err)
		assert.Equal(t, anyCertificate(), got.Raw)
	}
}

func TestMarshalInvalid(t *testing.T) {
	for name, test := range map[string]struct {
		object encoding.BinaryMarshaler
		want   string
	}{
		"CHUID with a short FASC-N":         {&piv.CHUID{FASCN: []byte{1}, Expires: "20301231"}, "FASC-N of 1 bytes"},
		"CHUID without expiry":              {&piv.CHUID{}, `expiry ""`},
		"CHUID with a malformed expiry":     {&piv.CHUID{Expires: "tomorrow"}, `expiry "tomorrow" is not YYYYMMDD`},
		"CHUID with an empty holder":        {&piv.CHUID{Expires: "20301231", CardholderUUID: []byte{}}, "cardholder UUID of 0 bytes"},
		"CCC with a short identifier":       {&piv.CCC{CardIdentifier: []byte{1}}, "card identifier of 1 bytes"},
		"key history of 21 keys":            {&piv.KeyHistory{OnCard: 20, OffCard: 1, URL: "x"}, "20 and 1 keys"},
		"key history of minus one":          {&piv.KeyHistory{OnCard: -1}, "-1 and 0 keys"},
		"key history without a URL":         {&piv.KeyHistory{OffCard: 1}, "a URL is needed if"},
		"key history with a URL for none":   {&piv.KeyHistory{OnCard: 1, URL: "x"}, "a URL is needed if"},
		"key history with a long URL":       {&piv.KeyHistory{OffCard: 1, URL: string(make([]byte, 119))}, "URL of 119 bytes"},
		"discovery without policy":          {&piv.Discovery{}, "PIN usage policy 0000"},
		"discovery without preferred PIN":   {&piv.Discovery{Policy: 0x6000}, "6000"},
		"discovery, global PIN not allowed": {&piv.Discovery{Policy: 0x4020}, "4020"},
	} {
		b, err := test.object.MarshalBinary()
		assert.Nil(t, b, name)
		assert.ErrorContains(t, err, test.want, name)
	}
}

func TestMarshalRoundTrip(t *testing.T) {
	chuid := &piv.CHUID{FASCN: bytes.Repeat([]byte{7}, 25), GUID: [16]byte{9}, Expires: "20301231", CardholderUUID: make([]byte, 16), Signature: []byte{0x30, 0}}
	got, err := piv.DecodeCHUID(content(t, chuid))
	require.NoError(t, err)
	assert.Equal(t, chuid, got)
	r := ber.BER(content(t, &piv.KeyHistory{OnCard: 1}))
	for _, tag := range []ber.Tag{0xC1, 0xC2, 0xFE} {
		_, ok := r.Take(tag)
		assert.True(t, ok)
	}
	assert.NoError(t, r.Close())
}
