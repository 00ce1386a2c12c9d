package enumerate_test

import (
	"context"
	"crypto"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/toyapp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A twinKind makes cards with the same key and certificate, PIN and ATR, but
// different identities.
type twinKind struct {
	name string
	new  func(n byte) *cardtest.Card
}

func twinKinds() []twinKind {
	p256, p256DER := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{"alice@example.com"}})
	rsa, rsaDER := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0), UPNs: []string{"alice@example.com"}})
	withCHUID := func(c *cardtest.Card, n byte) *cardtest.Card {
		guid := make([]byte, 16)
		guid[15] = n
		chuid := append([]byte{0x34, 16}, guid...)
		return c.PutObject(0x5FC102, append(chuid, 0xFE, 0))
	}
	return []twinKind{
		{"PIV", func(n byte) *cardtest.Card {
			return withCHUID(cardtest.PIV().Put("9A", p256, p256DER), n)
		}},
		{"YubiKey", func(n byte) *cardtest.Card {
			return withCHUID(cardtest.YubiKey("5.4.3").Put("9A", p256, p256DER), n)
		}},
		{"GIDS", func(n byte) *cardtest.Card {
			id := make([]byte, 16)
			id[15] = n
			return cardtest.GIDS().PutFile("cardid", id).Put("kxc00", rsa, rsaDER)
		}},
	}
}

// onTwins runs a test on two cards of each kind, the first in a reader.
func onTwins(t *testing.T, test func(t *testing.T, readers *cardtest.Readers, f *enumerate.Finder, first, second *cardtest.Card)) {
	for _, kind := range twinKinds() {
		t.Run(kind.name, func(t *testing.T) {
			first, second := kind.new(1), kind.new(2)
			readers := cardtest.NewReaders(first)
			test(t, readers, finderOn(t, readers, nil), first, second)
			for _, c := range []*cardtest.Card{first, second} {
				assert.False(t, c.Verified())
			}
		})
	}
}

// A prompt is a PINFunc that records its requests.
type prompt struct {
	pin      string
	requests []card.PINRequest
}

func (p *prompt) ask(_ context.Context, r card.PINRequest) (card.PIN, error) {
	p.requests = append(p.requests, r)
	if r.Refused != nil {
		return card.PIN{}, r.Refused
	}
	return card.NewPIN([]byte(p.pin)), nil
}

// signOnce signs; enumerate verifies the signature.
func signOnce(t *testing.T, key *enumerate.Key) {
	t.Helper()
	_, err := key.Sign(nil, make([]byte, 32), crypto.SHA256)
	require.NoError(t, err)
}

func TestReplaceWhileKeyIsOpen(t *testing.T) {
	onTwins(t, func(t *testing.T, readers *cardtest.Readers, f *enumerate.Finder, first, second *cardtest.Card) {
		p := &prompt{pin: cardtest.PIN}
		c := only(t, f)
		key, err := c.Unlock(t.Context(), p.ask)
		require.NoError(t, err)
		readers.Replace(zero, second)
		for range 3 {
			_, err := key.Sign(nil, make([]byte, 32), crypto.SHA256)
			assertOver(t, err)
		}
		require.NoError(t, key.Close())
		_, err = c.Unlock(t.Context(), p.ask)
		assert.ErrorIs(t, err, card.ErrChanged)
		assert.Len(t, p.requests, 1)

		readers.Replace(zero, first)
		key, err = c.Unlock(t.Context(), p.ask)
		require.NoError(t, err, "the same card")
		signOnce(t, key)
		require.NoError(t, key.Close())
	})
}

