package crl_test

import (
	"context"
	"crypto/x509"
	"errors"
	"log"
	"net/http"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/crl"
)

// The server checks revocation at the URLs of its own configuration.
func ExampleChecker() {
	var root, issuer *x509.Certificate // of the CAs, from the configuration
	revocation := &crl.Checker{
		Authorities: []crl.Authority{
			{CA: root, Base: "http://pki.example.com/root.crl"},
			{CA: issuer, Base: "http://pki.example.com/users.crl", Delta: "http://pki.example.com/users+.crl"},
		},
		HTTP: &http.Client{Timeout: 10 * time.Second},
	}
	v := challenge.Verifier{
		Roots:         challenge.NewPool(root),
		Intermediates: challenge.NewPool(issuer),
		Revoked:       revocation.Check,
	}
	verify := func(ctx context.Context, c challenge.Challenge, answer []byte) {
		_, err := v.Verify(ctx, c, answer)
		var failure *crl.Error
		switch {
		case errors.Is(err, crl.Revoked):
			log.Print("revoked: ", err)
		case errors.As(err, &failure):
			log.Printf("not judged (%d): %v", failure.Code, err)
		}
	}
	_ = verify
}
