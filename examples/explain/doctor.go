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
	find := enumerate.Finder{Service: service, Policy: e.policy, Scan: piv.ScanAll}
	for c, err := range find.All(ctx) {
		switch {
		case errors.Is(err, card.ErrNoReader), errors.Is(err, card.ErrNoCard), errors.Is(err, card.ErrMute):
			// said already
		case err != nil:
			e.out.problem("card", err, card.Hint(err))
		default:
			source := fmt.Sprintf("%s: %s %s", c.Reader, c.Application, c.Container)
			x, err := e.explain(source, c.Raw, c.KeySpec)
			if err != nil {
				e.out.problem(source, err, "")
				continue
			}
			x.Container = names[c.Reader][c.Container]
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
	if !e.pin(ctx, c) {
		return nil
	}
	return containerNames(ctx, c)
}

// pin says how the PIN of a PIV card stands, and reports whether it is one.
func (e *explainer) pin(ctx context.Context, c *card.Card) bool {
	status, err := piv.New(c).PINStatus(ctx)
	switch {
	case errors.Is(err, piv.ErrNotPIV):
		return false // whether another application is there shows when it is read
	case err != nil:
		e.out.problem(c.Reader(), err, card.Hint(err))
		return false
	case status.Blocked:
		e.out.problem(c.Reader(), card.ErrPINBlocked, card.Hint(card.ErrPINBlocked))
	case status.Verified:
		e.out.note(c.Reader(), "PIV application; its PIN is verified at present")
	case status.Retries < 0:
		e.out.note(c.Reader(), "PIV application; the card does not say how many PIN tries are left")
	case status.Retries == 1:
		e.out.problem(c.Reader(), errors.New("one PIN try is left"), "Check the PIN before you enter it: a wrong one blocks the card.")
	default:
		e.out.note(c.Reader(), fmt.Sprintf("PIV application; PIN tries left: %d", status.Retries))
	}
	return true
}
