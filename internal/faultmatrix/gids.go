package faultmatrix

import (
	"context"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// changesGIDS returns the operations that change a GIDS card. Each leaves it as it
// was.
func changesGIDS(first Container) []Operation {
	find := func(ctx context.Context, p *Program) error { return p.find(ctx, first) }
	changePIN := func(ctx context.Context, p *Program) error { return p.credential.PIN().Change(ctx, p.Ask) }
	return []Operation{
		{Name: "change the PIN", Writes: true, Prepare: find, Run: changePIN},
		{Name: "change the PIN with a wrong one", Writes: true, WrongPIN: true, Prepare: find, Run: changePIN},
		{Name: "unblock the PIN as administrator", Writes: true, Prepare: find, Run: func(ctx context.Context, p *Program) error {
			return p.credential.PIN().UnblockByAdministrator(ctx, testkeys.Administrator(cardtest.AdminKey), p.Ask)
		}},
	}
}
