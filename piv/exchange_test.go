package piv_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/piv"
)

// A token is a model of cards: make returns another card each time, with the same keys,
// certificates and PINs.
type token struct {
	name string
	make func() *cardtest.Card
}

// loaded stores keys, certificates and a protected object.
func loaded(soft *cardtest.Card) *cardtest.Card {
	signer := cardtest.Key(cardtest.P256, 0)
	for _, s := range []piv.Slot{piv.Authentication, piv.Signature} {
		soft.Put(container(s), signer, anyCertificate())
	}
	return soft.PutObject(tagPrinted, tlv(0x01, 'A'))
}

// tokens returns models whose cards have an identity: a CHUID, or the serial number of
// a YubiKey. Software YubiKeys share one, so only the first card of two goes by it.
func tokens() []token {
	serial := false
	return []token{
		{"PIV card", func() *cardtest.Card { return loaded(cardtest.PIV()) }},
		{"YubiKey", func() *cardtest.Card { return loaded(yubikey("5.7.1")) }},
		{"PIV card with a global PIN", func() *cardtest.Card {
			return loaded(cardtest.PIV(cardtest.PIVGlobalPIN(cardtest.PIN))).
				PutObject(tagDiscovery, join(tlv(0x4F, fullAID...), tlv(0x5F2F, 0x60, 0x20)))
		}},
		{"YubiKey without CHUID, then one with", func() *cardtest.Card {
			soft := loaded(yubikey("5.7.1"))
			if serial = !serial; serial {
				soft.PutObject(tagCHUID, nil)
			}
			return soft
		}},
	}
}

// withoutIdentity has no CHUID and is not a YubiKey.
var withoutIdentity = token{"PIV card without CHUID", func() *cardtest.Card {
	return loaded(cardtest.PIV()).PutObject(tagCHUID, nil)
}}

// An access needs a PIN, writes, or uses a key.
type access struct {
	name string
	do   func(context.Context, *piv.Card, *piv.Admin, card.PINFunc) error
}

func accesses(t *testing.T) []access {
	sign := func(s piv.Slot) func(context.Context, *piv.Card, *piv.Admin, card.PINFunc) error {
		return func(ctx context.Context, p *piv.Card, _ *piv.Admin, ask card.PINFunc) error {
			key, err := p.Key(ctx, s, cardtest.Key(cardtest.P256, 0).Public(), ask)
			if err != nil {
				return err
			}
			defer key.Close()
			_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
			return err
		}
	}
	return []access{
		{"protected object", func(ctx context.Context, p *piv.Card, _ *piv.Admin, ask card.PINFunc) error {
			_, err := p.ProtectedObject(ctx, tagPrinted, ask)
			return err
		}},
		{"change PIN", func(ctx context.Context, p *piv.Card, _ *piv.Admin, ask card.PINFunc) error {
			return p.Holder().ChangePIN(ctx, ask)
		}},
		{"change PUK", func(ctx context.Context, p *piv.Card, _ *piv.Admin, ask card.PINFunc) error {
			return p.Holder().ChangePUK(ctx, ask)
		}},
		{"unblock", func(ctx context.Context, p *piv.Card, _ *piv.Admin, ask card.PINFunc) error {
			return p.Holder().Unblock(ctx, ask)
		}},
		{"sign with 9A", sign(piv.Authentication)},
		{"sign with 9C", sign(piv.Signature)},
		{"generate", func(ctx context.Context, _ *piv.Card, a *piv.Admin, _ card.PINFunc) error {
			_, err := a.Generate(ctx, piv.Authentication, piv.P256, nil)
			return err
		}},
		{"put certificate", func(ctx context.Context, _ *piv.Card, a *piv.Admin, _ card.PINFunc) error {
			return a.PutCertificate(ctx, piv.KeyManagement, anyCertificate())
		}},
		{"put CHUID", func(ctx context.Context, _ *piv.Card, a *piv.Admin, _ card.PINFunc) error {
			return a.PutObject(ctx, piv.ObjectCHUID, tlv(0x34, make([]byte, 16)...))
		}},
		{"import", func(ctx context.Context, _ *piv.Card, a *piv.Admin, _ card.PINFunc) error {
			return a.Import(ctx, piv.Authentication, testkeys.Ed25519(), nil)
		}},
		{"set management key", func(ctx context.Context, _ *piv.Card, a *piv.Admin, _ card.PINFunc) error {
			return a.SetManagementKey(ctx, managementKey(t, piv.AES128, make([]byte, 16)), 0)
		}},
		{"set retries", func(ctx context.Context, _ *piv.Card, a *piv.Admin, ask card.PINFunc) error {
			return a.SetRetries(ctx, 5, 5, ask)
		}},
		{"move key", func(ctx context.Context, _ *piv.Card, a *piv.Admin, _ card.PINFunc) error {
			return a.MoveKey(ctx, piv.Authentication, piv.Retired(1))
		}},
		{"delete key", func(ctx context.Context, _ *piv.Card, a *piv.Admin, _ card.PINFunc) error {
			return a.DeleteKey(ctx, piv.Authentication)
		}},
		{"reset", func(ctx context.Context, p *piv.Card, _ *piv.Admin, _ card.PINFunc) error {
			y, err := p.YubiKey(ctx)
			if err != nil {
				return err
			}
			return y.Reset(ctx)
		}},
	}
}