// TestReplaceUnknownCard has cards without an identity: only the lost connection
// shows the replacement.
func TestReplaceUnknownCard(t *testing.T) {
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0)})
	unknown := func() *cardtest.Card {
		return cardtest.PIV().Put("9A", key, certificate).PutObject(0x5FC102, nil)
	}
	readers := cardtest.NewReaders(unknown())
	f := finderOn(t, readers, nil)
	p := &prompt{pin: cardtest.PIN}
	ask, forget := card.CachePIN(p.ask, time.Hour)
	defer forget()
	opened, err := only(t, f).Unlock(t.Context(), ask)
	require.NoError(t, err)
	second := unknown()
	readers.Replace(zero, second)
	for range 2 {
		assertOver(t, trySign(opened))
	}
	require.NoError(t, opened.Close())
	assert.Len(t, p.requests, 1)
	opened, err = only(t, f).Unlock(t.Context(), ask)
	require.NoError(t, err)
	assert.Len(t, p.requests, 2)
	assert.True(t, p.requests[1].Card.IsZero())
	require.NoError(t, opened.Close())
	assert.False(t, second.Verified())
}

func TestReplaceForgetsCachedPIN(t *testing.T) {
	onTwins(t, func(t *testing.T, readers *cardtest.Readers, f *enumerate.Finder, first, second *cardtest.Card) {
		p := &prompt{pin: cardtest.PIN}
		ask, forget := card.CachePIN(p.ask, time.Hour)
		defer forget()
		for _, soft := range []*cardtest.Card{first, second, first} {
			if soft != first || len(p.requests) > 0 {
				readers.Replace(zero, soft)
			}
			for range 2 {
				key, err := only(t, f).Unlock(t.Context(), ask)
				require.NoError(t, err)
				require.NoError(t, key.Close())
			}
		}
		require.Len(t, p.requests, 3)
		assert.NotEqual(t, p.requests[0].Card, p.requests[1].Card)
		assert.Equal(t, p.requests[0].Card, p.requests[2].Card)
	})
}

// TestPromptNamesPresentCard lists the first card and unlocks after the replacement.
func TestPromptNamesPresentCard(t *testing.T) {
	for _, kind := range twinKinds() {
		t.Run(kind.name, func(t *testing.T) {
			first, second := kind.new(1), kind.new(2)
			readers := cardtest.NewReaders(first)
			f := finderOn(t, readers, nil)
			c := only(t, f)
			readers.Replace(zero, second)
			p := &prompt{pin: cardtest.PIN}
			key, err := c.Unlock(t.Context(), p.ask)
			if !c.Card.IsZero() {
				assert.ErrorIs(t, err, card.ErrChanged, "it was listed with an identity")
				assert.Empty(t, p.requests)
				return
			}
			require.NoError(t, err, "the same certificate, and no identity was known")
			require.NoError(t, key.Close())
			f.Identify = true
			require.Len(t, p.requests, 1)
			assert.Equal(t, only(t, f).Card, p.requests[0].Card)
			assert.Equal(t, "alice@example.com", p.requests[0].Title)

			readers.Replace(zero, first)
			_, err = c.Unlock(t.Context(), p.ask)
			assert.ErrorIs(t, err, card.ErrChanged, "now the identity is known")
			assert.Len(t, p.requests, 1)
		})
	}
}

// TestRefusalStaysWithCard has two cards with the same certificate and different
// PINs.
func TestRefusalStaysWithCard(t *testing.T) {
	onTwins(t, func(t *testing.T, readers *cardtest.Readers, f *enumerate.Finder, first, second *cardtest.Card) {
		require.NoError(t, only(t, f).PIN().Change(t.Context(), answers(cardtest.PIN, "654321")))
		unlock := func() error {
			p := &prompt{pin: cardtest.PIN}
			key, err := only(t, f).Unlock(t.Context(), p.ask)
			if err == nil {
				err = key.Close()
			}
			return err
		}
		assert.ErrorIs(t, unlock(), card.ErrWrongPIN)
		readers.Replace(zero, second)
		assert.NoError(t, unlock(), "another card did not refuse it")
		readers.Replace(zero, first)
		assert.ErrorIs(t, unlock(), card.ErrRefusedBefore)
		assert.Equal(t, 1, first.Spent())
		assert.Zero(t, second.Spent())
	})
}

