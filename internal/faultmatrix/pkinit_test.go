package faultmatrix_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/internal/faultmatrix"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPKINIT signs in to Kerberos with each fault at each command.
func TestPKINIT(t *testing.T) {
	authority := softkdc.NewAuthority(nil)
	k := &softkdc.KDC{Realm: "EXAMPLE.COM", Identity: authority.Issue("EXAMPLE.COM", nil), Users: map[string]string{"alice": "alice"}}
	server, err := softkdc.Start(k)
	require.NoError(t, err)
	defer server.Close()
	o := pkinit.Options{KDCs: []string{server.Address}, Roots: authority.Pool()}

	step := 1
	if raceEnabled || testing.Short() {
		step = 12
	}
	count := faultmatrix.Run(t, faultmatrix.InProcess, faultmatrix.PrimaryFinder, []faultmatrix.Card{kerberosRow(o)}, step)
	fmt.Println("fault matrix, PKINIT:", count)
	first, signed := k.Requests()
	assert.Positive(t, signed)
	assert.GreaterOrEqual(t, first, signed)
	assert.Empty(t, k.Faults())
	assert.Positive(t, count.Right)
	assert.Positive(t, count.Errors)
	assert.Zero(t, count.Failed)
}

// kerberosRow is a PIV card with which programs sign in to Kerberos.
func kerberosRow(o pkinit.Options) faultmatrix.Card {
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{faultmatrix.UPN}})
	row := faultmatrix.Card{
		Name:       "PIV for Kerberos",
		Containers: []faultmatrix.Container{{Name: "9A", Certificate: certificate, Signs: true}},
		New: func() []*cardtest.Card {
			return []*cardtest.Card{cardtest.PIV(cardtest.MaxRetries(5)).Put("9A", key, certificate)}
		},
	}
	var listed sync.Map // of the credentials of each *faultmatrix.Program
	row.More = []faultmatrix.Operation{{
		Name: "sign in to Kerberos",
		Prepare: func(ctx context.Context, p *faultmatrix.Program) error {
			for c, err := range p.Finder.All(ctx) {
				if err != nil {
					return err
				}
				listed.Store(p, c)
			}
			return nil
		},
		Run: func(ctx context.Context, p *faultmatrix.Program) error {
			c, _ := listed.LoadAndDelete(p)
			return signIn(ctx, p, c.(*enumerate.Credential), o)
		},
	}}
	return row
}

func signIn(ctx context.Context, p *faultmatrix.Program, c *enumerate.Credential, o pkinit.Options) (err error) {
	if p.Key, err = c.Unlock(ctx, p.Ask); err != nil {
		return err
	}
	// ctx bounds the card only: an error of the network would not name the reader.
	tgt, err := pkinit.Login(context.WithoutCancel(ctx), p.Key.WithContext(ctx), c.Chain(nil), o)
	if err != nil {
		return err
	}
	defer tgt.Close()
	if tgt.Client() != "alice@EXAMPLE.COM" {
		return faultmatrix.WrongResult{What: "ticket of " + tgt.Client()}
	}
	return nil
}
