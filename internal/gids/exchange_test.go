package gids_test

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// An exchange is a card that is replaced by another with the same ATR, reader name,
// event count, certificate, key, PIN and administrator key. They differ in the
// identifier, if they have one.
type exchange struct {
	readers       *cardtest.Readers
	service       *card.Service
	gids          *gids.Card
	cert          *gids.Certificate
	first, second *cardtest.Card
}

func newExchange(t *testing.T, identified bool) *exchange {
	t.Helper()
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: smallKey()})
	e := &exchange{first: cardtest.GIDS(), second: cardtest.GIDS()}
	for _, soft := range []*cardtest.Card{e.first, e.second} {
		soft.Put("kxc00", smallKey(), der)
		if !identified {
			soft.PutFile("cardid", nil)
		}
	}
	e.readers = cardtest.NewReaders(e.first)
	e.service = e.readers.Service()
	t.Cleanup(func() {
		require.NoError(t, e.service.Close())
		require.NoError(t, e.readers.Close())
	})
	c, err := e.service.Card(t.Context(), reader)
	require.NoError(t, err)
	e.gids = gids.New(c)
	e.cert = onlyCertificate(t, e.gids)
	return e
}

func (e *exchange) replace() { e.readers.Replace(reader, e.second) }

// assertUntouched checks that the second card received no PIN, no signature command and
// no write, and that neither card has a verified PIN.
func (e *exchange) assertUntouched(t *testing.T, msg string) {
	t.Helper()
	assert.Equal(t, []int{0, 0, 0}, []int{e.second.PINs(), e.second.KeyUses(), e.second.Writes()}, msg)
	assert.False(t, e.first.Verified(), msg)
	assert.False(t, e.second.Verified(), msg)
}

// isOver reports whether an error says that the card is gone: in the transaction that
// lost the connection, and in every later one.
func isOver(err error) bool {
	return errors.Is(err, card.ErrChanged) || errors.Is(err, card.ErrRemoved) || errors.Is(err, card.ErrNoReader)
}

// assertOver checks that the Card cannot be used any more, and that a new one for the
// same reader can.
func (e *exchange) assertOver(t *testing.T, msg string) {
	t.Helper()
	for range 2 {
		_, err := e.gids.PINStatus(t.Context())
		assert.True(t, errors.Is(err, card.ErrChanged) || errors.Is(err, card.ErrRemoved), "%s: %v", msg, err)
		_, err = e.gids.Key(t.Context(), e.cert, smallKey().Public(), card.FixedPIN(cardtest.PIN))
		assert.True(t, errors.Is(err, card.ErrChanged) || errors.Is(err, card.ErrRemoved), "%s: %v", msg, err)
	}
	c, err := e.service.Card(t.Context(), reader)
	require.NoError(t, err)
	_, err = gids.New(c).PINStatus(t.Context())
	assert.NoError(t, err, msg)
}

// operations are what sends a PIN, writes or uses a key.
var operations = map[string]func(ctx context.Context, e *exchange, ask card.PINFunc) error{
	"change the PIN": func(ctx context.Context, e *exchange, ask card.PINFunc) error {
		return e.gids.ChangePIN(ctx, ask)
	},
	"unblock the PIN": func(ctx context.Context, e *exchange, ask card.PINFunc) error {
		return e.gids.UnblockByAdministrator(ctx, testkeys.Administrator(cardtest.AdminKey), ask)
	},
	"use a key": func(ctx context.Context, e *exchange, ask card.PINFunc) error {
		key, err := e.gids.Key(ctx, e.cert, smallKey().Public(), ask)
		if err != nil {
			return err
		}
		defer key.Close()
		for range 2 {
			if _, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256); err != nil {
				for range 2 {
					if _, again := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256); !isOver(again) {
						return fmt.Errorf("key is usable after %v: %v", err, again)
					}
				}
				return err
			}
		}
		return nil
	},
}

// The card is exchanged at each command of each operation. The second card gets neither
// PIN nor signature command nor write, and the Card is over.
func TestExchangeAtEachCommand(t *testing.T) {
	for name, run := range operations {
		for _, identified := range []bool{true, false} {
			e := newExchange(t, identified)
			before := e.first.Exchanges().Commands
			require.NoError(t, run(t.Context(), e, answersFor(name).ask))
			commands := e.first.Exchanges().Commands - before
			assert.Greater(t, commands, 7, name)
			for n := 1; n <= commands; n++ {
				for when := cardtest.Instead; when <= cardtest.After; when++ {
					msg := fmt.Sprintf("%s, identified %t, when %d, command %d of %d", name, identified, when, n, commands)
					e := newExchange(t, identified)
					e.readers.Fault(reader, n, cardtest.Fault{What: cardtest.Replacement, When: when, Card: e.second})
					err := run(t.Context(), e, answersFor(name).ask)
					if n == commands { // the logout
						assert.NoError(t, err, msg)
					} else {
						assert.True(t, isOver(err), "%s: %v", msg, err)
					}
					e.assertUntouched(t, msg)
					e.assertOver(t, msg)
				}
			}
		}
	}
}