// answer is a PINFunc with the PIN, the PUK, or a new one.
func answer(_ context.Context, r card.PINRequest) (card.PIN, error) {
	switch {
	case r.Refused != nil:
		return card.PIN{}, r.Refused
	case r.New:
		return card.NewPIN([]byte("76543210")), nil
	case r.Reference == piv.PUK:
		return card.NewPIN([]byte(cardtest.PUK)).AllowLastTry(), nil
	}
	return card.NewPIN([]byte(cardtest.PIN)), nil
}

// assertUntouched checks that a card got no PIN, no write and no use of a key.
func assertUntouched(t *testing.T, soft *cardtest.Card, at string) {
	t.Helper()
	assert.Equal(t, []int{0, 0, 0}, []int{soft.PINs(), soft.Writes(), soft.KeyUses()}, "%s: PINs, writes, uses of a key", at)
}

// adminFor returns an Admin with the default management key of a token.
func adminFor(t *testing.T, p *piv.Card, name string) *piv.Admin {
	if name[0] == 'Y' {
		return adminOf(t, p, piv.AES192)
	}
	return adminOf(t, p, piv.TripleDES)
}

// gone reports whether err says that the card was removed or exchanged.
func gone(err error) bool {
	return errors.Is(err, card.ErrChanged) || errors.Is(err, card.ErrRemoved) || errors.Is(err, card.ErrNoReader)
}

// A token is exchanged for one of the same model, with the same reader name, ATR and
// event count, at each command. The other token gets no PIN, no write and no use of a
// key, then and in the next call.
func TestExchangeAtEachCommand(t *testing.T) {
	exchanges := 0
	for _, kind := range tokens() {
		for _, a := range accesses(t) {
			t.Run(kind.name+", "+a.name, func(t *testing.T) {
				perform := func(readers *cardtest.Readers, n int, f cardtest.Fault) (again func() error, err error) {
					p := openIn(t, readers)
					admin := adminFor(t, p, kind.name)
					_, err = p.Identity(t.Context())
					require.NoError(t, err)
					readers.Fault(reader, n, f)
					again = func() error { return a.do(t.Context(), p, admin, answer) }
					return again, again()
				}
				undisturbed := kind.make()
				_, err := perform(cardtest.NewReaders(undisturbed), 1, cardtest.Fault{})
				if errors.Is(err, errors.ErrUnsupported) {
					return
				}
				require.NoError(t, err)
				const identity = 2 // commands of Identity
				for n := 1; n <= undisturbed.Exchanges().Commands-identity; n++ {
					at := fmt.Sprintf("exchange at command %d", n)
					first, other := kind.make(), kind.make()
					readers := cardtest.NewReaders(first)
					again, err := perform(readers, n, cardtest.Fault{What: cardtest.Replacement, Card: other, When: cardtest.Before})
					assert.True(t, err == nil || gone(err), "%s: %v", at, err)
					assertUntouched(t, other, at)
					err = again()
					assert.True(t, gone(err), "%s: again: %v", at, err)
					assertUntouched(t, other, at+", again")
					exchanges++
				}
			})
		}
	}
	assert.Greater(t, exchanges, 300)
}

