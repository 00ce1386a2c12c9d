package card_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	pinFormat = card.PINFormat{Min: 6, Max: 8, Digits: true, Padded: true}
	nothing   = func(*card.Tx) error { return nil }

	aCard = card.NewIdentity("test", []byte("a"), "a card")
	bCard = card.NewIdentity("test", []byte("b"), "b card")
)

// pinVerification returns the Verification of the PIN of a PIV card.
func pinVerification(identity card.Identity, ask card.PINFunc) card.Verification {
	selectPIV := func(tx *card.Tx) error {
		_, err := tx.Select(pivAID)
		return err
	}
	return card.Verification{
		Application: "PIV",
		Purpose:     "sign",
		Reference:   0x80,
		Format:      pinFormat,
		Select:      selectPIV,
		Identity:    func(*card.Tx) (card.Identity, error) { return identity, nil },
		Status: func(tx *card.Tx) (card.PINStatus, error) {
			_, err := tx.Command(readRetries)
			var status card.Status
			switch n, failed := 0, false; {
			case err == nil:
				return card.PINStatus{Verified: true, Retries: -1}, nil
			case !errors.As(err, &status):
				return card.PINStatus{}, err
			case status == card.StatusMethodBlocked:
				return card.PINStatus{Blocked: true}, nil
			default:
				if n, failed = status.Retries(); failed {
					return card.PINStatus{Retries: n}, nil
				}
			}
			return card.PINStatus{Retries: -1}, nil
		},
		Verify: func(pin []byte) card.Command { return card.Command{INS: 0x20, P2: 0x80, Data: pin} },
		Logout: func(tx *card.Tx) error {
			if err := selectPIV(tx); err != nil {
				return err
			}
			_, err := tx.Command(card.Command{INS: 0x20, P1: 0xFF, P2: 0x80})
			return err
		},
		PIN: ask,
	}
}

// A testUser enters PINs in turn, and then gives up.
type testUser struct {
	pins     []card.PIN
	requests []card.PINRequest
	before   func() // is called before each PIN
}

func userEntering(pins ...string) *testUser {
	p := new(testUser)
	for _, pin := range pins {
		p.pins = append(p.pins, card.NewPIN([]byte(pin)))
	}
	return p
}

var errGaveUp = errors.New("test user gave up")

func (p *testUser) ask(_ context.Context, r card.PINRequest) (card.PIN, error) {
	p.requests = append(p.requests, r)
	if p.before != nil {
		p.before()
	}
	if len(p.requests) > len(p.pins) {
		return card.PIN{}, errGaveUp
	}
	return p.pins[len(p.requests)-1], nil
}

// refusals returns why the PINs were not accepted.
func (p *testUser) refusals() (list []error) {
	for _, r := range p.requests[1:] {
		list = append(list, errors.Unwrap(r.Refused))
	}
	return list
}

func TestVerifyAndLogout(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.readers.PowerDown(1 << 40)
	p := userEntering(cardtest.PIN)
	inside := false
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), func(*card.Tx) error {
		inside = d.soft.Verified()
		return nil
	}))
	assert.True(t, inside)
	assert.False(t, d.soft.Verified())
	require.Len(t, p.requests, 1)
	r := p.requests[0]
	assert.Equal(t, []any{zero, aCard, "sign", card.Reference(0x80), pinFormat}, []any{r.Reader, r.Card, r.Purpose, r.Reference, r.Format})
	assert.Equal(t, []any{3, false, false, false, nil}, []any{r.Retries, r.Last, r.New, r.Pad, r.Refused})
}

func TestVerifyOverT0(t *testing.T) {
	d := newFixture(t, cardtest.PIV(cardtest.T0), nil)
	k := d.otherProgram()
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering("111111", cardtest.PIN).ask), nothing))
	assert.Equal(t, 1, d.soft.Spent())
	assert.False(t, d.soft.Verified())
	require.NoError(t, k.Close(false))
}

