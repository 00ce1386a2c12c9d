package piv_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
)

func TestProve(t *testing.T) {
	for _, kind := range []cardtest.KeyKind{cardtest.RSA2048, cardtest.P384, cardtest.Ed25519} {
		private := cardtest.Key(kind, 0)
		soft := cardtest.YubiKey("5.7.1").Put("9E", private, nil)
		p := open(t, soft)
		assert.NoError(t, p.Prove(t.Context(), private.Public()), kind)
		other := cardtest.Key(cardtest.P256, 0).Public()
		assert.Error(t, p.Prove(t.Context(), other), "another key")
		assert.Zero(t, soft.Spent())
	}
	soft := cardtest.PIV().Put("9E", cardtest.Key(cardtest.P256, 1), nil)
	assert.ErrorIs(t, open(t, soft).Prove(t.Context(), cardtest.Key(cardtest.P256, 0).Public()), piv.ErrMismatch)
}
