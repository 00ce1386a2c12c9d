package pkinit_test

import (
	"crypto"
	"fmt"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLogin(t *testing.T) {
	for _, kind := range []cardtest.KeyKind{cardtest.RSA2048, cardtest.RSA4096, cardtest.P256, cardtest.P384} {
		for _, curve := range []bool{false, true} {
			for _, hash := range []crypto.Hash{0, crypto.SHA384, crypto.SHA512} {
				t.Run(fmt.Sprint(kind, " ECDH ", curve, " ", hash), func(t *testing.T) {
					k, address := start(t, nil)
					key, chain := newUser(kind)
					o := options(address)
					o.ECDH, o.Hash = curve, hash
					tgt, err := pkinit.Login(t.Context(), key, chain, o)
					require.NoError(t, err)
					defer tgt.Close()
					assert.Equal(t, "alice@EXAMPLE.COM", tgt.Client())
					assert.Equal(t, realm, tgt.Realm())
					assert.WithinDuration(t, time.Now().Add(10*time.Hour), tgt.Times().End, time.Minute)
					assert.Zero(t, tgt.Times().Renew)
					assert.Zero(t, tgt.Skew())
					assert.Equal(t, k.Identity.Chain[0], tgt.KDC()[0].Raw)
					first, signed := k.Requests()
					assert.Equal(t, []int{1, 1}, []int{first, signed})
					assert.EqualValues(t, 1, key.uses.Load())
				})
			}
		}
	}
}

func TestLegacyKeyDerivation(t *testing.T) {
	for _, nonce := range [][]byte{nil, []byte("nonce of the KDC")} {
		_, address := start(t, func(k *softkdc.KDC) {
			k.NoKDF = true
			k.Edit = func(r *softkdc.Reply) { r.ServerDHNonce = nonce }
		})
		_, err := login(t, address, nil)
		assert.NoError(t, err)
	}
}
