package card_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// verifyAt is the number of VERIFY among the commands of DoWithPIN, after SELECT and
// status of two transactions.
const verifyAt = 5

func TestLostResponse(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.readers.Fault(zero, verifyAt, cardtest.Fault{When: cardtest.After, What: cardtest.NoResponse})
	err := d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering("111111").ask), nothing)
	assert.ErrorIs(t, err, card.ErrNoResponse)
	var e *card.PINError
	require.ErrorAs(t, err, &e)
	assert.True(t, e.Sent)
	assert.Equal(t, 2, e.Retries)
	require.Equal(t, 1, d.soft.Spent())

	p := userEntering("111111")
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing), errGaveUp)
	assert.Equal(t, []error{card.ErrRefusedBefore}, p.refusals(), "the counter is lower: the PIN was wrong")
	assert.Equal(t, 1, d.soft.Spent())
}

func TestPINNotReceived(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.readers.Fault(zero, verifyAt, cardtest.Fault{When: cardtest.Instead, What: cardtest.NoResponse})
	v := pinVerification(aCard, userEntering(cardtest.PIN).ask)
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), v, nothing), card.ErrNoResponse)
	v.PIN = userEntering(cardtest.PIN).ask
	require.NoError(t, d.card.DoWithPIN(t.Context(), v, nothing))
}

// A try that another PIN costs does not mean that a PIN that was not received was wrong.
func TestPINNotReceivedThenWrongPIN(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.readers.Fault(zero, verifyAt, cardtest.Fault{When: cardtest.Instead, What: cardtest.NoResponse})
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing), card.ErrNoResponse)
	p := userEntering("111111", cardtest.PIN)
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing))
	assert.Equal(t, []error{card.ErrWrongPIN}, p.refusals())
}

// A refusal that arrives after the end of the context is remembered.
func TestRefusalAfterContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFixture(t, cardtest.PIV(), nil)
		d.readers.Fault(zero, verifyAt, cardtest.Fault{Delay: 2 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := d.card.DoWithPIN(ctx, pinVerification(aCard, userEntering("111111").ask), nothing)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		var e *card.PINError
		require.ErrorAs(t, err, &e)
		assert.True(t, e.Sent)
		p := userEntering("111111")
		require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing), errGaveUp)
		assert.Equal(t, []error{card.ErrRefusedBefore}, p.refusals())
		assert.Equal(t, 1, d.soft.Spent())
		d.close()
	})
}

// Another status may be returned although a try was spent.
func TestOtherStatusHidesRefusal(t *testing.T) {
	for name, mishap := range map[string]cardtest.Fault{
		"6Cxx": {When: cardtest.After, What: cardtest.WrongLe},
		"6F00": {When: cardtest.After, What: cardtest.WrongStatus},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFixture(t, cardtest.PIV(), nil)
			d.readers.Fault(zero, verifyAt, mishap)
			var status card.Status
			require.ErrorAs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering("111111").ask), nothing), &status)
			assert.Equal(t, 1, d.soft.Spent(), "not sent twice")
			p := userEntering("111111")
			require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing), errGaveUp)
			assert.Equal(t, []error{card.ErrRefusedBefore}, p.refusals())
			assert.Equal(t, 1, d.soft.Spent())
		})
	}
}

// VERIFY has no response data: a response with data is malformed, even with 9000.
func TestDataInResponseToVerify(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.readers.Fault(zero, verifyAt, cardtest.Fault{When: cardtest.After, What: cardtest.Garbage})
	err := d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering("111111").ask), nothing)
	assert.ErrorIs(t, err, card.ErrMalformed)
	var e *card.PINError
	require.ErrorAs(t, err, &e)
	assert.True(t, e.Sent)
	p := userEntering("111111")
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing), errGaveUp)
	assert.Equal(t, []error{card.ErrRefusedBefore}, p.refusals())
}

// If the card does not report its counter any more, a PIN that may have been refused is
// not sent again.
func TestLostResponseThenUnknownRetries(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.readers.Fault(zero, verifyAt, cardtest.Fault{When: cardtest.After, What: cardtest.NoResponse})
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering("111111").ask), nothing), card.ErrNoResponse)
	d.readers.Fault(zero, 2, cardtest.Fault{What: cardtest.WrongStatus})
	d.readers.Fault(zero, 4, cardtest.Fault{What: cardtest.WrongStatus})
	p := userEntering("111111")
	p.pins[0] = p.pins[0].AllowLastTry()
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing), errGaveUp)
	assert.Equal(t, []error{card.ErrRefusedBefore}, p.refusals())
	assert.Equal(t, 1, d.soft.Spent())
}

func TestContextEndsBeforeVerify(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	v := pinVerification(aCard, userEntering("111111").ask)
	ask, asked := v.Status, 0
	v.Status = func(tx *card.Tx) (card.PINStatus, error) {
		defer func() {
			if asked++; asked == 2 {
				cancel()
			}
		}()
		return ask(tx)
	}
	err := d.card.DoWithPIN(ctx, v, nothing)
	assert.ErrorIs(t, err, context.Canceled)
	var e *card.PINError
	assert.False(t, errors.As(err, &e), "%v", err)
	assert.Zero(t, d.soft.Spent())
}

func TestNoLogoutAfterReset(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	release, err := d.card.Hold(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing))
	d.readers.Reset(zero)
	before := d.soft.Exchanges().Commands
	release()
	assert.Equal(t, before, d.soft.Exchanges().Commands)
}

