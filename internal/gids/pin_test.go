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

func TestPINStatus(t *testing.T) {
	for name, test := range map[string]struct {
		options []cardtest.Option
		want    card.PINStatus
	}{
		"new":          {nil, card.PINStatus{Retries: 3}},
		"two left":     {[]cardtest.Option{cardtest.RetriesLeft(2)}, card.PINStatus{Retries: 2}},
		"blocked":      {[]cardtest.Option{cardtest.RetriesLeft(0)}, card.PINStatus{Blocked: true}},
		"old card":     {[]cardtest.Option{cardtest.GIDSOldRetries, cardtest.RetriesLeft(2)}, card.PINStatus{Retries: 2}},
		"not reported": {[]cardtest.Option{cardtest.GIDSNoRetries}, card.PINStatus{Retries: -1}},
		"100 left":     {[]cardtest.Option{cardtest.MaxRetries(100), cardtest.RetriesLeft(100)}, card.PINStatus{Retries: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.GIDS(test.options...)
			sent := map[byte]bool{}
			ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) { sent[c.INS] = true }})
			got, err := newCard(t, soft).PINStatus(ctx)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			assert.False(t, sent[0x20], "VERIFY is not used to read the counter")
			assert.Zero(t, soft.Spent())
		})
	}
}

func TestPINRequest(t *testing.T) {
	soft := withKey(cardtest.GIDS())
	soft.PutFile("cardid", []byte("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xAA\xBB\xCC\xDD\xEE\xFF"))
	g := newCard(t, soft)
	p := prompter{answers: []string{"000000"}}
	_, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), p.ask)
	require.ErrorIs(t, err, errNoAnswer)
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
			g := newCard(t, soft)
			cert := onlyCertificate(t, g)
			// No PIN is sent twice, and the last try needs consent.
			p := prompter{answers: []string{"000000", "000000", "111111", "222222"}}
			_, err := g.Key(t.Context(), cert, smallKey().Public(), p.ask)
			require.ErrorIs(t, err, errNoAnswer)
			assert.Equal(t, 2, soft.Spent())
			assert.Equal(t, 1, soft.RetriesLeft())
			for i, want := range []error{card.ErrWrongPIN, card.ErrRefusedBefore, card.ErrWrongPIN, card.ErrLastTry} {
				assert.ErrorIs(t, p.requests[i+1].Refused, want)
			}
			p = prompter{answers: []string{"222222"}, allowLast: true}
			_, err = g.Key(t.Context(), cert, smallKey().Public(), p.ask)
			assert.ErrorIs(t, err, card.ErrPINBlocked)
			_, err = g.Key(t.Context(), cert, smallKey().Public(), card.FixedPIN(cardtest.PIN))
			assert.ErrorIs(t, err, card.ErrPINBlocked)
			assert.Equal(t, 3, soft.Spent())
		})
	}
}

func TestPINOfWrongLength(t *testing.T) {
	soft := withKey(cardtest.GIDS())
	g := newCard(t, soft)
	p := prompter{answers: []string{"123", "12345678901234567"}}
	_, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), p.ask)
	require.ErrorIs(t, err, errNoAnswer)
	assert.ErrorIs(t, p.requests[1].Refused, card.ErrPINFormat)
	assert.ErrorIs(t, p.requests[2].Refused, card.ErrWrongPIN)
	assert.Equal(t, 3, p.requests[2].Retries)
	assert.Zero(t, soft.Spent())
}

// If a card does not report its retry counter, each try may be the last.
func TestLastTryWithUnknownRetryCounter(t *testing.T) {
	soft := withKey(cardtest.GIDS(cardtest.GIDSNoRetries))
	g := newCard(t, soft)
	_, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), card.FixedPIN(cardtest.PIN))
	assert.ErrorIs(t, err, card.ErrLastTry)
	p := prompter{answers: []string{cardtest.PIN}, allowLast: true}
	key, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), p.ask)
	require.NoError(t, err)
	require.NoError(t, key.Close())
}

