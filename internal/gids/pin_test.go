package gids_test

import (
	"context"
	"crypto"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

var errNoMore = errors.New("no more answers")

// A person answers requests one after the other.
type person struct {
	answers  []string
	requests []card.PINRequest
	last     bool // even the last try
}

func (p *person) ask(_ context.Context, r card.PINRequest) (card.PIN, error) {
	p.requests = append(p.requests, r)
	if len(p.requests) > len(p.answers) {
		return card.PIN{}, errNoMore
	}
	pin := card.NewPIN([]byte(p.answers[len(p.requests)-1]))
	if p.last {
		pin = pin.AllowLastTry()
	}
	return pin, nil
}

// takes reports whether a card takes a PIN.
func takes(t *testing.T, soft *cardtest.Card, pin string) bool {
	t.Helper()
	g := open(t, soft)
	key, err := g.Key(t.Context(), only(t, g), small().Public(), card.FixedPIN(pin))
	if err != nil {
		return false
	}
	require.NoError(t, key.Close())
	return true
}

// withKey has one certificate with its key.
func withKey(soft *cardtest.Card) *cardtest.Card {
	put(soft, "kxc00", small())
	return soft
}

func TestPINStatus(t *testing.T) {
	for name, test := range map[string]struct {
		options []cardtest.Option
		want    card.PINStatus
	}{
		"new":               {nil, card.PINStatus{Retries: 3}},
		"two tries left":    {[]cardtest.Option{cardtest.RetriesLeft(2)}, card.PINStatus{Retries: 2}},
		"blocked":           {[]cardtest.Option{cardtest.RetriesLeft(0)}, card.PINStatus{Blocked: true}},
		"an old card":       {[]cardtest.Option{cardtest.GIDSOldRetries, cardtest.RetriesLeft(2)}, card.PINStatus{Retries: 2}},
		"one that is quiet": {[]cardtest.Option{cardtest.GIDSNoRetries}, card.PINStatus{Retries: -1}},
		"100 tries":         {[]cardtest.Option{cardtest.MaxRetries(100), cardtest.RetriesLeft(100)}, card.PINStatus{Retries: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.GIDS(test.options...)
			sent := map[byte]bool{}
			ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) { sent[c.INS] = true }})
			got, err := open(t, soft).PINStatus(ctx)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			assert.False(t, sent[0x20], "VERIFY is not a question here")
			assert.Zero(t, soft.Spent())
		})
	}
}

func TestRequestForThePIN(t *testing.T) {
	soft := withKey(cardtest.GIDS())
	soft.PutFile("cardid", []byte("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xAA\xBB\xCC\xDD\xEE\xFF"))
	g := open(t, soft)
	p := person{answers: []string{"000000"}}
	_, err := g.Key(t.Context(), only(t, g), small().Public(), p.ask)
	require.ErrorIs(t, err, errNoMore)
	require.Len(t, p.requests, 2)
	r := p.requests[0]
	assert.Equal(t, reader, r.Reader)
	assert.Equal(t, "00112233445566778899aabbccddeeff", r.Card.Label)
	assert.Equal(t, "use the key of kxc00", r.Purpose)
	assert.Equal(t, gids.PIN, r.Reference)
	assert.Equal(t, card.PINFormat{Min: 4, Max: 127}, r.Format)
	assert.Equal(t, 3, r.Retries)
	assert.ErrorIs(t, p.requests[1].Refused, card.ErrWrongPIN)
	assert.Equal(t, 2, p.requests[1].Retries)
	assert.Equal(t, 1, soft.Spent())
	assert.False(t, soft.Verified())
}