func TestVerifiedWhileHeld(t *testing.T) {
	for _, always := range []bool{false, true} {
		d := newFixture(t, cardtest.PIV(), nil)
		release, err := d.card.Hold(t.Context())
		require.NoError(t, err)
		p := userEntering(cardtest.PIN, cardtest.PIN)
		v := pinVerification(aCard, p.ask)
		v.Always = always
		for range 2 {
			require.NoError(t, d.card.DoWithPIN(t.Context(), v, nothing))
			assert.True(t, d.soft.Verified())
		}
		release()
		assert.False(t, d.soft.Verified())
		assert.Len(t, p.requests, map[bool]int{false: 1, true: 2}[always])
		assert.Zero(t, d.soft.Spent())
	}
}

func TestReleaseLogsOut(t *testing.T) {
	for name, option := range map[string][]cardtest.Option{"by a command": nil, "by a reset": {cardtest.NoLogout}} {
		t.Run(name, func(t *testing.T) {
			d := newFixture(t, cardtest.PIV(option...), nil)
			d.otherProgram()
			release, err := d.card.Hold(t.Context())
			require.NoError(t, err)
			require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing))
			assert.True(t, d.soft.Verified())
			before := d.soft.Exchanges().Resets
			release()
			assert.False(t, d.soft.Verified())
			assert.Equal(t, option == nil, before == d.soft.Exchanges().Resets)
		})
	}
}

func TestVerificationWithoutLogout(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.otherProgram()
	v := pinVerification(aCard, userEntering(cardtest.PIN).ask)
	v.Logout = nil
	before := d.soft.Exchanges().Resets
	require.NoError(t, d.card.DoWithPIN(t.Context(), v, nothing))
	assert.False(t, d.soft.Verified())
	assert.Equal(t, before+1, d.soft.Exchanges().Resets)
}

func TestWrongPIN(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	p := userEntering("111111", "111111", "12345", "12345x", "123456789", "", cardtest.PIN)
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing))
	assert.Equal(t, 1, d.soft.Spent())
	assert.Equal(t, []error{card.ErrWrongPIN, card.ErrRefusedBefore, card.ErrPINFormat, card.ErrPINFormat, card.ErrPINFormat, card.ErrPINFormat}, p.refusals())
	for i, r := range p.requests[1:] {
		var e *card.PINError
		require.ErrorAs(t, r.Refused, &e)
		assert.Equal(t, 2, e.Retries)
		assert.Equal(t, 2, r.Retries)
		assert.Equal(t, i == 0, e.Sent)
		assert.Equal(t, card.Reference(0x80), e.Reference)
	}
	assert.EqualError(t, p.requests[1].Refused, "PIN is wrong (retries left: 2)")
}

func TestRefusalGoesWithIdentity(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering("111111").ask), nothing), errGaveUp)
	d.readers.Plug("another", nil)
	d.readers.Remove(zero)
	d.readers.Insert("another", d.soft)
	moved, err := d.service.Card(t.Context(), "another")
	require.NoError(t, err)
	p := userEntering("111111")
	require.ErrorIs(t, moved.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing), errGaveUp)
	assert.Equal(t, []error{card.ErrRefusedBefore}, p.refusals())
	assert.Equal(t, 1, d.soft.Spent())

	d.readers.Remove("another")
	d.readers.Insert("another", cardtest.PIV())
	moved, err = d.service.Card(t.Context(), "another")
	require.NoError(t, err)
	other := userEntering("111111")
	require.ErrorIs(t, moved.DoWithPIN(t.Context(), pinVerification(bCard, other.ask), nothing), errGaveUp)
	assert.Equal(t, []error{card.ErrWrongPIN}, other.refusals(), "it may be the PIN of another card")
}

func TestLastTry(t *testing.T) {
	for name, option := range map[string]cardtest.Option{
		"one retry left":          cardtest.RetriesLeft(1),
		"retry counter not known": cardtest.EmptyVerifyRefused,
	} {
		t.Run(name, func(t *testing.T) {
			d := newFixture(t, cardtest.PIV(option), nil)
			tries := d.soft.RetriesLeft()
			p := userEntering(cardtest.PIN, cardtest.PIN)
			v := pinVerification(aCard, p.ask)
			require.ErrorIs(t, d.card.DoWithPIN(t.Context(), v, nothing), errGaveUp)
			assert.True(t, p.requests[0].Last)
			assert.Equal(t, []error{card.ErrLastTry, card.ErrLastTry}, p.refusals())
			assert.Zero(t, d.soft.Spent())
			assert.Equal(t, tries, d.soft.RetriesLeft())

			p = userEntering(cardtest.PIN)
			p.pins[0] = p.pins[0].AllowLastTry()
			require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing))
		})
	}
}