func TestLogoutNotSupported(t *testing.T) {
	soft := withKey(cardtest.GIDS(cardtest.NoLogout))
	g := newCard(t, soft)
	key, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, key.Close())
	assert.False(t, soft.Verified(), "reset instead")
}

func TestChangePIN(t *testing.T) {
	soft := withKey(cardtest.GIDS())
	g := newCard(t, soft)
	p := prompter{answers: []string{cardtest.PIN, "87654321"}}
	require.NoError(t, g.ChangePIN(t.Context(), p.ask))
	assert.Equal(t, []bool{false, true}, []bool{p.requests[0].New, p.requests[1].New})
	assert.True(t, accepts(t, soft, "87654321"))
	assert.False(t, accepts(t, soft, cardtest.PIN))
	assert.Equal(t, 1, soft.Spent())
}

// The card splits old and new PIN by the length of the stored PIN, 123456: the old PIN
// 1234 with the new PIN 56789012 must not set 789012.
func TestChangePINWithPrefixOfOldPIN(t *testing.T) {
	soft := withKey(cardtest.GIDS())
	p := prompter{answers: []string{"1234", "56789012"}}
	err := newCard(t, soft).ChangePIN(t.Context(), p.ask)
	require.ErrorIs(t, err, errNoAnswer)
	assert.ErrorIs(t, p.requests[2].Refused, card.ErrWrongPIN)
	assert.Equal(t, 1, soft.Spent())
	assert.True(t, accepts(t, soft, cardtest.PIN))
}

// For a new PIN of a wrong length cards return 6700 or 6A80 or, if both PINs together
// are too short, the status of a wrong PIN.
func TestNewPINRefused(t *testing.T) {
	for refused, soft := range map[string]*cardtest.Card{"12345678901234567": cardtest.GIDS(), "1234": cardtest.TPM()} {
		withKey(soft)
		p := prompter{answers: []string{cardtest.PIN, refused, cardtest.PIN, "654321"}}
		require.NoError(t, newCard(t, soft).ChangePIN(t.Context(), p.ask))
		require.Len(t, p.requests, 4)
		assert.NoError(t, p.requests[2].Refused, "the old PIN is right")
		assert.ErrorIs(t, p.requests[3].Refused, card.ErrNewPIN)
		assert.Zero(t, soft.Spent())
		assert.True(t, accepts(t, soft, "654321"))
	}
}

func TestUnblockWithoutPUK(t *testing.T) {
	p := prompter{answers: []string{"1", "2"}}
	err := newCard(t, cardtest.GIDS()).Unblock(t.Context(), p.ask)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	assert.NotEmpty(t, card.Hint(err))
	assert.Empty(t, p.requests)
}

func TestUnblock(t *testing.T) {
	soft := withKey(cardtest.GIDS(cardtest.RetriesLeft(0), cardtest.GIDSWithPUK))
	p := prompter{answers: []string{"00000000", "654321", cardtest.PUK, "654321"}}
	require.NoError(t, newCard(t, soft).Unblock(t.Context(), p.ask))
	assert.Equal(t, gids.PUK, p.requests[0].Reference)
	assert.Equal(t, 3, p.requests[0].Retries)
	assert.ErrorIs(t, p.requests[2].Refused, card.ErrWrongPIN)
	assert.Equal(t, 3, soft.RetriesLeft())
	assert.True(t, accepts(t, soft, "654321"))
}

func TestUnblockByAdministrator(t *testing.T) {
	for name, options := range map[string][]cardtest.Option{"blocked": {cardtest.RetriesLeft(0)}, "the PIN is not blocked": nil, "SELECT keeps a PIN": {cardtest.GIDSSelectKeeps, cardtest.RetriesLeft(0)}} {
		t.Run(name, func(t *testing.T) {
			soft := withKey(cardtest.GIDS(options...))
			g := newCard(t, soft)
			_, errs := list(t.Context(), g)
			require.Empty(t, errs)
			p := prompter{answers: []string{"12345678901234567", "654321"}}
			require.NoError(t, g.UnblockByAdministrator(t.Context(), testkeys.Administrator(cardtest.AdminKey), p.ask))
			require.Len(t, p.requests, 2)
			assert.True(t, p.requests[0].New)
			assert.ErrorIs(t, p.requests[1].Refused, card.ErrNewPIN)
			assert.Equal(t, 3, soft.RetriesLeft())
			assert.True(t, accepts(t, soft, "654321"))
		})
	}
}