func TestListingAfterReplacement(t *testing.T) {
	onTwins(t, func(t *testing.T, readers *cardtest.Readers, f *enumerate.Finder, first, second *cardtest.Card) {
		f.Identify = true
		a := only(t, f)
		readers.Replace(zero, second)
		b := only(t, f)
		assert.NotEqual(t, a.Card, b.Card)
		readers.Replace(zero, first)
		assert.Equal(t, a.Card, only(t, f).Card)
		_, err := b.Unlock(t.Context(), mustNotAsk(t))
		assert.ErrorIs(t, err, card.ErrChanged)
	})
}

// TestListingAfterReplacementOfApplication replaces a PIV card by a GIDS card with the
// same ATR, and back.
func TestListingAfterReplacementOfApplication(t *testing.T) {
	atr := cardtest.ATR([]byte{0x3B, 0x80, 0x01, 0x81})
	_, certificate := cardtest.TestCA().Issue(cardtest.Leaf{})
	piv := cardtest.PIV(atr).Put("9A", nil, certificate)
	gids := cardtest.GIDS(atr).Put("kxc00", cardtest.Key(cardtest.RSA2048, 0), certificate)
	readers := cardtest.NewReaders(piv)
	f := finderOn(t, readers, nil)
	for range 2 {
		assert.Equal(t, enumerate.PIV, only(t, f).Application)
		readers.Replace(zero, gids)
		assert.Equal(t, enumerate.GIDS, only(t, f).Application)
		readers.Replace(zero, piv)
	}
}

// TestUnlockInAnotherReader moves the card of a credential, while its old reader
// holds its twin.
func TestUnlockInAnotherReader(t *testing.T) {
	for _, kind := range twinKinds() {
		t.Run(kind.name, func(t *testing.T) {
			first, second := kind.new(1), kind.new(2)
			readers := cardtest.NewReaders(first, nil)
			f := finderOn(t, readers, nil)
			f.Identify = true
			c := only(t, f)
			readers.Remove(zero)
			readers.Insert(zero, second)
			readers.Insert("Software Reader 01", first)
			p := &prompt{pin: cardtest.PIN}
			key, err := c.Unlock(t.Context(), p.ask)
			require.NoError(t, err)
			signOnce(t, key)
			assert.True(t, first.Verified())
			assert.False(t, second.Verified())
			require.Len(t, p.requests, 1)
			assert.Equal(t, c.Card, p.requests[0].Card)
			assert.Equal(t, "Software Reader 01", p.requests[0].Reader)
			require.NoError(t, key.Close())
		})
	}
}

// TestUnlockSkipsCardsInUse has a card with the same certificate on which a key is
// open. The identity of the removed card was never read.
func TestUnlockSkipsCardsInUse(t *testing.T) {
	for _, kind := range twinKinds()[:2] {
		t.Run(kind.name, func(t *testing.T) {
			first, second := kind.new(1), kind.new(2)
			readers := cardtest.NewReaders(first, second)
			f := finderOn(t, readers, nil)
			credentials, errs := all(t, f)
			require.Empty(t, errs)
			require.Len(t, credentials, 2)
			a, b := credentials[0], credentials[1]
			if a.Reader != zero {
				a, b = b, a
			}
			key, err := b.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			readers.Remove(zero)
			_, err = a.Unlock(t.Context(), mustNotAsk(t))
			assert.ErrorIs(t, err, card.ErrNoCard)
			signOnce(t, key)
			require.NoError(t, key.Close())

			key, err = a.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err, "no key is open any more")
			require.NoError(t, key.Close())
		})
	}
}