func TestAllowLastTryIsForOnePIN(t *testing.T) {
	d := newFixture(t, cardtest.PIV(cardtest.EmptyVerifyRefused), nil)
	p := userEntering("111111", "222222", cardtest.PIN)
	p.pins[0], p.pins[2] = p.pins[0].AllowLastTry(), p.pins[2].AllowLastTry()
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing))
	assert.Equal(t, []error{card.ErrWrongPIN, card.ErrLastTry}, p.refusals())
	assert.Equal(t, 1, d.soft.Spent())
}

func TestBlockedPIN(t *testing.T) {
	d := newFixture(t, cardtest.PIV(cardtest.RetriesLeft(0)), nil)
	p := userEntering(cardtest.PIN)
	err := d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing)
	assert.ErrorIs(t, err, card.ErrPINBlocked)
	assert.EqualError(t, err, `card: "`+zero+`": verify PIN: PIN is blocked: no retries left`)
	assert.Empty(t, p.requests)
	var e *card.PINError
	require.ErrorAs(t, err, &e)
	assert.Zero(t, e.Retries)
	assert.False(t, e.Sent)
}

func TestTryBlocksPIN(t *testing.T) {
	for name, option := range map[string][]cardtest.Option{"63C0": nil, "6983": {cardtest.PIVBlocksAtOnce}, "6300": {cardtest.PlainRetries}} {
		t.Run(name, func(t *testing.T) {
			d := newFixture(t, cardtest.PIV(append(option, cardtest.RetriesLeft(1))...), nil)
			p := userEntering("111111", cardtest.PIN)
			p.pins[0] = p.pins[0].AllowLastTry()
			err := d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing)
			assert.ErrorIs(t, err, card.ErrPINBlocked)
			var e *card.PINError
			require.ErrorAs(t, err, &e)
			assert.Equal(t, name != "6300", e.Sent, "6300 has no counter: the next status shows that the PIN is blocked")
			assert.Len(t, p.requests, 1)
		})
	}
}

func TestCardExchangedDuringPrompt(t *testing.T) {
	for _, same := range []bool{false, true} {
		d := newFixture(t, cardtest.PIV(), nil)
		next := d.soft
		if !same {
			next = cardtest.PIV()
		}
		p := userEntering("111111")
		p.before = func() {
			d.readers.Remove(zero)
			d.readers.Insert(zero, next)
		}
		before := next.Exchanges()
		err := d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing)
		assert.ErrorIs(t, err, card.ErrChanged)
		assert.Zero(t, next.Spent())
		if !same {
			assert.Equal(t, before.Commands, next.Exchanges().Commands)
		}
	}
}

func TestOtherApplicationSelectedDuringPrompt(t *testing.T) {
	aid := []byte{0xF0, 1, 2, 3, 4, 5}
	for _, hold := range []bool{false, true} {
		other := cardtest.NewNeighbor(aid, "654321")
		d := newFixture(t, cardtest.PIV(other), nil)
		if hold {
			release, err := d.card.Hold(t.Context())
			require.NoError(t, err)
			defer release()
		}
		k := d.otherProgram()
		p := userEntering("111111", cardtest.PIN)
		p.before = func() {
			response, err := k.Transmit(append([]byte{0, 0xA4, 4, 0, byte(len(aid))}, aid...))
			require.NoError(t, err)
			require.Equal(t, []byte{0x90, 0}, response[len(response)-2:])
		}
		require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing))
		assert.Equal(t, 1, d.soft.Spent())
		assert.Zero(t, other.Spent())
		assert.Equal(t, 3, other.RetriesLeft())
	}
}

func TestSelectFails(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	var trace bytes.Buffer
	d.readers.Trace(&trace)
	selected := 0
	v := pinVerification(aCard, userEntering(cardtest.PIN).ask)
	v.Select = func(*card.Tx) error {
		if selected++; selected == 2 {
			return card.StatusNotFound
		}
		return nil
	}
	assert.ErrorIs(t, d.card.DoWithPIN(t.Context(), v, nothing), card.StatusNotFound)
	assert.NotContains(t, trace.String(), "PIN")
}