// The token is exchanged while the user is asked for the PIN, or between two calls.
func TestExchangeBetweenTransactions(t *testing.T) {
	for _, kind := range tokens() {
		for _, a := range accesses(t) {
			t.Run(kind.name+", "+a.name, func(t *testing.T) {
				first, other := kind.make(), kind.make()
				readers := cardtest.NewReaders(first)
				p := openIn(t, readers)
				prompts := 0
				err := a.do(t.Context(), p, adminFor(t, p, kind.name), func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
					if prompts++; prompts == 1 {
						readers.Replace(reader, other)
					}
					return answer(ctx, r)
				})
				if prompts > 0 {
					assert.True(t, gone(err), "during the prompt: %v", err)
				}
				assertUntouched(t, other, "during the prompt")
				if prompts == 0 {
					readers.Replace(reader, other)
				}
				err = a.do(t.Context(), p, adminFor(t, p, kind.name), answer)
				if prompts > 0 || !errors.Is(err, errors.ErrUnsupported) {
					assert.True(t, gone(err), "between two calls: %v", err)
				}
				assertUntouched(t, other, "between two calls")
			})
		}
	}
}

// A list does not read the identity. The first access after an exchange compares the
// certificate that was listed.
func TestExchangeAfterList(t *testing.T) {
	for _, a := range accesses(t) {
		t.Run(a.name, func(t *testing.T) {
			signer := cardtest.Key(cardtest.P256, 0)
			first := loaded(yubikey("5.7.1")).Put("9A", signer, certificateFor(signer, "first@example.com"))
			other := loaded(yubikey("5.7.1")).Put("9A", signer, certificateFor(signer, "other@example.com"))
			readers := cardtest.NewReaders(first)
			p := openIn(t, readers)
			_, err := p.Certificate(t.Context(), piv.Authentication)
			require.NoError(t, err)
			readers.Replace(reader, other)
			err = a.do(t.Context(), p, adminOf(t, p, piv.AES192), answer)
			assert.ErrorIs(t, err, card.ErrChanged)
			assertUntouched(t, other, "after the exchange")

			// The certificates that are listed next are those of the other token.
			_, err = p.Certificate(t.Context(), piv.Authentication)
			require.NoError(t, err)
			assert.NoError(t, a.do(t.Context(), p, adminOf(t, p, piv.AES192), answer))
		})
	}
}

// An open key ends with the exchange of its card, even if the first card is back.
func TestOpenKeyAfterExchange(t *testing.T) {
	for _, kind := range append(tokens(), withoutIdentity) {
		for _, s := range []piv.Slot{piv.Authentication, piv.Signature} {
			t.Run(kind.name+", "+s.String(), func(t *testing.T) {
				first, other := kind.make(), kind.make()
				readers := cardtest.NewReaders(first)
				prompts := 0
				key, err := openIn(t, readers).Key(t.Context(), s, cardtest.Key(cardtest.P256, 0).Public(), countPrompts(&prompts))
				require.NoError(t, err)
				defer key.Close()
				_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
				require.NoError(t, err)
				before := prompts
				readers.Replace(reader, other)
				for range 3 {
					_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
					assert.True(t, gone(err), "%v", err)
				}
				readers.Replace(reader, first)
				_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
				assert.True(t, gone(err), "%v", err)
				assertUntouched(t, other, "after the exchange")
				assert.LessOrEqual(t, prompts, before+1)
			})
		}
	}
}

// A restartingService is a service whose restart keeps the event counts, as pcscd's does
// for a one-piece token.
type restartingService struct {
	driver.Service
	restarts atomic.Int64
}