func TestWrongPINs(t *testing.T) {
	for name, options := range map[string][]cardtest.Option{"63CX": nil, "630X": {cardtest.PlainRetries}, "old card": {cardtest.GIDSOldRetries}} {
		t.Run(name, func(t *testing.T) {
			soft := withKey(cardtest.GIDS(options...))
			g := open(t, soft)
			it := only(t, g)
			// The last try is not spent, and no PIN twice; one that cannot be is
			// refused by the card, at no cost.
			p := person{answers: []string{"000000", "000000", "111111", "222222"}}
			_, err := g.Key(t.Context(), it, small().Public(), p.ask)
			require.ErrorIs(t, err, errNoMore)
			assert.Equal(t, 2, soft.Spent())
			assert.Equal(t, 1, soft.RetriesLeft())
			for i, want := range []error{card.ErrWrongPIN, card.ErrRefusedBefore, card.ErrWrongPIN, card.ErrLastTry} {
				assert.ErrorIs(t, p.requests[i+1].Refused, want)
			}
			p = person{answers: []string{"222222"}, last: true}
			_, err = g.Key(t.Context(), it, small().Public(), p.ask)
			assert.ErrorIs(t, err, card.ErrPINBlocked)
			_, err = g.Key(t.Context(), it, small().Public(), card.FixedPIN(cardtest.PIN))
			assert.ErrorIs(t, err, card.ErrPINBlocked)
			assert.Equal(t, 3, soft.Spent())
		})
	}
}

func TestPINOfALengthThatCannotBe(t *testing.T) {
	soft := withKey(cardtest.GIDS())
	g := open(t, soft)
	p := person{answers: []string{"123", "12345678901234567"}}
	_, err := g.Key(t.Context(), only(t, g), small().Public(), p.ask)
	require.ErrorIs(t, err, errNoMore)
	assert.ErrorIs(t, p.requests[1].Refused, card.ErrPINFormat)
	assert.ErrorIs(t, p.requests[2].Refused, card.ErrWrongPIN)
	assert.Equal(t, 3, p.requests[2].Retries)
	assert.Zero(t, soft.Spent())
}

// Where a card does not say how many tries there are, each may be the last.
func TestCardThatDoesNotTellTheTries(t *testing.T) {
	soft := withKey(cardtest.GIDS(cardtest.GIDSNoRetries))
	g := open(t, soft)
	_, err := g.Key(t.Context(), only(t, g), small().Public(), card.FixedPIN(cardtest.PIN))
	assert.ErrorIs(t, err, card.ErrLastTry)
	p := person{answers: []string{cardtest.PIN}, last: true}
	key, err := g.Key(t.Context(), only(t, g), small().Public(), p.ask)
	require.NoError(t, err)
	require.NoError(t, key.Close())
}

func TestCardThatCannotForget(t *testing.T) {
	soft := withKey(cardtest.GIDS(cardtest.NoLogout))
	g := open(t, soft)
	key, err := g.Key(t.Context(), only(t, g), small().Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, key.Close())
	assert.False(t, soft.Verified(), "it was reset")
}

func TestChangePIN(t *testing.T) {
	soft := withKey(cardtest.GIDS())
	g := open(t, soft)
	p := person{answers: []string{cardtest.PIN, "87654321"}}
	require.NoError(t, g.ChangePIN(t.Context(), p.ask))
	assert.Equal(t, []bool{false, true}, []bool{p.requests[0].New, p.requests[1].New})
	assert.True(t, takes(t, soft, "87654321"))
	assert.False(t, takes(t, soft, cardtest.PIN))
	assert.Equal(t, 1, soft.Spent())
}

// The card cuts old and new by the length of the PIN that it knows. 1234 for
// 123456 must not make 789012 of 56789012.
func TestChangeOfAPINThatIsShort(t *testing.T) {
	soft := withKey(cardtest.GIDS())
	p := person{answers: []string{"1234", "56789012"}}
	err := open(t, soft).ChangePIN(t.Context(), p.ask)
	require.ErrorIs(t, err, errNoMore)
	assert.ErrorIs(t, p.requests[2].Refused, card.ErrWrongPIN)
	assert.Equal(t, 1, soft.Spent())
	assert.True(t, takes(t, soft, cardtest.PIN))
}

