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
// required. A Finder is safe for concurrent use as long as its fields do not change.
// Keep it between listings: it does not read a GIDS card again that reports no
// change, and with Cache no PIV card that stays in its reader.
type Finder struct {
	Service *card.Service

	// Policy holds the Group Policy values to judge by. The zero value is
	// Windows as installed.
	Policy rules.Policy

	// Now returns the time to judge by. Nil means time.Now.
	Now func() time.Time

	// Scan selects the slots of a PIV card that are read. The zero value,
	// piv.ScanUsual, reads all that usually have certificates.
	Scan piv.Scan

	// Identify sets Credential.Card of PIV cards, which takes two more
	// exchanges per listing, one of them of 2 KB if the CHUID is signed. On GIDS
	// cards it is always set.
	Identify bool

	// Cache keeps the certificates of a PIV card while it stays in its reader. A
	// later listing then only reads the identity of the card, as with Identify,
	// which takes two exchanges, and those for the rest of a signed CHUID or for
	// the serial number of a YubiKey without CHUID. Certificates that a program
	// writes meanwhile are not listed until the card is inserted again, or until
	// Unlock finds that the card does not hold the listed certificate. Cards
	// without identity, and those of which a certificate cannot be read, are
	// read each time. GIDS cards report their changes, so they are always cached.
	Cache bool

	// Prove makes Unlock check, before it asks for a PIN, that the card signs
	// with the Card Authentication key (PIV slot 9E) of the card that was
	// listed. Cards without that key are accepted. Without Prove, only the
	// certificate and the identity of the card are compared, which a copy of the
	// card could have, too.
	Prove bool

	more   []cardapp.Kind // added by tests
	states states
}

// Errors of this package. Others come from package card; see [card.Hint].
var (
	// ErrNoApplication reports a card with neither PIV nor GIDS.
	ErrNoApplication = fault.New(fault.Object,
		"no known application on the card",
		"Insert a PIV card or a virtual smart card.",
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

var errNoService = errors.New("enumerate: Finder without a Service")

// All yields every certificate on every card, including those that Windows would
// not show, as the cards respond and in no order between cards. An error is about
// one reader or one certificate and does not end the sequence. If there is no
// reader, or no card in any reader, that error ([card.ErrNoReader],
// [card.ErrNoCard]) is the only element.
//
// All reads the cards in parallel, in transactions that do not wait for the body of
// the loop.
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

// Offered returns the credentials that Windows would show, in its order: the
// default container of each card first, without the duplicates that the policy
// filters. The error joins the errors of [Finder.All], and [ErrNotOffered] if the
// list is empty. A non-empty list may come with an error, for example if one of
// two cards could not be read; an empty list always does.
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

// tile returns what [rules.Arrange] sorts by.
func (c *Credential) tile() rules.Tile {
	t := c.inspected().Tile()
	t.Card, t.Default = c.Reader, c.Default
	return t
}

// occupied returns the readers that have a card in them.
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

// readReader emits what is on the card in one reader. If the card turns out to be
// another than the service reports, it reads that one.
func (f *Finder) readReader(ctx context.Context, name string, emit func(*Credential, error)) {
	emitted := make(map[resultKey]bool)
	for last := false; ; last = true {
		c, err := f.Service.Card(ctx, name)
		if err != nil {
			emit(nil, inReader(name, err))
			return
		}
		replaced := false
		f.read(ctx, c, func(c *Credential, err error) {
			key := keyOf(c, err)
			switch {
			case errors.Is(err, card.ErrChanged) && !last:
				replaced = true
			case !emitted[key]:
				emitted[key] = true
				emit(c, err)
			}
		})
		if !replaced {
			return
		}
	}
}

// A resultKey tells a result apart from the others of one card.
type resultKey struct {
	application    Application
	container, err string
}

func keyOf(c *Credential, err error) resultKey {
	if err != nil {
		return resultKey{err: err.Error()}
	}
	return resultKey{application: c.Application, container: c.Container}
}

// inReader returns an error of an application or of package card, with the reader
// unless it names one.
func inReader(name string, err error) error {
	var named *card.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &named) && named.Reader != "":
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
