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
	for _, r := range readers {
		e.reader(ctx, service, r)
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
			e.out.certificate(x)
		}
	}
	return ctx.Err()
}

// reader says how one reader and the card in it do.
func (e *explainer) reader(ctx context.Context, service *card.Service, r card.Reader) {
	c, err := service.Card(ctx, r.Name)
	if err != nil {
		e.out.problem(r.Name, err, card.Hint(err))
		return
	}
	e.out.note(r.Name, fmt.Sprintf("card present, ATR %v", c.ATR()))
	status, err := piv.New(c).PINStatus(ctx)
	var pin error
	switch {
	case errors.Is(err, piv.ErrNotPIV):
		return // whether another application is there shows when it is read
	case err != nil:
		e.out.problem(r.Name, err, card.Hint(err))
		return
	case status.Blocked:
		pin = card.ErrPINBlocked
	case status.Verified:
		e.out.note(r.Name, "PIV application; its PIN is verified at present")
	case status.Retries < 0:
		e.out.note(r.Name, "PIV application; the card does not say how many PIN tries are left")
	case status.Retries == 1:
		pin = errors.New("one PIN try is left")
		e.out.problem(r.Name, pin, "Check the PIN before you enter it: a wrong one blocks the card.")
		return
	default:
		e.out.note(r.Name, fmt.Sprintf("PIV application; PIN tries left: %d", status.Retries))
	}
	if pin != nil {
		e.out.problem(r.Name, pin, card.Hint(pin))
	}
}
