package enumerate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/gids"
	"github.com/smartlogon/smartlogon/internal/fault"
	"github.com/smartlogon/smartlogon/piv"
)

// A Finder finds the certificates on all cards of a service. Only Service is
// needed. It is safe for concurrent use as long as its fields do not change, and
// best kept: it does not read a GIDS card again that says that nothing has changed.
type Finder struct {
	Service *card.Service

	// Policy has the Group Policy values to judge by; the zero value is
	// Windows as installed.
	Policy rules.Policy

	// Now is the clock to judge by. Nil means time.Now.
	Now func() time.Time

	// Scan says which slots of a PIV card are read.
	Scan piv.Scan

	// Prove has a PIV card that has a Card Authentication key (9E) prove by a
	// signature with it, before a PIN is asked for, that it is the card that
	// was listed. Without it that rests on the certificate, and on the reader
	// telling that no card came or went. It takes the time of a signature.
	Prove bool

	memory memory
}

// What a card, or all readers together, can lack; see also the errors of package
// card.
var (
	// ErrNoApplication says that a card has no application that this module
	// knows.
	ErrNoApplication = fault.New(fault.Object,
		"no known application on the card",
		"Insert a PIV card or a virtual smart card: this one has neither application.",
	)

	// ErrNotOffered says that Windows would not offer any of the certificates.
	ErrNotOffered = fault.New(fault.Object,
		"no certificate to sign in with",
		"Look at the findings of each certificate; the program examples/explain prints them.",
	)

	// ErrAdministrator says that a card did not take the answer to its challenge
	// (PINManager.UnblockByAdministrator).
	ErrAdministrator = gids.ErrAdministrator
)

// All yields every certificate on every card, those that Windows would not show
// too, as the cards answer and in no order between cards. An error is about one
// reader, or one certificate, and does not end the sequence. Where there is no
// reader at all, or no card in any, that is the only error.
//
// All cards are read at the same time, in sections that do not wait for the
// caller: what it does with a credential holds up no card.
func (f *Finder) All(ctx context.Context) iter.Seq2[*Credential, error] {
	return func(yield func(*Credential, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		readers, err := f.occupied(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		found := make(chan result)
		go func() {
			defer close(found)
			var readersDone sync.WaitGroup
			for _, r := range readers {
				readersDone.Go(func() {
					f.reader(ctx, r, func(it result) { found <- it })
				})
			}
			readersDone.Wait()
		}()
		for it := range found {
			if !yield(it.credential, it.err) {
				cancel()
				for range found { // until no card is in use any more
				}
				return
			}
		}
	}
}

// Offered returns what Windows would show, in its order: of each card the
// default container first, and without the duplicates that the policy filters.
// The error joins what could not be read, and ErrNotOffered where nothing is
// left; it does not mean that the list is empty, but an empty list has one.
func (f *Finder) Offered(ctx context.Context) ([]*Credential, error) {
	readers, err := f.occupied(ctx)
	if err != nil {
		return nil, err
	}
	found := make([][]result, len(readers))
	var done sync.WaitGroup
	for i, r := range readers {
		done.Go(func() {
			f.reader(ctx, r, func(it result) { found[i] = append(found[i], it) })
		})
	}
	done.Wait()
	var offered []*Credential
	var errs []error
	for _, list := range found {
		for _, it := range list {
			if it.err != nil {
				errs = append(errs, it.err)
			} else if it.credential.Findings.Offered() {
				offered = append(offered, it.credential)
			}
		}
	}
	if len(offered) == 0 {
		errs = append(errs, fmt.Errorf("enumerate: %w", ErrNotOffered))
	}
	return rules.Arrange(offered, tile, f.Policy), errors.Join(errs...)
}

// tile is what decides about the place of a credential.
func tile(c *Credential) rules.Tile {
	r, err := rules.Read(c.Raw)
	if err != nil {
		return rules.Tile{Card: c.Reader, Default: c.Default}
	}
	t := r.Tile()
	t.Card, t.Default = c.Reader, c.Default
	return t
}

// A result is one certificate, or one thing that could not be read.
type result struct {
	credential *Credential
	err        error
}

// occupied lists the readers that have a card in them.
func (f *Finder) occupied(ctx context.Context) ([]string, error) {
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

// reader hands over what is on the card in one reader.
func (f *Finder) reader(ctx context.Context, name string, found func(result)) {
	c, err := f.Service.Card(ctx, name)
	if err != nil {
		found(result{err: inReader(name, err)})
		return
	}
	f.read(ctx, c, found)
}

func inReader(name string, err error) error {
	return fmt.Errorf("enumerate: reader %q: %w", name, err)
}

// read hands over what is on a card: the certificates of its PIV application, then
// those of its GIDS application. The second comes last because to ask for it can
// end a login of the first.
func (f *Finder) read(ctx context.Context, c *card.Card, found func(result)) {
	known := f.known(c)
	hand := func(credential *Credential, err error) (goOn bool) {
		if err != nil {
			found(result{err: inReader(c.Reader(), err)})
			return ctx.Err() == nil && !lost(err)
		}
		found(result{credential: credential})
		return true
	}
	hasPIV, goOn := false, true
	var doubts [2]error
	if !known.notPIV.Load() {
		if hasPIV, doubts[0], goOn = f.readPIV(ctx, c, hand); !goOn {
			return
		}
	}
	var hasGIDS bool
	if hasGIDS, doubts[1], goOn = f.readGIDS(ctx, c, known.gids, hand); !goOn {
		f.forget(known)
		return
	}
	doubt := errors.Join(doubts[:]...)
	known.notPIV.Store(hasGIDS && !hasPIV && doubt == nil)
	switch {
	case !hasPIV && !hasGIDS && doubt != nil:
		hand(nil, fmt.Errorf("%w: %w", ErrNoApplication, doubt))
	case !hasPIV && !hasGIDS:
		hand(nil, ErrNoApplication)
	case doubt != nil:
		hand(nil, doubt)
	}
}

// doubtOf is the error that a card has not an application, where it did not say so
// plainly: what it has may be missing.
func doubtOf(err error) error {
	var status card.Status
	if errors.As(err, &status) && !errors.Is(err, card.StatusNotFound) {
		return err
	}
	return nil
}

// lost reports whether an error means that no other question to the card will
// be answered.
func lost(err error) bool {
	for _, e := range []error{card.ErrRemoved, card.ErrChanged, card.ErrNoService, card.ErrNoReader, card.ErrMute, card.ErrBusy, card.ErrClosed, card.ErrReset, card.ErrNoResponse} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (f *Finder) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}
