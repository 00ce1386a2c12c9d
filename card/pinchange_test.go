package card_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pinChange returns the PINChange of a PIV card.
func pinChange(ask card.PINFunc) card.PINChange {
	return card.PINChange{
		Verification: pinVerification(aCard, ask),
		New:          0x80,
		NewFormat:    pinFormat,
		Replace: func(old, pin []byte) card.Command {
			return card.Command{INS: 0x24, P2: 0x80, Data: slices.Concat(old, pin)}
		},
	}
}

// pinUnblock returns the PINChange that sets the PIN with the PUK.
func pinUnblock(ask card.PINFunc) card.PINChange {
	c := pinChange(ask)
	c.Reference, c.Format = 0x81, card.PINFormat{Min: 8, Max: 8}
	c.Status = func(*card.Tx) (card.PINStatus, error) { return card.PINStatus{Retries: -1}, nil }
	c.Replace = func(puk, pin []byte) card.Command {
		return card.Command{INS: 0x2C, P2: 0x80, Data: slices.Concat(puk, pin)}
	}
	return c
}

// accepts reports whether the card accepts a PIN.
func (d *fixture) accepts(pin string) bool {
	d.t.Helper()
	return d.card.DoWithPIN(d.t.Context(), pinVerification(aCard, card.FixedPIN(pin)), nothing) == nil
}

func TestChangePIN(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	p := userEntering(cardtest.PIN, "654321")
	require.NoError(t, d.card.ChangePIN(t.Context(), pinChange(p.ask)))
	require.Len(t, p.requests, 2)
	old, now := p.requests[0], p.requests[1]
	assert.Equal(t, []any{false, 3, card.Reference(0x80)}, []any{old.New, old.Retries, old.Reference})
	assert.Equal(t, []any{true, -1, false, pinFormat, card.Reference(0x80)}, []any{now.New, now.Retries, now.Last, now.Format, now.Reference})
	assert.True(t, zeroed(p.pins[0]) && zeroed(p.pins[1]))
	assert.True(t, d.accepts("654321"))
	assert.False(t, d.accepts(cardtest.PIN))
	assert.Equal(t, 1, d.soft.Spent())
}

func TestChangePINRefusals(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	p := userEntering("111111", "654321", "111111", "654321", "12345", "654321")
	require.ErrorIs(t, d.card.ChangePIN(t.Context(), pinChange(p.ask)), errGaveUp)
	assert.Equal(t, 1, d.soft.Spent())
	var why []error
	for i, r := range p.requests {
		if i%2 == 0 {
			why = append(why, r.Refused)
		} else {
			assert.NoError(t, r.Refused, "the new PIN was not refused")
		}
	}
	assert.NoError(t, why[0])
	for i, want := range []error{card.ErrWrongPIN, card.ErrRefusedBefore, card.ErrPINFormat} {
		assert.ErrorIs(t, why[i+1], want)
	}

	last := newFixture(t, cardtest.PIV(cardtest.RetriesLeft(1)), nil)
	p = userEntering(cardtest.PIN, "654321")
	require.ErrorIs(t, last.card.ChangePIN(t.Context(), pinChange(p.ask)), errGaveUp)
	assert.ErrorIs(t, p.requests[2].Refused, card.ErrLastTry)
	assert.Zero(t, last.soft.Spent())

	blocked := newFixture(t, cardtest.PIV(cardtest.RetriesLeft(0)), nil)
	p = userEntering(cardtest.PIN, "654321")
	assert.ErrorIs(t, blocked.card.ChangePIN(t.Context(), pinChange(p.ask)), card.ErrPINBlocked)
	assert.Empty(t, p.requests)
}

func TestNewPINNotAccepted(t *testing.T) {
	for name, format := range map[string]card.PINFormat{
		"known before it is sent": pinFormat,
		"refused by the card":     {Max: 8, Padded: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFixture(t, cardtest.PIV(), nil)
			p := userEntering(cardtest.PIN, "12345", cardtest.PIN, "654321")
			c := pinChange(p.ask)
			c.NewFormat = format
			require.NoError(t, d.card.ChangePIN(t.Context(), c))
			require.Len(t, p.requests, 4)
			assert.NoError(t, p.requests[2].Refused, "the old PIN was not refused")
			assert.ErrorIs(t, p.requests[3].Refused, card.ErrNewPIN)
			assert.True(t, d.accepts("654321"))
			assert.Zero(t, d.soft.Spent())
		})
	}
}

func TestNewPINRefusedBefore(t *testing.T) {
	for _, lost := range []bool{false, true} {
		d := newFixture(t, cardtest.PIV(), nil)
		require.False(t, d.accepts("654321"))
		if lost {
			d.readers.Fault(zero, verifyAt, cardtest.Fault{When: cardtest.After, What: cardtest.NoResponse})
		}
		err := d.card.ChangePIN(t.Context(), pinChange(userEntering(cardtest.PIN, "654321").ask))
		if lost {
			require.ErrorIs(t, err, card.ErrNoResponse)
		} else {
			require.NoError(t, err)
		}
		assert.True(t, d.accepts("654321"))
	}
}

func TestChangePINWithoutNewPIN(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	assert.ErrorIs(t, d.card.ChangePIN(t.Context(), pinChange(card.FixedPIN(cardtest.PIN))), card.ErrPINRequired)
	assert.ErrorIs(t, d.card.ChangePIN(t.Context(), pinChange(nil)), card.ErrPINRequired)
	assert.True(t, d.accepts(cardtest.PIN))
}

