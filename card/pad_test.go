package card_test

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A padReader has a keypad. It inserts the PIN into the command according to PC/SC part
// 10, 2.5.2 and 2.5.3.
type padReader struct {
	driver.Service
	features []byte
	typed    [][]string // for each entry: the PIN, or the old and the new one
	status   uint16     // of the reader itself, instead of an entry
	broken   bool       // announces features and fails
	orders   [][]byte
}

const (
	verifyCode = 0x42330006
	modifyCode = 0x42330007
)

var padFeatures = []byte{
	0x12, 4, 0x42, 0x33, 0, 0x12,
	0x06, 4, 0x42, 0x33, 0, 0x06,
	0x07, 4, 0x42, 0x33, 0, 0x07,
}

func (p *padReader) Connect(ctx context.Context, reader string) (driver.Card, error) {
	c, err := p.Service.Connect(ctx, reader)
	return &padCard{c, p}, err
}

type padCard struct {
	driver.Card
	pad *padReader
}

func (c *padCard) Control(code uint32, in []byte) ([]byte, error) {
	p := c.pad
	if code != driver.FeatureRequest && p.broken {
		return nil, driver.UnsupportedFeature
	}
	if code == driver.FeatureRequest {
		if p.features == nil {
			return nil, driver.UnsupportedFeature
		}
		return p.features, nil
	}
	p.orders = append(p.orders, slices.Clone(in))
	if p.status != 0 {
		return []byte{byte(p.status >> 8), byte(p.status)}, nil
	}
	keys := p.typed[0]
	p.typed = p.typed[1:]
	head, places := 19, []int{0}
	if code == modifyCode {
		head, places = 24, []int{int(in[5]), int(in[6])}
	}
	apdu := slices.Clone(in[head:])
	if int(binary.LittleEndian.Uint32(in[head-4:])) != len(apdu) || in[2] != 0x82 || len(keys) != len(places) {
		return nil, driver.InvalidParameter
	}
	if in[3] == 0 { // the PIN is all the data
		apdu = append(apdu[:4], byte(len(keys[0])))
		apdu = append(apdu, keys[0]...)
	} else {
		for i, at := range places {
			copy(apdu[5+at:5+at+int(in[3])], keys[i])
		}
	}
	return c.Transmit(apdu)
}

// newPadFixture returns a fixture whose reader has a keypad.
func newPadFixture(t *testing.T, soft *cardtest.Card, typed ...[]string) (*fixture, *padReader) {
	d := &fixture{t: t, soft: soft, readers: cardtest.NewReaders(soft)}
	p := &padReader{Service: d.readers.Driver(), features: padFeatures, typed: typed}
	d.service = card.NewService(p, nil)
	t.Cleanup(d.close)
	var err error
	d.card, err = d.service.Card(t.Context(), zero)
	require.NoError(t, err)
	return d, p
}

// userAtPad returns a user who enters the PIN on the reader, so many times.
func userAtPad(times int) *testUser { return &testUser{pins: make([]card.PIN, times)} }

func TestPad(t *testing.T) {
	d, pad := newPadFixture(t, cardtest.PIV(), []string{"111111"}, []string{cardtest.PIN})
	p := userAtPad(2)
	notices := 0
	ctx := card.WithTrace(t.Context(), &card.Trace{
		Pad: func(reader string) {
			assert.Equal(t, zero, reader)
			notices++
		},
		Command: func(_ string, c card.Command, _ []byte, _ time.Duration) {
			assert.True(t, c.INS != 0x20 || len(c.Data) == 0)
		},
	})
	inside := false
	require.NoError(t, d.card.DoWithPIN(ctx, pinVerification(aCard, p.ask), func(*card.Tx) error {
		inside = d.soft.Verified()
		return nil
	}))
	assert.True(t, inside)
	assert.False(t, d.soft.Verified())
	require.Len(t, p.requests, 2)
	assert.True(t, p.requests[0].Pad)
	assert.Equal(t, 2, p.requests[1].Retries)
	assert.ErrorIs(t, p.requests[1].Refused, card.ErrWrongPIN)
	assert.Equal(t, 2, notices)
	assert.Equal(t, []byte{
		30, 30, 0x82, 8, 0, 8, 6, 2, 0xFF, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0,
		0x00, 0x20, 0x00, 0x80, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
	}, pad.orders[0])
}

func TestPadVariableLength(t *testing.T) {
	d, pad := newPadFixture(t, cardtest.PIV(), []string{"123456\xFF\xFF"})
	v := pinVerification(aCard, userAtPad(1).ask)
	v.Format = card.PINFormat{Min: 4, Max: 15}
	require.NoError(t, d.card.DoWithPIN(t.Context(), v, nothing))
	assert.Equal(t, []byte{
		30, 30, 0x82, 0, 0, 15, 4, 2, 0xFF, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0,
		0x00, 0x20, 0x00, 0x80, 0,
	}, pad.orders[0])
}

