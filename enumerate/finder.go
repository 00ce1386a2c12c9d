package enumerate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/fault"
	"github.com/smartlogon/smartlogon/internal/gids"
	"github.com/smartlogon/smartlogon/internal/signature"
	"github.com/smartlogon/smartlogon/piv"
)

// A Finder finds the certificates on all cards of a service. Only Service is
// required. It is safe for concurrent use as long as its fields do not change. Keep
// it: it does not read a GIDS card again that reports no change.
type Finder struct {
	Service *card.Service

	// Policy has the Group Policy values to judge by; the zero value is
	// Windows as installed.
	Policy rules.Policy

	// Now returns the time to judge by. Nil means time.Now.
	Now func() time.Time

	// Scan selects the slots of a PIV card that are read.
	Scan piv.Scan

	// Identify reads which card it is when a card is listed, for
	// Credential.Card. It takes two more exchanges with a PIV card, one of them
	// of 2 KB if the CHUID is signed. A GIDS card is always identified.
	Identify bool

	// Prove has a PIV card that has a Card Authentication key (9E) prove by a
	// signature with it, before a PIN is asked for, that it is the card that
	// was listed. Without it the certificate and the identity of the card
	// decide, which a copy could have, too. It takes the time of a signature.
	Prove bool

	more   []cardapp.Kind // applications that tests add
	states states
}

// What a card, or all readers together, can lack; see also the errors of package
// card.
var (
	// ErrNoApplication reports a card without an application that this module
	// knows.
	ErrNoApplication = fault.New(fault.Object,
		"no known application on the card",
		"Insert a PIV card or a virtual smart card: this one has neither application.",
	)

	// ErrNotOffered reports that Windows would not offer any of the
	// certificates.
	ErrNotOffered = fault.New(fault.Object,
		"no certificate to sign in with",
		"Look at the findings of each certificate; the program examples/explain prints them.",
	)

	// ErrMismatch reports a private key that does not belong to the
	// certificate. It is the same value as piv.ErrMismatch.
	ErrMismatch = signature.ErrMismatch

	// ErrKeyClosed reports the use of a Key after Close.
	ErrKeyClosed = cardapp.ErrKeyClosed

	// ErrAdministrator reports that a card refused the response to its
	// challenge (PINManager.UnblockByAdministrator).
	ErrAdministrator = gids.ErrAdministrator
)

// errNoService reports a Finder that was not set up.
var errNoService = errors.New("enumerate: Finder without a Service")

// All yields every certificate on every card, including those that Windows would
// not show, as the cards respond and in no order between cards. An error is about
// one reader, or one certificate, and does not end the sequence. If there is no
// reader at all, or no card in any, that is the only error.
//
// All cards are read at the same time, in transactions that do not wait for the
// caller: what it does with a credential delays no card.
func (f *Finder) All(ctx context.Context) iter.Seq2[*Credential, error] {
	return cardapp.Stream(ctx, func(ctx context.Context, emit func(*Credential, error)) {
		readers, err := f.occupied(ctx)
		if err != nil {
			emit(nil, err)
			return
		}
		var all sync.WaitGroup
		for _, r := range readers {
			all.Go(func() { f.readReader(ctx, r, emit) })
		}
		all.Wait()
	})
}

// Offered returns what Windows would show, in its order: of each card the default
// container first, without the duplicates that the policy filters. The error joins
// what could not be read, and ErrNotOffered if nothing is left. A non-empty list may
// come with an error; an empty list always does.
func (f *Finder) Offered(ctx context.Context) ([]*Credential, error) {
	readers, err := f.occupied(ctx)
	if err != nil {
		return nil, err
	}
	credentials, failures := make([][]*Credential, len(readers)), make([][]error, len(readers))
	var all sync.WaitGroup
	for i, r := range readers {
		all.Go(func() {
			f.readReader(ctx, r, func(c *Credential, err error) {
				switch {
				case err != nil:
					failures[i] = append(failures[i], err)
				case c.Findings.Offered():
					credentials[i] = append(credentials[i], c)
				}
			})
		})
	}
	all.Wait()
	offered, errs := slices.Concat(credentials...), slices.Concat(failures...)
	if len(offered) == 0 {
		errs = append(errs, fmt.Errorf("enumerate: %w", ErrNotOffered))
	}
	return rules.Arrange(offered, (*Credential).tile, f.Policy), errors.Join(errs...)
}

// tile returns what decides about the place of a credential.
func (c *Credential) tile() rules.Tile {
	t := c.inspected().Tile()
	t.Card, t.Default = c.Reader, c.Default
	return t
}

// occupied lists the readers that have a card in them.
func (f *Finder) occupied(ctx context.Context) ([]string, error) {
	if f.Service == nil {
		return nil, errNoService
	}
	readers, err := f.Service.Readers(ctx)
	if err != nil {
		return nil, fmt.Errorf("enumerate: %w", err)
	}
	if len(readers) == 0 {
		return nil, fmt.Errorf("enumerate: %w", card.ErrNoReader)
	}
	var names []string
	for _, r := range readers {
		if r.Present {
			names = append(names, r.Name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("enumerate: %w", card.ErrNoCard)
	}
	return names, nil
}

// readReader emits what is on the card in one reader.
func (f *Finder) readReader(ctx context.Context, name string, emit func(*Credential, error)) {
	c, err := f.Service.Card(ctx, name)
	if err != nil {
		emit(nil, inReader(name, err))
		return
	}
	f.read(ctx, c, emit)
}

// inReader returns an error that names the reader once.
func inReader(name string, err error) error {
	var named *card.Error
	if errors.As(err, &named) && named.Reader == name {
		return fmt.Errorf("enumerate: %w", err)
	}
	return fmt.Errorf("enumerate: reader %q: %w", name, err)
}

func (f *Finder) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}
