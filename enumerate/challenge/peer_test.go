package challenge_test

import (
	"context"
	"crypto/x509"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVerifyPeer(t *testing.T) {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	for _, kind := range keyKinds() {
		v := verifier(root)
		id, err := v.VerifyPeer(t.Context(), root.issue(t, kind.key.Public()))
		require.NoError(t, err, kind.name)
		assert.Equal(t, "alice@example.com", id.Name.Value)
		assert.Len(t, id.Chain, 2)
		assert.NotEmpty(t, id.Findings)
	}
}

// TestVerifyPeerRefuses gives it every certificate that Verify refuses for a reason
// that is not in the challenge or the signature.
func TestVerifyPeerRefuses(t *testing.T) {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	seen := make(map[challenge.Reason]bool)
	for _, tt := range refusals(t) {
		if tt.kept != nil || tt.answer != nil || tt.reason == challenge.TooLate || tt.reason == challenge.TooEarly {
			continue
		}
		key, issuer := tt.key, root
		if key == nil {
			key = testkeys.RSA(2048, 0)
		}
		if tt.issuer != nil {
			issuer = tt.issuer(t)
		}
		var edit []func(*x509.Certificate)
		if tt.cert != nil {
			edit = append(edit, tt.cert)
		}
		v := verifier(root)
		if tt.server != nil {
			tt.server(&v)
		}
		id, err := v.VerifyPeer(t.Context(), issuer.issueRaw(t, key.Public(), tt.raw, edit...))
		assert.Nil(t, id, tt.name)
		if assert.Error(t, err, tt.name) {
			assert.Equal(t, tt.reason.String(), reason(t, err).String(), tt.name)
		}
		seen[tt.reason] = true
	}
	for r := challenge.RepeatedExtension; r <= challenge.Revoked; r++ {
		assert.True(t, seen[r] || r == challenge.WrongSignature, "%v has no row", r)
	}

	v := verifier(root)
	_, err := v.VerifyPeer(t.Context(), make([]byte, challenge.MaxResponse+1))
	assert.Equal(t, challenge.MalformedCertificate, reason(t, err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = v.VerifyPeer(ctx, root.issue(t, testkeys.RSA(2048, 0).Public()))
	assert.ErrorIs(t, err, context.Canceled)
}
