package card_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFixedPIN(t *testing.T) {
	first, second := cardtest.PIV(), cardtest.PIV()
	s := cardtest.NewService(first, second)
	defer s.Close()
	fixed := card.FixedPIN("111111")
	for i := range 2 {
		c, err := s.Card(t.Context(), fmt.Sprintf("Software Reader %02d", i))
		require.NoError(t, err)
		err = c.DoWithPIN(t.Context(), pinVerification(named(c.Reader()), fixed), nothing)
		assert.ErrorIs(t, err, card.ErrWrongPIN)
	}
	assert.Equal(t, 1, first.Spent())
	assert.Zero(t, second.Spent())
	_, err := card.FixedPIN(cardtest.PIN)(t.Context(), card.PINRequest{New: true})
	assert.ErrorIs(t, err, card.ErrPINRequired, "not for a new PIN")
}

func TestFixedPINLastTry(t *testing.T) {
	d := newFixture(t, cardtest.PIV(cardtest.RetriesLeft(1)), nil)
	assert.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, card.FixedPIN("111111")), nothing), card.ErrLastTry)
	assert.Zero(t, d.soft.Spent())
}

func TestPINFormat(t *testing.T) {
	for _, test := range []struct {
		name   string
		format card.PINFormat
		pin    string
		sent   string // empty if it is not accepted
	}{
		{"padded", pinFormat, "123456", "123456\xFF\xFF"},
		{"of maximum length", pinFormat, "12345678", "12345678"},
		{"too short", pinFormat, "12345", ""},
		{"too long", pinFormat, "123456789", ""},
		{"letter in digits", pinFormat, "12345a", ""},
		{"letters allowed", card.PINFormat{Min: 6, Max: 8, Padded: true}, "abc12é", "abc12é\xFF"},
		{"padding byte in the PIN", card.PINFormat{Min: 6, Max: 8, Padded: true}, "12345\xFF", ""},
		{"any byte without padding", card.PINFormat{Min: 8, Max: 8}, "1234567\xFF", "1234567\xFF"},
		{"variable length", card.PINFormat{Min: 4, Max: 15}, "12345", "12345"},
		{"none", card.PINFormat{Max: 8}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			kept := &recorder{}
			p := userEntering(test.pin)
			if test.pin == "" {
				p.pins = []card.PIN{{}}
			}
			v := bareVerification(p.ask)
			v.Format = test.format
			err := card.New("test", kept).DoWithPIN(t.Context(), v, nothing)
			if test.sent == "" {
				assert.ErrorIs(t, err, errGaveUp)
				assert.Equal(t, []error{card.ErrPINFormat}, p.refusals())
				assert.Empty(t, kept.sent)
				return
			}
			require.NoError(t, err)
			require.Len(t, kept.copies, 1)
			assert.Equal(t, test.sent, string(kept.copies[0][5:]))
		})
	}
}

// bareVerification returns a Verification that sends no command but VERIFY.
func bareVerification(ask card.PINFunc) card.Verification {
	v := pinVerification(aCard, ask)
	v.Select = nothing
	v.Status = func(*card.Tx) (card.PINStatus, error) { return card.PINStatus{Retries: 3}, nil }
	v.Logout = nothing
	return v
}

// A recorder keeps the memory of the commands, and copies of it.
type recorder struct{ sent, copies [][]byte }

func (k *recorder) Transmit(command []byte) ([]byte, error) {
	k.sent = append(k.sent, command)
	k.copies = append(k.copies, bytes.Clone(command))
	return []byte{0x90, 0x00}, nil
}

// zeroed reports whether a PIN has no digits any more, by trying to use it.
func zeroed(p card.PIN) bool {
	kept := &recorder{}
	v := bareVerification(func(_ context.Context, r card.PINRequest) (card.PIN, error) { return p, r.Refused })
	v.Format = card.PINFormat{Min: 1, Max: 64}
	_ = card.New("test", kept).DoWithPIN(context.Background(), v, nothing)
	return len(kept.sent) == 0
}

func TestPINMemoryZeroed(t *testing.T) {
	kept := &recorder{}
	mine := []byte(cardtest.PIN)
	v := bareVerification(func(context.Context, card.PINRequest) (card.PIN, error) { return card.NewPIN(mine), nil })
	var built []byte
	verify := v.Verify
	v.Verify = func(pin []byte) card.Command {
		built = pin
		return verify(pin)
	}
	require.NoError(t, card.New("test", kept).DoWithPIN(t.Context(), v, nothing))
	assert.Equal(t, "123456\xFF\xFF", string(kept.copies[0][5:]))
	assert.Equal(t, make([]byte, 6), mine, "memory of the caller")
	assert.Equal(t, make([]byte, 8), built, "argument of Verify")
	assert.Equal(t, make([]byte, 13), kept.sent[0], "APDU")
}