// TestWatchReplacement replaces a card while the caller of Watch is busy. Without a
// held connection nothing shows it but the identity, when the key is opened.
func TestWatchReplacement(t *testing.T) {
	for _, kind := range twinKinds() {
		for _, held := range []bool{true, false} {
			name := kind.name + ", key open"
			if !held {
				name = kind.name + ", key closed"
			}
			t.Run(name, func(t *testing.T) {
				first, second := kind.new(1), kind.new(2)
				watching(t, []*cardtest.Card{first}, newFinder, func(t *testing.T, w *watched) {
					list := w.appeared()
					require.Len(t, list, 1)
					key, err := list[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
					require.NoError(t, err)
					if !held {
						require.NoError(t, key.Close())
					}
					w.busy.Add(1)
					w.readers.Plug("Another reader", nil) // the caller gets events
					w.readers.Replace(zero, second)
					if held {
						_, err = key.Sign(nil, make([]byte, 32), crypto.SHA256)
						assertOver(t, err)
						require.NoError(t, key.Close())
					} else {
						_, err = list[0].Unlock(t.Context(), mustNotAsk(t))
						assert.ErrorIs(t, err, card.ErrChanged)
					}
					w.busy.Done()
					synctest.Wait()
					require.Len(t, w.events, 2)
					assert.Equal(t, enumerate.Event{Gone: true, Credential: list[0]}, <-w.events)
					inserted := <-w.events
					require.False(t, inserted.Gone)
					key, err = inserted.Credential.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
					require.NoError(t, err)
					assert.True(t, second.Verified())
					require.NoError(t, key.Close())
				})
			})
		}
	}
}

// TestPINManagerAfterReplacement replaces the card before its PIN is set.
func TestPINManagerAfterReplacement(t *testing.T) {
	atr := cardtest.ATR([]byte{0x3B, 0x80, 0x01, 0x81})
	leaf := func(upn string) cardtest.Leaf {
		return cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0), UPNs: []string{upn}}
	}
	for name, kind := range map[string]func(upn string) *cardtest.Card{
		"PIV":  func(upn string) *cardtest.Card { return put(cardtest.PIV(atr), "9A", leaf(upn)) },
		"GIDS": func(upn string) *cardtest.Card { return put(cardtest.GIDS(atr), "kxc00", leaf(upn)) },
		"toy":  func(upn string) *cardtest.Card { return toyCard("0001", upn) }, // the same serial number
	} {
		t.Run(name, func(t *testing.T) {
			first, second := kind("alice@example.com"), kind("bob@example.com")
			readers := cardtest.NewReaders(first)
			f := finderOn(t, readers, nil)
			f.Add(toyapp.Kind)
			c := only(t, f)
			readers.Replace(zero, second)
			assert.ErrorIs(t, c.PIN().Change(t.Context(), mustNotAsk(t)), card.ErrChanged)
			err := c.PIN().UnblockByAdministrator(t.Context(), func(context.Context, []byte) ([]byte, error) {
				t.Error("the administrator was asked")
				return nil, nil
			}, mustNotAsk(t))
			assert.True(t, errors.Is(err, card.ErrChanged) || errors.Is(err, errors.ErrUnsupported), "%v", err)
			assert.Zero(t, second.Writes())

			readers.Replace(zero, first)
			c = only(t, f)
			var titles []string
			p := &prompt{pin: cardtest.PIN}
			require.NoError(t, c.PIN().Change(t.Context(), func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
				titles = append(titles, r.Title)
				if r.New {
					return card.NewPIN([]byte("654321")), nil
				}
				return p.ask(ctx, r)
			}))
			assert.Equal(t, []string{"alice@example.com", "alice@example.com"}, titles)
			assert.False(t, first.Verified())
		})
	}
}

// TestServiceRestart restarts the service while a key is open and the card stays in
// its reader. The service counts events anew, which ends the key, not the credential.
func TestServiceRestart(t *testing.T) {
	onTwins(t, func(t *testing.T, readers *cardtest.Readers, f *enumerate.Finder, first, _ *cardtest.Card) {
		c := only(t, f)
		key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		readers.Stop()
		_, err = key.Sign(nil, make([]byte, 32), crypto.SHA256)
		assert.ErrorIs(t, err, card.ErrNoService)
		readers.Start()
		_, err = key.Sign(nil, make([]byte, 32), crypto.SHA256)
		if err != nil {
			assertOver(t, err)
		}
		require.NoError(t, key.Close())
		key, err = c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		signOnce(t, key)
		require.NoError(t, key.Close())
		assert.Equal(t, c.Card, only(t, f).Card)
	})
}