// Cards say 6700 or 6A80 to a new PIN of a wrong length, or, where both PINs together
// are too short, that one is wrong.
func TestNewPINThatTheCardDoesNotLike(t *testing.T) {
	for bad, soft := range map[string]*cardtest.Card{"12345678901234567": cardtest.GIDS(), "1234": cardtest.TPM()} {
		withKey(soft)
		p := person{answers: []string{cardtest.PIN, bad, cardtest.PIN, "654321"}}
		require.NoError(t, open(t, soft).ChangePIN(t.Context(), p.ask))
		require.Len(t, p.requests, 4)
		assert.NoError(t, p.requests[2].Refused, "the old one is not to blame")
		assert.ErrorIs(t, p.requests[3].Refused, card.ErrNewPIN)
		assert.Zero(t, soft.Spent())
		assert.True(t, takes(t, soft, "654321"))
	}
}

func TestUnblockWithoutAPUK(t *testing.T) {
	p := person{answers: []string{"1", "2"}}
	err := open(t, cardtest.GIDS()).Unblock(t.Context(), p.ask)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.NotEmpty(t, card.Hint(err))
	assert.Empty(t, p.requests)
}

func TestUnblock(t *testing.T) {
	soft := withKey(cardtest.GIDS(cardtest.RetriesLeft(0), cardtest.GIDSWithPUK))
	p := person{answers: []string{"00000000", "654321", cardtest.PUK, "654321"}}
	require.NoError(t, open(t, soft).Unblock(t.Context(), p.ask))
	assert.Equal(t, gids.PUK, p.requests[0].Reference)
	assert.Equal(t, 3, p.requests[0].Retries)
	assert.ErrorIs(t, p.requests[2].Refused, card.ErrWrongPIN)
	assert.Equal(t, 3, soft.RetriesLeft())
	assert.True(t, takes(t, soft, "654321"))
}

func TestUnblockByAdministrator(t *testing.T) {
	for name, options := range map[string][]cardtest.Option{"as it comes": {cardtest.RetriesLeft(0)}, "the PIN is not blocked": nil, "SELECT keeps a PIN": {cardtest.GIDSSelectKeeps, cardtest.RetriesLeft(0)}} {
		t.Run(name, func(t *testing.T) {
			soft := withKey(cardtest.GIDS(options...))
			g := open(t, soft)
			_, errs := list(t.Context(), g)
			require.Empty(t, errs)
			p := person{answers: []string{"12345678901234567", "654321"}}
			require.NoError(t, g.UnblockByAdministrator(t.Context(), testkeys.Administrator(cardtest.AdminKey), p.ask))
			require.Len(t, p.requests, 2)
			assert.True(t, p.requests[0].New)
			assert.ErrorIs(t, p.requests[1].Refused, card.ErrNewPIN)
			assert.Equal(t, 3, soft.RetriesLeft())
			assert.True(t, takes(t, soft, "654321"))
		})
	}
}

func TestUnblockByNobody(t *testing.T) {
	soft := withKey(cardtest.GIDS(cardtest.RetriesLeft(0)))
	g := open(t, soft)
	p := person{answers: []string{"654321"}}
	err := g.UnblockByAdministrator(t.Context(), testkeys.Administrator("876543218765432187654321"), p.ask)
	assert.ErrorIs(t, err, gids.ErrAdministrator)
	assert.NotEmpty(t, card.Hint(err))
	p = person{answers: []string{"654321"}}
	err = g.UnblockByAdministrator(t.Context(), func(context.Context, []byte) ([]byte, error) { return nil, errNoMore }, p.ask)
	assert.ErrorIs(t, err, errNoMore)
	assert.Empty(t, p.requests, "whoever does not answer is not to choose a PIN")
	assert.Zero(t, soft.RetriesLeft())
}