func TestUnblock(t *testing.T) {
	d := newFixture(t, cardtest.PIV(cardtest.RetriesLeft(0)), nil)
	p := userEntering(cardtest.PUK, "654321")
	require.ErrorIs(t, d.card.ChangePIN(t.Context(), pinUnblock(p.ask)), errGaveUp)
	assert.ErrorIs(t, p.requests[2].Refused, card.ErrLastTry, "the retry counter of the PUK is not known")
	assert.Equal(t, []card.Reference{0x81, 0x80}, []card.Reference{p.requests[0].Reference, p.requests[1].Reference})

	p = userEntering("87654321", "654321", cardtest.PUK, "654321")
	for i := range p.pins {
		p.pins[i] = p.pins[i].AllowLastTry()
	}
	require.NoError(t, d.card.ChangePIN(t.Context(), pinUnblock(p.ask)))
	var e *card.PINError
	require.ErrorAs(t, p.requests[2].Refused, &e)
	assert.Equal(t, card.PINError{Reference: 0x81, Retries: 2, Sent: true, Err: card.ErrWrongPIN}, *e)
	assert.True(t, d.accepts("654321"))
}

func TestChangePINLogsOut(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.otherProgram()
	require.NoError(t, d.card.ChangePIN(t.Context(), pinChange(userEntering(cardtest.PIN, "654321").ask)))
	assert.False(t, d.soft.Verified())
}

func TestChangePINGivesUp(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	p := userEntering(cardtest.PIN)
	assert.ErrorIs(t, d.card.ChangePIN(t.Context(), pinChange(p.ask)), errGaveUp)
	assert.True(t, zeroed(p.pins[0]))
	ctx, cancel := context.WithCancel(t.Context())
	p = userEntering(cardtest.PIN, "654321")
	p.before = cancel
	assert.ErrorIs(t, d.card.ChangePIN(ctx, pinChange(p.ask)), context.Canceled)
	assert.True(t, d.accepts(cardtest.PIN))
}

func TestChangePINMemoryZeroed(t *testing.T) {
	kept := &recorder{}
	c := pinChange(userEntering(cardtest.PIN, "654321").ask)
	c.Verification.Select, c.Logout = nothing, nothing
	c.Status = func(*card.Tx) (card.PINStatus, error) { return card.PINStatus{Retries: 3}, nil }
	var built [][]byte
	replace := c.Replace
	c.Replace = func(old, pin []byte) card.Command {
		command := replace(old, pin)
		built = append(built, old, pin, command.Data)
		return command
	}
	require.NoError(t, card.New("test", kept).ChangePIN(t.Context(), c))
	assert.Equal(t, "123456\xFF\xFF654321\xFF\xFF", string(kept.copies[0][5:]))
	for _, b := range append(built, kept.sent[0]) {
		assert.Equal(t, make([]byte, len(b)), b)
	}
}

// Without padding, a card whose PIN is 1234 could take 123456 and 789012 for 1234 and
// 56789012.
func TestVerifyFirst(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	var sent []byte
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) {
		if c.INS != 0xA4 {
			sent = append(sent, c.INS)
		}
	}})
	ch := func(ask card.PINFunc) card.PINChange {
		c := pinChange(ask)
		c.VerifyFirst = true
		c.Format = card.PINFormat{Min: 4, Max: 8}
		verify := func(pin []byte) []byte { return append(pin, 0xFF, 0xFF, 0xFF, 0xFF)[:8] }
		c.Verify = func(pin []byte) card.Command { return card.Command{INS: 0x20, P2: 0x80, Data: verify(pin)} }
		c.Replace = func(old, pin []byte) card.Command {
			return card.Command{INS: 0x24, P2: 0x80, Data: slices.Concat(verify(old), pin)}
		}
		return c
	}
	p := userEntering("123457", "654321")
	require.ErrorIs(t, d.card.ChangePIN(ctx, ch(p.ask)), errGaveUp)
	assert.ErrorIs(t, p.requests[2].Refused, card.ErrWrongPIN)
	assert.Equal(t, 1, d.soft.Spent())
	assert.NotContains(t, sent, byte(0x24), "not sent")

	sent = nil
	p = userEntering(cardtest.PIN, "654321")
	require.NoError(t, d.card.ChangePIN(ctx, ch(p.ask)))
	assert.Equal(t, []byte{0x20, 0x20, 0x20, 0x24}, sent, "status, status, VERIFY, CHANGE REFERENCE DATA")
	assert.Len(t, p.requests, 2)
	assert.True(t, d.accepts("654321"))
	assert.False(t, d.soft.Verified(), "logged out")
}

func TestChangePINAllow(t *testing.T) {
	d := newFixture(t, cardtest.PIV(cardtest.RetriesLeft(0)), nil)
	allowed, refuse := 0, true
	errNo := errors.New("no")
	c := pinChange(nil)
	c.Allow = func(*card.Tx) error {
		if allowed++; refuse {
			return errNo
		}
		return nil
	}
	c.Replace = func(secret, pin []byte) card.Command {
		assert.Nil(t, secret)
		return card.Command{INS: 0x2C, P2: 0x80, Data: slices.Concat([]byte(cardtest.PUK), pin)}
	}
	p := userEntering("654321")
	c.PIN = p.ask
	require.ErrorIs(t, d.card.ChangePIN(t.Context(), c), errNo)
	refuse = false
	p = userEntering("12345", "654321")
	c.PIN = p.ask
	require.NoError(t, d.card.ChangePIN(t.Context(), c))
	require.Len(t, p.requests, 2)
	assert.True(t, p.requests[0].New && p.requests[1].New, "only the new PIN is asked for")
	assert.ErrorIs(t, p.requests[1].Refused, card.ErrNewPIN)
	assert.Equal(t, 2, allowed, "only with a well-formed new PIN")
	assert.True(t, d.accepts("654321"))
}