func (s *restartingService) Connect(ctx context.Context, reader string) (driver.Card, error) {
	c, err := s.Service.Connect(ctx, reader)
	if err != nil {
		return nil, err
	}
	return &restartingCard{c, s, s.restarts.Load()}, nil
}

type restartingCard struct {
	driver.Card
	service *restartingService
	since   int64
}

func (c *restartingCard) Begin(ctx context.Context) error {
	if c.since != c.service.restarts.Load() {
		return driver.ServiceStopped
	}
	return c.Card.Begin(ctx)
}

// Close resets the card after a restart, in which it lost its power.
func (c *restartingCard) Close(reset bool) error {
	return c.Card.Close(reset || c.since != c.service.restarts.Load())
}

// The service restarts while a key is open and the token stays. The key goes on, and
// asks for the PIN once. If nothing identifies the card, or the service has counted
// another insertion, the error says what happened.
func TestOpenKeyAfterServiceRestart(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	openKey := func(t *testing.T, s *card.Service, ask card.PINFunc) *piv.Key {
		c, err := s.Card(t.Context(), reader)
		require.NoError(t, err)
		key, err := piv.New(c).Key(t.Context(), piv.Authentication, private.Public(), ask)
		require.NoError(t, err)
		return key
	}
	for _, kind := range append(tokens(), withoutIdentity) {
		t.Run(kind.name, func(t *testing.T) {
			soft := kind.make()
			s := &restartingService{Service: cardtest.NewReaders(soft).Driver()}
			service := card.NewService(s, nil)
			defer service.Close()
			prompts := 0
			key := openKey(t, service, countPrompts(&prompts))
			defer key.Close()
			s.restarts.Add(1)
			for range 3 {
				_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
				if kind.name == withoutIdentity.name {
					assert.ErrorIs(t, err, card.ErrChanged)
					assert.ErrorContains(t, err, "no identity")
					assert.Equal(t, 1, prompts)
					continue
				}
				require.NoError(t, err)
				assert.Equal(t, 2, prompts, "at opening and after the restart")
			}
			require.NoError(t, key.Close())
			assert.False(t, soft.Verified())
		})
	}

	readers := cardtest.NewReaders(loaded(cardtest.PIV()))
	service := readers.Service()
	defer service.Close()
	key := openKey(t, service, card.FixedPIN(cardtest.PIN))
	defer key.Close()
	readers.Stop()
	readers.Start()
	_, err := key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	assert.ErrorIs(t, err, card.ErrChanged)
	assert.ErrorContains(t, err, "the smart card service was restarted")
}

// A CHUID that an Admin writes, and a reset, change the identity of the card. The Card
// and its open keys work on.
func TestIdentityThatChanges(t *testing.T) {
	private := cardtest.Key(cardtest.P256, 0)
	soft := loaded(yubikey("5.7.1"))
	p := open(t, soft)
	a := adminOf(t, p, piv.AES192)
	first, err := p.Identity(t.Context())
	require.NoError(t, err)
	assert.Regexp(t, "^[0-9a-f]{8}-", first.Label)

	key, err := p.Key(t.Context(), piv.Authentication, private.Public(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	require.NoError(t, a.PutObject(t.Context(), piv.ObjectCHUID, content(t, &piv.CHUID{GUID: [16]byte{1}, Expires: "20301231"})))
	second, err := p.Identity(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, first, second)
	_, err = key.Sign(nil, digest(crypto.SHA256), crypto.SHA256)
	require.NoError(t, err)
	require.NoError(t, key.Close())

	require.NoError(t, a.PutObject(t.Context(), piv.ObjectCHUID, nil))
	serial, err := p.Identity(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "12345678", serial.Label)

	y, err := p.YubiKey(t.Context())
	require.NoError(t, err)
	require.NoError(t, y.Reset(t.Context()))
	require.NoError(t, a.PutCertificate(t.Context(), piv.Authentication, anyCertificate()))
	after, err := p.Identity(t.Context())
	require.NoError(t, err)
	assert.Equal(t, serial, after)
}
