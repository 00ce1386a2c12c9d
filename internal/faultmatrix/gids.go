package faultmatrix

import (
	"context"
	"crypto/des"

	"github.com/smartlogon/smartlogon/card/cardtest"
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
			return p.credential.PIN().UnblockByAdministrator(ctx, administrator, p.Ask)
		}},
	}
}

// administrator answers a challenge as whoever has the administrator's key does.
func administrator(_ context.Context, challenge []byte) ([]byte, error) {
	key, err := des.NewTripleDESCipher([]byte(cardtest.AdminKey))
	if err != nil {
		return nil, err
	}
	answer := make([]byte, des.BlockSize)
	key.Encrypt(answer, challenge)
	return answer, nil
}
