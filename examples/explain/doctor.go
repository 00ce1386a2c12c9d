package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/piv"
)

// cards explains the certificates on all cards, and says what is wrong with
// service, readers and cards. Nothing of that is an error of the program.
func (e *explainer) cards(ctx context.Context, service *card.Service) error {
	readers, err := service.Readers(ctx)
	if err != nil {
		e.out.problem("smart card service", err, card.Hint(err))
		return ctx.Err()
	}
	if len(readers) == 0 {
		e.out.problem("readers", card.ErrNoReader, card.Hint(card.ErrNoReader))
	}
	names := make(map[string]map[string]string) // of containers, by reader
	for _, r := range readers {
		names[r.Name] = e.reader(ctx, service, r)
	}
	told := make(map[string]bool) // applications in readers
	find := enumerate.Finder{Service: service, Policy: e.policy, Scan: piv.ScanAll}
	for c, err := range find.All(ctx) {
		switch {
		case errors.Is(err, card.ErrNoReader), errors.Is(err, card.ErrNoCard), errors.Is(err, card.ErrMute):
			// said already
		case err != nil:
			e.out.problem("card", err, card.Hint(err))
		default:
			if app := fmt.Sprint(c.Reader, c.Application); !told[app] {
				told[app] = true
				e.application(ctx, c)
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

// reader says how one reader and the card in it do, and how Windows calls the
// keys on it.
func (e *explainer) reader(ctx context.Context, service *card.Service, r card.Reader) map[string]string {
	c, err := service.Card(ctx, r.Name)
	if err != nil {
		e.out.problem(r.Name, err, card.Hint(err))
		return nil
	}
	e.out.note(r.Name, fmt.Sprintf("card present, ATR %v", c.ATR()))
	status, err := piv.New(c).PINStatus(ctx)
	if errors.Is(err, piv.ErrNotPIV) {
		return nil // whether another application is there shows when it is read
	}
	if e.pin(r.Name, enumerate.PIV, status, err); err != nil {
		return nil
	}
	return containerNames(ctx, c)
}

// application says what a card has beside certificates, where that comes to light
// with the first of them.
func (e *explainer) application(ctx context.Context, c *enumerate.Credential) {
	if c.Application == enumerate.GIDS { // that of PIV was told of already
		status, err := c.PIN().Status(ctx)
		e.pin(c.Reader, c.Application, status, err)
	}
	switch store, err := c.Roots(ctx); {
	case errors.Is(err, card.ErrMalformed): // some refuse to say that there is none
		e.out.problem(c.Reader, err, card.Hint(err))
	case store != nil:
		e.out.note(c.Reader, fmt.Sprintf("%s application; certificates of authorities for Windows: %d bytes of PKCS #7", c.Application, len(store)))
	}
}

// pin says how the PIN of an application stands.
func (e *explainer) pin(reader string, app enumerate.Application, status card.PINStatus, err error) {
	switch {
	case err != nil:
		e.out.problem(reader, err, card.Hint(err))
	case status.Blocked:
		e.out.problem(reader, card.ErrPINBlocked, card.Hint(card.ErrPINBlocked))
	case status.Verified:
		e.out.note(reader, fmt.Sprintf("%s application; its PIN is verified at present", app))
	case status.Retries < 0:
		e.out.note(reader, fmt.Sprintf("%s application; the card does not say how many PIN tries are left", app))
	case status.Retries == 1:
		e.out.problem(reader, errors.New("one PIN try is left"), "Check the PIN before you enter it: a wrong one blocks the card.")
	default:
		e.out.note(reader, fmt.Sprintf("%s application; PIN tries left: %d", app, status.Retries))
	}
}
