package faultmatrix

import (
	"bytes"
	"context"

	"github.com/smartlogon/smartlogon/piv"
)

// changesPIV returns the operations that change a PIV card. Each leaves it as it
// was, but for the key in slot 9E.
func changesPIV(first Container) []Operation {
	slot := map[string]piv.Slot{"9A": piv.Authentication, "9D": piv.KeyManagement}[first.Name]
	changePIN := func(ctx context.Context, p *Program) error {
		return onPIV(ctx, p, func(c *piv.Card) error { return c.Holder().ChangePIN(ctx, p.Ask) })
	}
	admin := func(f func(context.Context, *piv.Admin) error) func(context.Context, *Program) error {
		return func(ctx context.Context, p *Program) error {
			key, err := piv.NewManagementKey(piv.TripleDES, bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3))
			if err != nil {
				return err
			}
			return onPIV(ctx, p, func(c *piv.Card) error { return f(ctx, c.Admin(key)) })
		}
	}
	return []Operation{
		{Name: "change the PIN", Writes: true, Run: changePIN},
		{Name: "change the PIN with a wrong one", Writes: true, WrongPIN: true, Run: changePIN},
		{Name: "put a certificate", Writes: true, Run: admin(func(ctx context.Context, a *piv.Admin) error {
			return a.PutCertificate(ctx, slot, first.Certificate)
		})},
		{Name: "generate a key", Writes: true, Run: admin(func(ctx context.Context, a *piv.Admin) error {
			public, err := a.Generate(ctx, piv.CardAuthentication, piv.P256, nil)
			if err == nil && public == nil {
				return WrongResult{"no public key"}
			}
			return err
		})},
	}
}

func onPIV(ctx context.Context, p *Program, f func(*piv.Card) error) error {
	c, err := p.Finder.Service.Card(ctx, p.Reader)
	if err != nil {
		return err
	}
	return f(piv.New(c))
}