func TestLogoutAfterLostResponse(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.otherProgram()
	d.readers.Fault(zero, verifyAt, cardtest.Fault{When: cardtest.After, What: cardtest.NoResponse})
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing), card.ErrNoResponse)
	assert.False(t, d.soft.Verified())
}

// The PIN may have been right although the status is not 9000.
func TestLogoutAfterOtherStatus(t *testing.T) {
	for _, status := range []uint16{0x6F00, 0x6982, 0x6983, 0x6A80} {
		d := newFixture(t, cardtest.PIV(), nil)
		d.otherProgram()
		d.readers.Fault(zero, verifyAt, cardtest.Fault{When: cardtest.After, What: cardtest.WrongStatus, Status: status})
		require.Error(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing))
		assert.False(t, d.soft.Verified())
	}
}

func TestVerifyStatusNotAboutPIN(t *testing.T) {
	for status, want := range map[uint16]error{0x6982: card.StatusNotPermitted, 0x6D00: card.StatusUnknownINS, 0x6A80: card.ErrPINFormat, 0x6700: card.ErrPINFormat} {
		d := newFixture(t, cardtest.PIV(), nil)
		d.readers.Fault(zero, verifyAt, cardtest.Fault{What: cardtest.WrongStatus, Status: status})
		p := userEntering(cardtest.PIN)
		err := d.card.DoWithPIN(t.Context(), pinVerification(aCard, p.ask), nothing)
		if want == card.ErrPINFormat {
			assert.ErrorIs(t, err, errGaveUp)
			assert.Equal(t, []error{want}, p.refusals())
			continue
		}
		assert.ErrorIs(t, err, want)
		assert.Len(t, p.requests, 1)
		require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing))
	}
}

func TestContextEndsDuringPrompt(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	p := userEntering("111111")
	p.before = cancel
	assert.ErrorIs(t, d.card.DoWithPIN(ctx, pinVerification(aCard, p.ask), nothing), context.Canceled)
	assert.Zero(t, d.soft.Spent())
	assert.True(t, zeroed(p.pins[0]))
}

func TestContextEndsDuringVerify(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.otherProgram()
	ctx, cancel := context.WithCancel(t.Context())
	d.readers.Trace(writer(func(b []byte) {
		if bytes.HasPrefix(b, []byte("> 00200080")) && bytes.Contains(b, []byte("*")) {
			cancel()
		}
	}))
	err := d.card.DoWithPIN(ctx, pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing)
	if err != nil {
		assert.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, d.card.Do(t.Context(), readCHUID)) // after the command that was left behind
	assert.False(t, d.soft.Verified())
	assert.Zero(t, d.soft.Spent())
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

// If another program verifies the PIN, the counter shows nothing about a lost response.
func TestLostResponseThenCounterRestored(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.readers.PowerDown(time.Hour)
	release, err := d.card.Hold(t.Context())
	require.NoError(t, err)
	defer release()
	d.readers.Fault(zero, verifyAt, cardtest.Fault{When: cardtest.Instead, What: cardtest.NoResponse})
	v := pinVerification(aCard, userEntering(cardtest.PIN).ask)
	v.Always = true
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), v, nothing), card.ErrNoResponse)
	require.NoError(t, d.card.Do(t.Context(), sendVerify))
	v.PIN = userEntering(cardtest.PIN).ask
	require.NoError(t, d.card.DoWithPIN(t.Context(), v, nothing))
}

// The counter of one card shows nothing about a PIN sent to another.
func TestLostResponseAndOtherCard(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.PIV(), cardtest.PIV(cardtest.RetriesLeft(2)))
	defer readers.Close()
	s := readers.Service()
	defer s.Close()
	first, err := s.Card(t.Context(), zero)
	require.NoError(t, err)
	second, err := s.Card(t.Context(), one)
	require.NoError(t, err)
	readers.Fault(zero, verifyAt, cardtest.Fault{When: cardtest.Instead, What: cardtest.NoResponse})
	require.ErrorIs(t, first.DoWithPIN(t.Context(), pinVerification(named("first"), userEntering(cardtest.PIN).ask), nothing), card.ErrNoResponse)
	require.NoError(t, second.DoWithPIN(t.Context(), pinVerification(named("second"), userEntering(cardtest.PIN).ask), nothing))
	require.NoError(t, first.DoWithPIN(t.Context(), pinVerification(named("first"), userEntering(cardtest.PIN).ask), nothing))
}

// The goroutine of a VERIFY that the context left behind still needs the PIN: if it
// was zeroed by then, the card would get another PIN and count a try.
func TestContextEndsBeforeVerifyIsEncoded(t *testing.T) {
	d, n := newHookedFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	returned := make(chan struct{})
	v := pinVerification(aCard, userEntering(cardtest.PIN).ask)
	verify := v.Verify
	v.Verify = func(pin []byte) card.Command {
		n.protocol = sync.OnceFunc(func() { // in the goroutine of the command
			cancel()
			<-returned
		})
		return verify(pin)
	}
	verified := make(chan bool, 1)
	logout := v.Logout
	v.Logout = func(tx *card.Tx) error {
		verified <- d.soft.Verified()
		return logout(tx)
	}
	assert.ErrorIs(t, d.card.DoWithPIN(ctx, v, nothing), context.Canceled)
	close(returned)
	require.NoError(t, d.card.Do(t.Context(), readCHUID)) // after the command
	assert.True(t, <-verified)
	assert.Zero(t, d.soft.Spent())
	assert.False(t, d.soft.Verified())
	v.Verify, v.PIN = verify, userEntering(cardtest.PIN).ask
	assert.NoError(t, d.card.DoWithPIN(t.Context(), v, nothing), "it was not refused")
}