// answersFor returns the PINs with which an operation succeeds.
func answersFor(operation string) *prompter {
	if operation == "unblock the PIN" {
		return &prompter{answers: []string{"654321"}}
	}
	return &prompter{answers: []string{cardtest.PIN, "654321"}}
}

// The card is exchanged while the user is asked, and while the administrator is.
func TestExchangeWhileAsked(t *testing.T) {
	for name, run := range operations {
		for _, identified := range []bool{true, false} {
			for n := 1; n <= 2; n++ {
				msg := fmt.Sprintf("%s, identified %t, prompt %d", name, identified, n)
				e := newExchange(t, identified)
				p := prompter{answers: []string{cardtest.PIN, "654321"}}
				if name == "unblock the PIN" {
					p.answers = []string{"12345678901234567", "654321"} // the card refuses the first
				} else if name == "use a key" {
					p.answers = []string{"000000", cardtest.PIN}
				}
				err := run(t.Context(), e, func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
					if len(p.requests) == n-1 {
						e.replace()
					}
					return p.ask(ctx, r)
				})
				assert.True(t, isOver(err), "%s: %v", msg, err)
				e.assertUntouched(t, msg)
				e.assertOver(t, msg)
			}
		}
	}
	for _, identified := range []bool{true, false} {
		e := newExchange(t, identified)
		p := prompter{answers: []string{"654321"}}
		err := e.gids.UnblockByAdministrator(t.Context(), func(ctx context.Context, challenge []byte) ([]byte, error) {
			e.replace()
			return testkeys.Administrator(cardtest.AdminKey)(ctx, challenge)
		}, p.ask)
		assert.True(t, isOver(err), err)
		assert.Empty(t, p.requests, "no new PIN for another card")
		e.assertUntouched(t, "response")
		e.assertOver(t, "response")
	}
}

// The card is exchanged while nothing holds it. Only the identifier tells.
func TestExchangeBetweenTransactions(t *testing.T) {
	for name, run := range operations {
		e := newExchange(t, true)
		e.replace()
		p := prompter{}
		err := run(t.Context(), e, p.ask)
		assert.ErrorIs(t, err, card.ErrChanged, name)
		assert.Empty(t, p.requests, name)
		e.assertUntouched(t, name)
		_, err = e.gids.PINStatus(t.Context())
		assert.ErrorIs(t, err, card.ErrChanged, name)
	}
}

// The card is exchanged while a key is open. The key does not work with the second
// card, nor once the first one is back.
func TestExchangeWhileKeyOpen(t *testing.T) {
	for _, identified := range []bool{true, false} {
		e := newExchange(t, identified)
		p := prompter{answers: []string{cardtest.PIN, cardtest.PIN}}
		key, err := e.gids.Key(t.Context(), e.cert, smallKey().Public(), p.ask)
		require.NoError(t, err)
		_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		require.NoError(t, err)
		e.replace()
		for range 3 {
			_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			assert.True(t, isOver(err), err)
		}
		e.assertUntouched(t, "open key")
		e.assertOver(t, "open key")
		e.readers.Replace(reader, e.first)
		_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
		assert.True(t, isOver(err), err)
		require.NoError(t, key.Close())
		assert.Len(t, p.requests, 1)
		assert.Equal(t, []int{1, 1}, []int{e.first.PINs(), e.first.KeyUses()})
		e.assertUntouched(t, "closed key")
	}
}

// The certificates of the second card are listed, not those of the first from the cache:
// by a new Card if the identifier tells, by the same Card otherwise.
func TestExchangeBetweenLists(t *testing.T) {
	for _, content := range [][]byte{[]byte("0123456789ABCDEF"), nil, {}, make([]byte, 16)} {
		first, second := cardtest.GIDS(), cardtest.GIDS()
		first.PutFile("cardid", []byte("FEDCBA9876543210"))
		if !bytes.Equal(content, []byte("0123456789ABCDEF")) {
			first.PutFile("cardid", content) // neither has an identifier
		}
		second.PutFile("cardid", content)
		putLeaf(first, "kxc00", smallKey())
		want := putLeaf(second, "kxc00", cardtest.Key(cardtest.RSA2048, 0))
		require.Equal(t, first.File("cardcf"), second.File("cardcf"))
		readers := cardtest.NewReaders(first)
		service := readers.Service()
		c, err := service.Card(t.Context(), reader)
		require.NoError(t, err)
		g := gids.New(c)
		onlyCertificate(t, g)
		onlyCertificate(t, g)
		readers.Replace(reader, second)
		certs, errs := list(t.Context(), g)
		if len(errs) > 0 {
			require.ErrorIs(t, errs[0], card.ErrChanged)
			require.Empty(t, certs)
			c, err = service.Card(t.Context(), reader)
			require.NoError(t, err)
			certs, errs = list(t.Context(), gids.New(c))
		}
		require.Empty(t, errs)
		require.Len(t, certs, 1)
		assert.Equal(t, want, certs[0].Raw)
		require.NoError(t, service.Close())
		require.NoError(t, readers.Close())
	}
}
