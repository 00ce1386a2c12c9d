package faultmatrix

import (
	"context"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// changesGIDS are the operations that change a GIDS card. They leave it as it was, so
// that the next program finds what it knows.
func changesGIDS(first Container) []Operation {
	find := func(ctx context.Context, p *Program) error { return p.find(ctx, first) }
	changePIN := func(ctx context.Context, p *Program) error { return p.credential.PIN().Change(ctx, p.Ask) }
	return []Operation{
		{Name: "change the PIN", Writes: true, Prepare: find, Run: changePIN},
		{Name: "change the PIN, given a wrong one", Writes: true, Wrong: true, Prepare: find, Run: changePIN},
		{Name: "unblock the PIN by the administrator", Writes: true, Prepare: find, Run: func(ctx context.Context, p *Program) error {
			return p.credential.PIN().UnblockByAdministrator(ctx, testkeys.Administrator(cardtest.AdminKey), p.Ask)
		}},
	}
}
