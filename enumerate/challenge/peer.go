package challenge

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// VerifyPeer returns the identity behind a certificate in DER, or a [*Refusal], as
// [Verifier.Verify] does. It is for a server to which another protocol has proven
// that the client has the key: der is the first certificate of the PeerCertificates
// of a TLS connection that was not resumed. It checks everything but challenge and
// signature.
func (v *Verifier) VerifyPeer(ctx context.Context, der []byte) (*Identity, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("challenge: %w", err)
	}
	now := time.Now()
	if v.Now != nil {
		now = v.Now()
	}
	id, refusal := v.verifyPeer(ctx, der, now)
	if refusal != nil {
		return nil, refusal
	}
	return id, nil
}

func (v *Verifier) verifyPeer(ctx context.Context, der []byte, now time.Time) (*Identity, *Refusal) {
	if v.Roots == nil {
		return nil, refuse(NoRoots, nil)
	}
	if len(der) > MaxResponse {
		return nil, refuse(MalformedCertificate, errors.New("too long"))
	}
	certificate, key, r := readCertificate(der)
	if r != nil {
		return nil, r
	}
	if err := v.checkLength(key); err != nil {
		return nil, refuse(UnfitKey, err)
	}
	return v.identity(ctx, der, certificate, now)
}
