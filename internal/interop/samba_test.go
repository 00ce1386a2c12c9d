//go:build linux

package interop_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSambaDC signs in to Active Directory as Samba implements it.
func TestSambaDC(t *testing.T) {
	interop.Require(t, pcscd)
	started := time.Now()
	authority := softkdc.NewAuthority(nil)
	d := interop.NewSambaDC(t, "EXAMPLE.TEST", authority, cardtest.TestCA().Certificate())
	d.Run(t, "samba-tool", "user", "create", "alice", "Passw0rd.2", d.Configuration())
	d.Run(t, "samba-tool", "user", "create", "carol", "Passw0rd.2", d.Configuration())
	d.Run(t, "samba-tool", "user", "disable", "carol", d.Configuration())
	key, chain, soft := unlock(t, cardtest.Leaf{UPNs: []string{"alice@EXAMPLE.TEST"}})
	options := func(name string, source upn.Source) pkinit.Options {
		return pkinit.Options{
			Name:  upn.Name{Value: name, Source: source},
			KDCs:  []string{"127.0.0.1"},
			Roots: authority.Pool(),
			Dial:  d.Dial,
		}
	}
	for _, c := range []struct {
		name string
		o    pkinit.Options
	}{
		{"principal", options("alice@example.test", upn.FromUPN)},
		{"enterprise name", options("alice@example.test", upn.FromHint)},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := soft.KeyUses()
			c.o.RenewLifetime = 24 * time.Hour
			tgt, err := pkinit.Login(t.Context(), key, chain, c.o)
			require.NoError(t, err)
			defer tgt.Close()
			assert.Equal(t, "alice@EXAMPLE.TEST", tgt.Client())
			assert.Equal(t, 1, soft.KeyUses()-before, "signatures")
			cache := filepath.Join(t.TempDir(), "cc")
			require.NoError(t, tgt.WriteCache(cache))
			assert.Contains(t, d.Run(t, "kvno", "-c", cache, "host/dc1.example.test@EXAMPLE.TEST"), "kvno = ")
			renewed, err := tgt.Renew(t.Context())
			require.NoError(t, err)
			assert.NoError(t, renewed.Close())
		})
	}
	for _, c := range []struct {
		name string
		o    pkinit.Options
		code int
	}{
		{"unknown user", options("bob@example.test", upn.FromUPN), pkinit.CodePrincipalUnknown},
		{"unknown enterprise name", options("bob@example.test", upn.FromHint), pkinit.CodePrincipalUnknown},
		{"account of another user", options("administrator@example.test", upn.FromUPN), pkinit.CodeClientNameMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := pkinit.Login(t.Context(), key, chain, c.o)
			var e *pkinit.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, c.code, e.Code, err)
			assert.NotEmpty(t, card.Hint(err))
		})
	}
	t.Run("disabled account", func(t *testing.T) {
		key, chain, _ := unlock(t, cardtest.Leaf{UPNs: []string{"carol@EXAMPLE.TEST"}})
		_, err := pkinit.Login(t.Context(), key, chain, options("carol@example.test", upn.FromUPN))
		var e *pkinit.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, pkinit.CodeClientRevoked, e.Code, err)
	})
	t.Run("elliptic curve", func(t *testing.T) {
		key, chain, _ := unlock(t, cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{"alice@EXAMPLE.TEST"}})
		_, err := pkinit.Login(t.Context(), key, chain, options("alice@example.test", upn.FromUPN))
		assert.ErrorIs(t, err, &pkinit.Error{Code: 31})
	})
	assert.Equal(t, 1, soft.PINs())
	fmt.Printf("Samba as a domain controller: %v\n", time.Since(started).Round(100*time.Millisecond))
}