func TestWithoutPINFunc(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	err := d.card.DoWithPIN(t.Context(), pinVerification(aCard, nil), nothing)
	assert.ErrorIs(t, err, card.ErrPINRequired)
	assert.ErrorContains(t, err, "(retries left: 3)")
}

func TestErrorsBeforePrompt(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	mine := errors.New("mine")
	p := userEntering(cardtest.PIN)
	v := pinVerification(aCard, p.ask)
	v.Identity = func(*card.Tx) (card.Identity, error) { return card.Identity{}, mine }
	assert.ErrorIs(t, d.card.DoWithPIN(t.Context(), v, nothing), mine)
	v = pinVerification(aCard, p.ask)
	v.Status = func(*card.Tx) (card.PINStatus, error) { return card.PINStatus{}, mine }
	assert.ErrorIs(t, d.card.DoWithPIN(t.Context(), v, nothing), mine)
	assert.Empty(t, p.requests)
}

func TestMaxPrompts(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	asked := 0
	err := d.card.DoWithPIN(t.Context(), pinVerification(aCard, func(context.Context, card.PINRequest) (card.PIN, error) {
		asked++
		return card.NewPIN([]byte("111111")), nil
	}), nothing)
	assert.ErrorIs(t, err, card.ErrRefusedBefore)
	assert.Equal(t, 16, asked)
	assert.Equal(t, 1, d.soft.Spent())
}

// Whether a refusal ends an earlier verification depends on the card, so the PIN is
// logged out in any case.
func TestLogoutAfterRefusal(t *testing.T) {
	s := &scriptedCard{responses: []string{done, "\x63\xC2"}}
	c := card.New("a card", s)
	release, err := c.Hold(t.Context())
	require.NoError(t, err)
	logouts := 0
	v := bareVerification(userEntering("111111", "222222").ask)
	v.Always = true
	v.Logout = func(*card.Tx) error {
		logouts++
		return nil
	}
	require.NoError(t, c.DoWithPIN(t.Context(), v, nothing))
	require.ErrorIs(t, c.DoWithPIN(t.Context(), v, nothing), errGaveUp)
	assert.Zero(t, logouts)
	release()
	assert.Equal(t, 1, logouts)
}

func TestLogoutFails(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.otherProgram()
	v := pinVerification(aCard, userEntering(cardtest.PIN).ask)
	var kept *card.Tx
	v.Logout = func(tx *card.Tx) error {
		kept = tx
		d.readers.Fault(zero, 1, cardtest.Fault{What: cardtest.NoResponse})
		_, _ = tx.Command(card.Command{INS: 0x20, P1: 0xFF, P2: 0x80})
		return nil
	}
	require.NoError(t, d.card.DoWithPIN(t.Context(), v, nothing))
	assert.False(t, d.soft.Verified())
	_, err := kept.Command(readRetries)
	assert.ErrorIs(t, err, card.ErrOver, "the Tx of Logout is over, too")
}

// An untruthfulCard reports its PIN always as verified, or always the same counter.
type untruthfulCard struct {
	retries  int
	reported []byte // the status word
}

func (c *untruthfulCard) Transmit(command []byte) ([]byte, error) {
	switch {
	case command[1] != 0x20 || command[2] == 0xFF:
		return []byte{0x90, 0}, nil
	case len(command) == 4:
		return c.reported, nil
	case string(command[5:11]) == cardtest.PIN:
		c.retries = 3
		return []byte{0x90, 0}, nil
	}
	c.retries--
	return []byte{0x63, 0xC0 | byte(c.retries)}, nil
}