func TestPINNotPrinted(t *testing.T) {
	p := card.NewPIN([]byte(cardtest.PIN)).AllowLastTry()
	type wrapped struct {
		P  card.PIN
		PP *card.PIN
	}
	type unexported struct { // fmt does not call the methods of its fields
		p    card.PIN
		pp   *card.PIN
		list []card.PIN
		any  any
	}
	hidden := unexported{p, &p, []card.PIN{p}, p}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "pin", p, "in", wrapped{p, &p}, "hidden", hidden)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "pin", p, "in", wrapped{p, &p})
	text := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		text += fmt.Sprintf(verb, p) + fmt.Sprintf(verb, &p) + fmt.Sprintf(verb, wrapped{p, &p}) + fmt.Sprintf(verb, []card.PIN{p})
		text += fmt.Sprintf(verb, hidden) + fmt.Sprintf(verb, &hidden) + fmt.Sprintf(verb, []unexported{hidden}) + fmt.Sprintf(verb, map[string]unexported{"x": hidden})
	}
	noPIN(t, text)
	_, err := json.Marshal(p)
	assert.Error(t, err)
	_, err = json.Marshal(wrapped{P: p})
	assert.Error(t, err)
	assert.Equal(t, []string{"PIN", "PIN"}, []string{p.String(), p.GoString()})
	assert.Equal(t, "80", card.Reference(0x80).String())
}

// No log, trace or error contains the PIN, whatever the outcome.
func TestPINNotLogged(t *testing.T) {
	for name, fault := range map[string]cardtest.Fault{
		"accepted":   {},
		"lost":       {What: cardtest.NoResponse, When: cardtest.After},
		"truncated":  {What: cardtest.Truncated},
		"refused":    {What: cardtest.WrongStatus, Status: 0x63C2},
		"wrong form": {What: cardtest.WrongStatus, Status: 0x6A80},
		"blocked":    {What: cardtest.WrongStatus, Status: 0x6983},
		"removed":    {What: cardtest.Removal, When: cardtest.After},
		"reset":      {What: cardtest.OtherReset, When: cardtest.After},
		"stopped":    {What: cardtest.ServiceStop, When: cardtest.After},
	} {
		t.Run(name, func(t *testing.T) {
			var all bytes.Buffer
			h := &slog.HandlerOptions{Level: slog.LevelDebug}
			d := newFixture(t, cardtest.PIV(), &card.Options{Logger: slog.New(slog.NewJSONHandler(&all, h))})
			d.readers.Trace(&all)
			if fault != (cardtest.Fault{}) {
				d.readers.Fault(zero, verifyAt, fault)
			}
			ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(reader string, c card.Command, response []byte, took time.Duration) {
				fmt.Fprintf(&all, "%v %+v %x %v\n", c, c, c.Data, response)
			}})
			err := d.card.DoWithPIN(ctx, pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing)
			fmt.Fprintf(&all, "%v %+v %#v %s\n", err, err, err, card.Hint(err))
			assert.Contains(t, all.String(), "VERIFY")
			noPIN(t, all.String())
		})
	}
}

// noPIN asserts that a text does not contain the PIN in any encoding.
func noPIN(t *testing.T, text string) {
	t.Helper()
	pin := []byte(cardtest.PIN)
	assert.NotContains(t, text, cardtest.PIN)
	assert.NotContains(t, text, hex.EncodeToString(pin))
	assert.NotContains(t, text, fmt.Sprint(pin)[1:18])
}

func TestPINErrorText(t *testing.T) {
	assert.EqualError(t, &card.PINError{Retries: -1, Err: card.ErrWrongPIN}, "PIN is wrong (retries left: not known)")
	assert.EqualError(t, &card.PINError{Retries: 1, Err: card.ErrLastTry}, "PIN not sent: it may be the last try, which was not allowed (retries left: 1)")
	assert.EqualError(t, &card.PINError{Retries: 0, Err: card.ErrPINBlocked}, "PIN is blocked: no retries left")
	assert.EqualError(t, &card.PINError{Retries: 2, Err: card.ErrWrongPIN, Name: "PUK"}, "PUK is wrong (retries left: 2)")
	assert.EqualError(t, &card.PINError{Retries: -1, Err: card.ErrLastTry, Name: "PUK"}, "PUK not sent: the number of retries left is not known")
	for _, why := range []error{card.ErrWrongPIN, card.ErrPINBlocked, card.ErrLastTry} {
		assert.Contains(t, card.Hint(&card.PINError{Retries: -1, Err: why, Name: "PUK"}), "PUK")
		assert.NotContains(t, card.Hint(&card.PINError{Retries: -1, Err: why, Name: "PUK"}), "PIN")
	}
}

func TestFixedPINForManyCardsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var soft []*cardtest.Card
		for range 6 {
			soft = append(soft, cardtest.PIV())
		}
		readers := cardtest.NewReaders(soft...)
		s := readers.Service()
		wrong := card.FixedPIN("111111")
		var all sync.WaitGroup
		for _, name := range readers.Names() {
			readers.Fault(name, 1, cardtest.Fault{Delay: 20 * time.Millisecond, Times: -1})
			all.Go(func() {
				c, err := s.Card(t.Context(), name)
				require.NoError(t, err)
				assert.ErrorIs(t, c.DoWithPIN(t.Context(), pinVerification(named(name), wrong), nothing), card.ErrWrongPIN)
			})
		}
		all.Wait()
		spent := 0
		for _, c := range soft {
			spent += c.Spent()
		}
		assert.Equal(t, 1, spent)
		require.NoError(t, readers.Close())
		require.NoError(t, s.Close())
	})
}

func TestFixedPINOnTwoCardsInOneTransaction(t *testing.T) {
	s := cardtest.NewService(cardtest.PIV(), cardtest.PIV())
	defer s.Close()
	first, err := s.Card(t.Context(), zero)
	require.NoError(t, err)
	second, err := s.Card(t.Context(), one)
	require.NoError(t, err)
	pin := card.FixedPIN(cardtest.PIN)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	assert.NoError(t, first.DoWithPIN(ctx, pinVerification(named("first"), pin), func(*card.Tx) error {
		return second.DoWithPIN(ctx, pinVerification(named("second"), pin), nothing)
	}))
}

// A PIN that was not sent is not remembered as refused: it may be right for another card.
func TestFixedPINNotSent(t *testing.T) {
	first, second := cardtest.PIV(cardtest.RetriesLeft(1)), cardtest.PIV()
	s := cardtest.NewService(first, second)
	defer s.Close()
	pin := card.FixedPIN(cardtest.PIN)
	for name, want := range map[string]error{zero: card.ErrLastTry, one: nil} {
		c, err := s.Card(t.Context(), name)
		require.NoError(t, err)
		assert.ErrorIs(t, c.DoWithPIN(t.Context(), pinVerification(named(name), pin), nothing), want)
	}
}

func TestAllowUnknownRetries(t *testing.T) {
	d := newFixture(t, cardtest.PIV(cardtest.EmptyVerifyRefused), nil)
	err := d.card.DoWithPIN(t.Context(), pinVerification(aCard, card.FixedPIN(cardtest.PIN)), nothing)
	assert.ErrorIs(t, err, card.ErrLastTry)
	assert.EqualError(t, err, `card: "`+zero+`": verify PIN: PIN not sent: the number of retries left is not known`)
	assert.NotContains(t, card.Hint(err), "last")
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, card.AllowUnknownRetries(card.FixedPIN(cardtest.PIN))), nothing))

	u := userEntering("111111", "222222", "333333")
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, card.AllowUnknownRetries(u.ask)), nothing), errGaveUp)
	assert.Equal(t, []error{card.ErrWrongPIN, card.ErrLastTry, card.ErrLastTry}, u.refusals())
	u = userEntering(cardtest.PIN)
	require.ErrorIs(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, card.AllowUnknownRetries(u.ask)), nothing), errGaveUp)
	assert.Equal(t, []error{card.ErrLastTry}, u.refusals(), "also in the next operation")
	assert.Equal(t, 1, d.soft.Spent())

	u = userEntering(cardtest.PIN)
	u.pins[0] = u.pins[0].AllowLastTry()
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, u.ask), nothing))
	require.NoError(t, d.card.DoWithPIN(t.Context(), pinVerification(aCard, card.AllowUnknownRetries(card.FixedPIN(cardtest.PIN))), nothing))

	known := newFixture(t, cardtest.PIV(cardtest.RetriesLeft(1)), nil)
	err = known.card.DoWithPIN(t.Context(), pinVerification(aCard, card.AllowUnknownRetries(card.FixedPIN(cardtest.PIN))), nothing)
	assert.ErrorIs(t, err, card.ErrLastTry, "the retry counter is known")
}
