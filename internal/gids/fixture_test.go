package gids_test

import (
	"context"
	"crypto"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/gids"
)

const reader = "Software Reader 00"

// newCard returns the application of a card in a reader.
func newCard(t *testing.T, soft *cardtest.Card) *gids.Card {
	t.Helper()
	return gids.New(insert(t, soft))
}

// insert inserts a card into a reader.
func insert(t *testing.T, soft *cardtest.Card) *card.Card {
	t.Helper()
	service := cardtest.NewService(soft)
	t.Cleanup(func() { require.NoError(t, service.Close()) })
	c, err := service.Card(t.Context(), reader)
	require.NoError(t, err)
	return c
}

// list returns the certificates on a card and the errors.
func list(ctx context.Context, g *gids.Card) (certs []*gids.Certificate, errs []error) {
	for c, err := range g.Certificates(ctx) {
		if err != nil {
			errs = append(errs, err)
		} else {
			certs = append(certs, c)
		}
	}
	return certs, errs
}

// onlyCertificate returns the one certificate on a card.
func onlyCertificate(t *testing.T, g *gids.Card) *gids.Certificate {
	t.Helper()
	certs, errs := list(t.Context(), g)
	require.Empty(t, errs)
	require.Len(t, certs, 1)
	return certs[0]
}

// files returns the names of the files of certificates.
func files(certs []*gids.Certificate) (names []string) {
	for _, c := range certs {
		names = append(names, c.File)
	}
	return names
}

// putLeaf issues a certificate for a key, and stores both on a card.
func putLeaf(soft *cardtest.Card, name string, key crypto.Signer) []byte {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: key, UPNs: []string{name + "@example.com"}})
	soft.Put(name, key, der)
	return der
}

// smallKey returns a key that signs quickly.
func smallKey() crypto.Signer { return cardtest.Key(cardtest.RSA1024, 0) }

// withKey stores smallKey with a certificate on a card.
func withKey(soft *cardtest.Card) *cardtest.Card {
	putLeaf(soft, "kxc00", smallKey())
	return soft
}

// openKey opens the key of the one certificate on a card.
func openKey(t *testing.T, soft *cardtest.Card, public crypto.PublicKey) *gids.Key {
	t.Helper()
	g := newCard(t, soft)
	key, err := g.Key(t.Context(), onlyCertificate(t, g), public, card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, key.Close()) })
	return key
}

func digest(h crypto.Hash) []byte {
	d := h.New()
	d.Write([]byte("message"))
	return d.Sum(nil)
}

var errNoAnswer = errors.New("no more answers")

// A prompter returns PINs in turn and records the requests.
type prompter struct {
	answers   []string
	requests  []card.PINRequest
	allowLast bool
}

func (p *prompter) ask(_ context.Context, r card.PINRequest) (card.PIN, error) {
	p.requests = append(p.requests, r)
	if len(p.requests) > len(p.answers) {
		return card.PIN{}, errNoAnswer
	}
	pin := card.NewPIN([]byte(p.answers[len(p.requests)-1]))
	if p.allowLast {
		pin = pin.AllowLastTry()
	}
	return pin, nil
}

// accepts reports whether a card accepts a PIN.
func accepts(t *testing.T, soft *cardtest.Card, pin string) bool {
	t.Helper()
	g := newCard(t, soft)
	key, err := g.Key(t.Context(), onlyCertificate(t, g), smallKey().Public(), card.FixedPIN(pin))
	if err != nil {
		return false
	}
	require.NoError(t, key.Close())
	return true
}
