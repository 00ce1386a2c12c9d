package explain

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/piv"
)

// cards explains the certificates on all cards, and reports faults of the service,
// the readers and the cards. These are output: the error is only that of ctx.
func (e *explainer) cards(ctx context.Context, service *card.Service) error {
	readers, err := service.Readers(ctx)
	if err != nil {
		e.out.problem("smart card service", err, card.Hint(err))
		return ctx.Err()
	}
	if len(readers) == 0 {
		e.out.problem("readers", card.ErrNoReader, card.Hint(card.ErrNoReader))
	}
	names := make(map[string]map[string]string) // reader -> slot -> container name
	for _, r := range readers {
		names[r.Name] = e.explainReader(ctx, service, r)
	}
	reported := make(map[string]bool) // reader and application
	finder := enumerate.Finder{Service: service, Policy: e.policy, Scan: piv.ScanAll}
	for c, err := range finder.All(ctx) {
		switch {
		case errors.Is(err, card.ErrNoReader), errors.Is(err, card.ErrNoCard), errors.Is(err, card.ErrMute):
			// reported by explainReader
		case err != nil:
			e.out.problem("card", err, card.Hint(err))
		default:
			if app := fmt.Sprint(c.Reader, c.Application); !reported[app] {
				reported[app] = true
				e.explainApplication(ctx, c)
			}
			source := fmt.Sprintf("%s: %s %s", c.Reader, c.Application, c.Container)
			x, err := e.explain(source, c.Raw, c.KeySpec)
			if err != nil {
				e.out.problem(source, err, "")
				continue
			}
			if x.Container = c.Name; c.Application == enumerate.PIV {
				x.Container = names[c.Reader][c.Container]
			}
			e.out.certificate(x)
		}
	}
	return ctx.Err()
}

// explainReader reports the state of a reader, its card and the PIV PIN. It returns
// the container names of the keys in the card's PIV slots.
func (e *explainer) explainReader(ctx context.Context, service *card.Service, r card.Reader) map[string]string {
	c, err := service.Card(ctx, r.Name)
	if err != nil {
		e.out.problem(r.Name, err, card.Hint(err))
		return nil
	}
	e.out.note(r.Name, fmt.Sprintf("card present, ATR %v", c.ATR()))
	status, err := piv.New(c).PINStatus(ctx)
	if errors.Is(err, piv.ErrNotPIV) {
		return nil // the Finder reports a card without a supported application
	}
	if e.explainPIN(r.Name, enumerate.PIV, status, err); err != nil {
		return nil
	}
	return containerNames(ctx, c)
}

// explainApplication reports what the application of a credential has besides
// certificates: the state of its PIN, unless explainReader did, and its root
// certificates.
func (e *explainer) explainApplication(ctx context.Context, c *enumerate.Credential) {
	if c.Application == enumerate.GIDS {
		status, err := c.PIN().Status(ctx)
		e.explainPIN(c.Reader, c.Application, status, err)
	}
	switch store, err := c.Roots(ctx); {
	case errors.Is(err, card.ErrMalformed): // other errors: some cards refuse to read an absent file
		e.out.problem(c.Reader, err, card.Hint(err))
	case store != nil:
		e.out.note(c.Reader, fmt.Sprintf("%s application; root certificates for Windows: %d bytes of PKCS #7", c.Application, len(store)))
	}
}

// explainPIN reports the state of the PIN of an application.
func (e *explainer) explainPIN(reader string, app enumerate.Application, status card.PINStatus, err error) {
	switch {
	case err != nil:
		e.out.problem(reader, err, card.Hint(err))
	case status.Blocked:
		e.out.problem(reader, card.ErrPINBlocked, card.Hint(card.ErrPINBlocked))
	case status.Verified:
		e.out.note(reader, fmt.Sprintf("%s application; the PIN is verified at present", app))
	case status.Retries < 0:
		e.out.note(reader, fmt.Sprintf("%s application; the card does not report the PIN retry counter", app))
	case status.Retries == 1:
		e.out.problem(reader, errors.New("one PIN retry is left"), "Check the PIN before entering it: a wrong PIN blocks the card.")
	default:
		e.out.note(reader, fmt.Sprintf("%s application; PIN retries left: %d", app, status.Retries))
	}
}