func TestUnblockByAdministratorRefused(t *testing.T) {
	soft := withKey(cardtest.GIDS(cardtest.RetriesLeft(0)))
	g := newCard(t, soft)
	p := prompter{answers: []string{"654321"}}
	err := g.UnblockByAdministrator(t.Context(), testkeys.Administrator("876543218765432187654321"), p.ask)
	assert.ErrorIs(t, err, gids.ErrAdministrator)
	assert.NotEmpty(t, card.Hint(err))
	p = prompter{answers: []string{"654321"}}
	err = g.UnblockByAdministrator(t.Context(), func(context.Context, []byte) ([]byte, error) { return nil, errNoAnswer }, p.ask)
	assert.ErrorIs(t, err, errNoAnswer)
	assert.Empty(t, p.requests, "no new PIN without a response")
	assert.Zero(t, soft.RetriesLeft())
}

// After giving up, the authentication of the administrator is ended: with it other
// programs could write to the card.
func TestAdministratorLoggedOut(t *testing.T) {
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
		// Authenticated until here: the card accepts a write.
		response, err := soft.Transmit([]byte{0x00, 0xDB, 0xA0, 0x14, 0x03, 0xDF, 0x24, 0x00})
		require.NoError(t, err)
		assert.Equal(t, []byte{0x90, 0x00}, response)
		return card.PIN{}, errNoAnswer
	})
	require.ErrorIs(t, err, errNoAnswer)
	release()
	response, err := soft.Transmit([]byte{0x00, 0xDB, 0xA0, 0x14, 0x03, 0xDF, 0x24, 0x00})
	require.NoError(t, err)
	assert.Equal(t, []byte{0x69, 0x82}, response)
}

var mishaps = map[string]cardtest.Mishap{
	"removal": cardtest.Removal, "reset": cardtest.OtherReset, "service stop": cardtest.ServiceStop,
	"status": cardtest.WrongStatus, "empty": cardtest.Empty, "truncated": cardtest.Truncated, "garbage": cardtest.Garbage,
	"more": cardtest.MoreData, "wrong Le": cardtest.WrongLe, "no response": cardtest.NoResponse, "busy": cardtest.Busy,
}

// A fault at any command: the right PIN costs no try, a wrong one at most one, nothing
// stays verified and nothing is written. Sign verifies what it returns.
func TestFaults(t *testing.T) {
	soft := withKey(cardtest.GIDS())
	require.NoError(t, signOnce(t, cardtest.NewReaders(soft), cardtest.PIN))
	commands := soft.Exchanges().Commands
	require.GreaterOrEqual(t, commands, 18)
	signed, failed := 0, 0
	for name, what := range mishaps {
		for _, when := range []cardtest.When{cardtest.Instead, cardtest.Before, cardtest.After} {
			if when == cardtest.Before && what >= cardtest.WrongStatus {
				continue // the same as Instead
			}
			for n := 1; n <= commands; n++ {
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
					most := 0
					if pin != cardtest.PIN {
						most = 1
						if when == cardtest.After && what == cardtest.Garbage {
							most = 2 // 9000: the PIN is reported as right
						}
					}
					assert.LessOrEqual(t, soft.Spent(), most, "%s at command %d", name, n)
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
	certs, errs := list(t.Context(), g)
	if len(certs) == 0 {
		return errors.Join(append(errs, errNoAnswer)...)
	}
	key, err := g.Key(t.Context(), certs[0], smallKey().Public(), card.FixedPIN(pin))
	if err != nil {
		return err
	}
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	return errors.Join(err, key.Close())
}
