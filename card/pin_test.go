package card_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
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
	assert.ErrorIs(t, err, card.ErrPINRequired, "it is no new PIN")
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
		sent   string // empty where it is not taken
	}{
		{"padded to its length", pinFormat, "123456", "123456\xFF\xFF"},
		{"as long as it may be", pinFormat, "12345678", "12345678"},
		{"too short", pinFormat, "12345", ""},
		{"too long", pinFormat, "123456789", ""},
		{"a letter among digits", pinFormat, "12345a", ""},
		{"letters where they are taken", card.PINFormat{Min: 6, Max: 8, Padded: true}, "abc12é", "abc12é\xFF"},
		{"a byte that looks like padding", card.PINFormat{Min: 6, Max: 8, Padded: true}, "12345\xFF", ""},
		{"any byte where nothing is padded", card.PINFormat{Min: 8, Max: 8}, "1234567\xFF", "1234567\xFF"},
		{"as long as it is where nothing is padded", card.PINFormat{Min: 4, Max: 15}, "12345", "12345"},
		{"none", card.PINFormat{Max: 8}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			kept := &recorder{}
			p := userEntering(test.pin)
			if test.pin == "" {
				p.answers = []card.PIN{{}}
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

// silent is a PIN of a card that is asked for nothing but VERIFY.
func bareVerification(ask card.PINFunc) card.Verification {
	v := pinVerification(aCard, ask)
	v.Select = nothing
	v.Status = func(*card.Tx) (card.PINStatus, error) { return card.PINStatus{Retries: 3}, nil }
	v.Logout = nothing
	return v
}

// A keeper keeps the memory that commands came in, and copies of it.
type recorder struct{ sent, copies [][]byte }

func (k *recorder) Transmit(command []byte) ([]byte, error) {
	k.sent = append(k.sent, command)
	k.copies = append(k.copies, bytes.Clone(command))
	return []byte{0x90, 0x00}, nil
}

// zeroed reports whether a PIN holds nothing, by trying to use it.
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
	assert.Equal(t, make([]byte, 6), mine, "what the program gave")
	assert.Equal(t, make([]byte, 8), built, "what the application got")
	assert.Equal(t, make([]byte, 13), kept.sent[0], "what was sent")
}

func TestPINNotPrinted(t *testing.T) {
	p := card.NewPIN([]byte(cardtest.PIN)).AllowLastTry()
	type wrapped struct {
		P  card.PIN
		PP *card.PIN
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "pin", p, "in", wrapped{p, &p})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "pin", p, "in", wrapped{p, &p})
	text := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		text += fmt.Sprintf(verb, p) + fmt.Sprintf(verb, &p) + fmt.Sprintf(verb, wrapped{p, &p}) + fmt.Sprintf(verb, []card.PIN{p})
	}
	noPIN(t, text)
	_, err := json.Marshal(p)
	assert.Error(t, err)
	_, err = json.Marshal(wrapped{P: p})
	assert.Error(t, err)
	assert.Equal(t, []string{"PIN", "PIN"}, []string{p.String(), p.GoString()})
	assert.Equal(t, "80", card.Reference(0x80).String())
}

// Neither logs nor traces nor errors have the PIN, whatever becomes of it.
func TestPINNotLogged(t *testing.T) {
	for name, fault := range map[string]cardtest.Fault{
		"taken":      {},
		"lost":       {What: cardtest.NoResponse, When: cardtest.After},
		"cut":        {What: cardtest.Truncated},
		"refused":    {What: cardtest.WrongStatus, Status: 0x63C2},
		"wrong form": {What: cardtest.WrongStatus, Status: 0x6A80},
		"blocked":    {What: cardtest.WrongStatus, Status: 0x6983},
		"taken out":  {What: cardtest.Removal, When: cardtest.After},
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
			ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(reader string, c card.Command, answer []byte, took time.Duration) {
				fmt.Fprintf(&all, "%v %+v %x %v\n", c, c, c.Data, answer)
			}})
			err := d.card.DoWithPIN(ctx, pinVerification(aCard, userEntering(cardtest.PIN).ask), nothing)
			fmt.Fprintf(&all, "%v %+v %#v %s\n", err, err, err, card.Hint(err))
			assert.Contains(t, all.String(), "VERIFY")
			noPIN(t, all.String())
		})
	}
}

// noPIN asserts that a text has the PIN in no form.
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
}