func TestPadChange(t *testing.T) {
	d, pad := newPadFixture(t, cardtest.PIV(), []string{cardtest.PIN, "654321"})
	p := userAtPad(2)
	require.NoError(t, d.card.ChangePIN(t.Context(), pinChange(p.ask)))
	assert.True(t, p.requests[0].Pad && p.requests[1].Pad && p.requests[1].New)
	assert.Equal(t, []byte{
		30, 30, 0x82, 8, 0, 0, 8, 8, 6, 3, 2, 3, 0, 0, 0, 1, 2, 0, 0, 0, 21, 0, 0, 0,
		0x00, 0x24, 0x00, 0x80, 16,
	}, pad.orders[0][:29])
	assert.True(t, d.accepts("654321"))
}

// Without padding, only the card knows where the old PIN ends.
func TestPadChangeNeedsPadding(t *testing.T) {
	for i := range 2 {
		d, _ := newPadFixture(t, cardtest.PIV())
		p := userAtPad(0)
		c := pinChange(p.ask)
		[]*card.PINFormat{&c.Format, &c.NewFormat}[i].Padded = false
		require.ErrorIs(t, d.card.ChangePIN(t.Context(), c), errGaveUp)
		assert.False(t, p.requests[0].Pad)
	}
}

func TestPadNotUsed(t *testing.T) {
	d, pad := newPadFixture(t, cardtest.PIV())
	assert.True(t, d.accepts(cardtest.PIN))
	require.NoError(t, d.card.ChangePIN(t.Context(), pinChange(userEntering(cardtest.PIN, "654321").ask)))
	assert.Empty(t, pad.orders)

	half := &testUser{pins: []card.PIN{card.NewPIN([]byte("654321")), {}}}
	assert.ErrorIs(t, d.card.ChangePIN(t.Context(), pinChange(half.ask)), errGaveUp)
	require.Len(t, half.requests, 3, "the new PIN was missing, so both are asked for again")
	assert.Empty(t, pad.orders)
}

func TestPadLastTry(t *testing.T) {
	d, pad := newPadFixture(t, cardtest.PIV(cardtest.RetriesLeft(1)), []string{"111111"})
	p := userAtPad(1)
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing), errGaveUp)
	assert.Equal(t, []error{card.ErrLastTry}, p.refusals())
	assert.Empty(t, pad.orders)
	p = userAtPad(1)
	p.pins[0] = p.pins[0].AllowLastTry()
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing), card.ErrPINBlocked)
	assert.Len(t, pad.orders, 1)
}

func TestPadStatus(t *testing.T) {
	for status, want := range map[uint16]error{
		0x6400: card.Status(0x6400), // timeout
		0x6401: card.Status(0x6401), // canceled
		0x6402: card.ErrNewPIN,      // the entries differ
		0x6403: card.ErrPINFormat,   // too short
	} {
		d, pad := newPadFixture(t, cardtest.PIV())
		pad.status = status
		p := userAtPad(2)
		err := d.card.ChangePIN(t.Context(), pinChange(p.ask))
		if status < 0x6402 {
			assert.ErrorIs(t, err, want)
			assert.NotContains(t, err.Error(), "status (")
			continue
		}
		assert.ErrorIs(t, err, errGaveUp)
		require.Len(t, p.requests, 3)
		assert.Len(t, pad.orders, 1)
		if want == card.ErrPINFormat {
			assert.ErrorIs(t, p.requests[2].Refused, want)
		}
		assert.Zero(t, d.soft.Spent())
	}
}

func TestNoPad(t *testing.T) {
	for name, features := range map[string][]byte{
		"does not support the request": nil,
		"has other features":           {0x12, 4, 1, 2, 3, 4},
		"malformed":                    {0x06, 3, 1, 2, 3, 4, 5},
		"truncated":                    {0x06, 4, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			d, pad := newPadFixture(t, cardtest.PIV())
			pad.features = features
			p := userAtPad(1)
			require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing), errGaveUp)
			assert.False(t, p.requests[0].Pad)
			assert.Equal(t, []error{card.ErrPINFormat}, p.refusals())
		})
	}
}

func TestPadFails(t *testing.T) {
	d, pad := newPadFixture(t, cardtest.PIV())
	pad.broken = true
	err := d.card.DoWithPIN(t.Context(), pinVerification(aCard, userAtPad(1).ask), nothing)
	assert.ErrorIs(t, err, driver.UnsupportedFeature)
	assert.Zero(t, d.soft.Spent())
}

// FuzzFeatures checks that the keypad is offered only if the response contains the
// feature.
func FuzzFeatures(f *testing.F) {
	f.Fuzz(func(t *testing.T, features []byte) {
		d, pad := newPadFixture(t, cardtest.PIV())
		pad.features = append([]byte{}, features...)
		p := userAtPad(0)
		require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing), errGaveUp)
		offered := false
		for rest := features; len(rest) >= 6 && rest[1] == 4; rest = rest[6:] {
			if rest[0] == 0x06 {
				offered = binary.BigEndian.Uint32(rest[2:]) != 0
			}
		}
		assert.Equal(t, offered, p.requests[0].Pad)
	})
}