func TestStatusAfterRefusal(t *testing.T) {
	for name, test := range map[string]struct {
		reported []byte
		retries  []int // in the requests
		spent    int
	}{
		"always verified": {[]byte{0x90, 0}, []int{-1, -1, -1}, 1},
		"always 3 left":   {[]byte{0x63, 0xC3}, []int{3, 2, 1, 1}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			soft := &untruthfulCard{3, test.reported}
			c := card.New("a card", soft)
			var retries []int
			var last []bool
			ask := func(_ context.Context, r card.PINRequest) (card.PIN, error) {
				retries, last = append(retries, r.Retries), append(last, r.Last)
				if errors.Is(r.Refused, card.ErrLastTry) {
					return card.PIN{}, errGaveUp
				}
				return card.NewPIN(fmt.Appendf(nil, "11111%d", len(retries))), nil
			}
			v := pinVerification(aCard, ask)
			v.Always = true
			err := c.DoWithPIN(t.Context(), v, nothing)
			assert.ErrorIs(t, err, errGaveUp)
			assert.ErrorIs(t, err, card.ErrLastTry)
			assert.Equal(t, test.retries, retries)
			assert.False(t, last[0])
			assert.True(t, last[len(last)-1])
			assert.Equal(t, 3-test.spent, soft.retries, "the last try is not spent")

			u := userEntering(cardtest.PIN)
			v.PIN = u.ask
			assert.ErrorIs(t, c.DoWithPIN(t.Context(), v, nothing), card.ErrLastTry, "remembered")
			u = userEntering(cardtest.PIN, cardtest.PIN)
			u.pins[0] = u.pins[0].AllowLastTry()
			v.PIN = u.ask
			require.NoError(t, c.DoWithPIN(t.Context(), v, nothing))
			require.NoError(t, c.DoWithPIN(t.Context(), v, nothing), "until a PIN is accepted")
			assert.False(t, u.requests[1].Last)
		})
	}
}

func TestPINFuncPanics(t *testing.T) {
	for name, use := range pinUses {
		t.Run(name, func(t *testing.T) {
			d := newFixture(t, cardtest.PIV(), nil)
			d.otherProgram() // keeps the card powered
			release, err := d.card.Hold(t.Context())
			require.NoError(t, err)
			require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing))
			calls := 0
			v := pinVerification(aCard, func(context.Context, card.PINRequest) (card.PIN, error) {
				if calls++; name == "change" && calls == 1 {
					return card.NewPIN([]byte(cardtest.PIN)), nil
				}
				panic("oh")
			})
			v.Always = true
			assert.PanicsWithValue(t, "oh", func() { _ = use(t.Context(), d.card, v) })
			assert.True(t, d.soft.Verified(), "still held")
			release()
			assert.False(t, d.soft.Verified())
			list, err := d.service.Readers(t.Context())
			require.NoError(t, err)
			assert.Len(t, list, 1)
			require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing))
		})
	}
}

func TestPanicWithVerifiedPIN(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.otherProgram()
	pin := card.FixedPIN(cardtest.PIN)
	assert.Panics(t, func() {
		_ = d.card.DoWithPIN(t.Context(), pinVerification(aCard, pin), func(*card.Tx) error { panic("oh") })
	})
	assert.False(t, d.soft.Verified())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	assert.NoError(t, d.card.DoWithPIN(ctx, pinVerification(aCard, pin), nothing), "FixedPIN does not wait for the first PIN")
}

// An error of f is not a refusal of the PIN: f does not run again.
func TestPINErrorOfFunction(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	u := userEntering(cardtest.PIN, cardtest.PIN)
	runs := 0
	err := d.card.DoWithPIN(t.Context(), pinVerification(aCard, u.ask), func(*card.Tx) error {
		runs++
		return &card.PINError{Err: card.ErrWrongPIN}
	})
	assert.ErrorIs(t, err, card.ErrWrongPIN)
	assert.Equal(t, 1, runs)
	assert.Len(t, u.requests, 1)
}

// A VERIFY that is repeated with another Le could cost two tries.
func TestVerifyIsNotRepeated(t *testing.T) {
	soft := &scriptedCard{responses: []string{"\x6C\x08", done}}
	v := bareVerification(userEntering(cardtest.PIN).ask)
	verify := v.Verify
	v.Verify = func(pin []byte) card.Command {
		c := verify(pin)
		c.Ne = 256
		return c
	}
	assert.Error(t, card.New("a card", soft).DoWithPIN(t.Context(), v, nothing))
	assert.Len(t, soft.got, 1)
}