// Whoever gives up does not leave the administrator behind, as which anybody could
// write to the card.
func TestAdministratorIsForgotten(t *testing.T) {
	soft := cardtest.GIDS()
	c := card.New(reader, soft)
	release, err := c.Hold(t.Context()) // the card keeps its power
	require.NoError(t, err)
	defer release()
	asked := 0
	err = gids.New(c).UnblockByAdministrator(t.Context(), testkeys.Administrator(cardtest.AdminKey), func(context.Context, card.PINRequest) (card.PIN, error) {
		if asked++; asked == 1 {
			return card.NewPIN([]byte("12345678901234567")), nil
		}
		// Meanwhile there is one: it is needed again.
		answer, err := soft.Transmit([]byte{0x00, 0xDB, 0xA0, 0x14, 0x03, 0xDF, 0x24, 0x00})
		require.NoError(t, err)
		assert.Equal(t, []byte{0x90, 0x00}, answer)
		return card.PIN{}, errNoMore
	})
	require.ErrorIs(t, err, errNoMore)
	release()
	answer, err := soft.Transmit([]byte{0x00, 0xDB, 0xA0, 0x14, 0x03, 0xDF, 0x24, 0x00})
	require.NoError(t, err)
	assert.Equal(t, []byte{0x69, 0x82}, answer)
}

var mishaps = map[string]cardtest.Mishap{
	"removal": cardtest.Removal, "reset": cardtest.OtherReset, "service stop": cardtest.ServiceStop,
	"status": cardtest.WrongStatus, "empty": cardtest.Empty, "truncated": cardtest.Truncated, "garbage": cardtest.Garbage,
	"more": cardtest.MoreData, "wrong Le": cardtest.WrongLe, "no answer": cardtest.NoResponse, "busy": cardtest.Busy,
}

// Whatever goes wrong at whichever command: a signature that comes out is right (or
// Sign would have refused it), the right PIN costs nothing, a wrong one a try at
// most, and nothing stays verified.
func TestFaults(t *testing.T) {
	signed, failed := 0, 0
	for name, what := range mishaps {
		for _, when := range []cardtest.When{cardtest.Instead, cardtest.Before, cardtest.After} {
			if when == cardtest.Before && what >= cardtest.WrongStatus {
				continue // as instead
			}
			for n := 1; n <= 18; n++ {
				for _, pin := range []string{cardtest.PIN, "86420975"} {
					soft := withKey(cardtest.GIDS())
					readers := cardtest.NewReaders(soft)
					readers.Fault(reader, n, cardtest.Fault{What: what, When: when})
					if err := signOnce(t, readers, pin); err == nil {
						signed++
						assert.Equal(t, cardtest.PIN, pin)
					} else {
						failed++
						assert.NotEmpty(t, err.Error())
					}
					switch {
					case pin == cardtest.PIN:
						assert.Zero(t, soft.Spent(), "%s at command %d", name, n)
					default:
						most := 1
						if when == cardtest.After && what == cardtest.Garbage {
							most = 2 // it says that the PIN was right
						}
						assert.LessOrEqual(t, soft.Spent(), most, "%s at command %d", name, n)
					}
					assert.False(t, soft.Verified(), "%s at command %d", name, n)
					assert.Zero(t, soft.Writes())
					require.NoError(t, readers.Close())
				}
			}
		}
	}
	assert.Greater(t, signed, 90)
	assert.Greater(t, failed, 90)
}

func signOnce(t *testing.T, readers *cardtest.Readers, pin string) error {
	service := card.NewService(readers.Driver(), &card.Options{BusyTimeout: time.Millisecond})
	defer func() { require.NoError(t, service.Close()) }()
	c, err := service.Card(t.Context(), reader)
	if err != nil {
		return err
	}
	g := gids.New(c)
	found, errs := list(t.Context(), g)
	if len(found) == 0 {
		return errors.Join(append(errs, errNoMore)...)
	}
	key, err := g.Key(t.Context(), found[0], small().Public(), card.FixedPIN(pin))
	if err != nil {
		return err
	}
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	return errors.Join(err, key.Close())
}
