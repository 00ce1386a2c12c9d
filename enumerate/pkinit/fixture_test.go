package pkinit_test

import (
	"context"
	"crypto"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	realm = "EXAMPLE.COM"
	user  = "alice@example.com"
)

// authority issues the certificates of the KDCs.
var authority = softkdc.NewAuthority(nil)

// A signer counts the signatures.
type signer struct {
	crypto.Signer
	uses atomic.Int32
}

func (s *signer) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.uses.Add(1)
	return s.Signer.Sign(rand, digest, opts)
}

// newUser returns a key with the certificate of the user.
func newUser(kind cardtest.KeyKind) (*signer, [][]byte) {
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(kind, 0), UPNs: []string{user}})
	return &signer{Signer: key}, [][]byte{der}
}

// start starts a KDC for alice and returns it with its address. edit, if not nil,
// changes it first.
func start(t *testing.T, edit func(*softkdc.KDC)) (*softkdc.KDC, string) {
	t.Helper()
	k := &softkdc.KDC{
		Realm:     realm,
		Identity:  authority.Issue(realm, nil),
		Users:     map[string]string{"alice": "alice", user: "alice"},
		Freshness: true,
	}
	if edit != nil {
		edit(k)
	}
	s, err := softkdc.Start(k)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
		assert.Empty(t, k.Faults(), "faults of the requests")
	})
	return k, s.Address
}

func options(address string) pkinit.Options {
	return pkinit.Options{
		Name:  upn.Name{Value: user, Source: upn.FromUPN},
		KDCs:  []string{address},
		Roots: authority.Pool(),
	}
}

// login signs alice in with an RSA key. edit, if not nil, changes the options.
func login(t *testing.T, address string, edit func(*pkinit.Options)) (*pkinit.TGT, error) {
	t.Helper()
	key, chain := newUser(cardtest.RSA2048)
	o := options(address)
	if edit != nil {
		edit(&o)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tgt, err := pkinit.Login(ctx, key, chain, o)
	assert.LessOrEqual(t, key.uses.Load(), int32(1), "signatures")
	if tgt != nil {
		t.Cleanup(func() { assert.NoError(t, tgt.Close()) })
	}
	return tgt, err
}
