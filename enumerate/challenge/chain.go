package challenge

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"
)

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidSmartCardLogon = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}
)

// chains returns every chain from leaf to Roots that is good now and whose
// issuers may issue for sign-in. The names of leaf have been read without a
// fault.
func (v *Verifier) chains(leaf *x509.Certificate, now time.Time) ([][]*x509.Certificate, *Refusal) {
	// crypto/x509 does not know the names of a critical subject alternative
	// name that holds nothing but a UPN, and gives the whole extension up
	// (RFC 5280, 4.2 asks for that). Here it is known: the reader of names went
	// through all of it.
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(leaf.UnhandledCriticalExtensions, oidSubjectAltName.Equal)
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots:         v.Roots,
		Intermediates: v.Intermediates,
		CurrentTime:   now,
		// crypto/x509 does not know smart card logon. The rules judge the usage
		// of the leaf, and issuerUsage that of the others.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, refuse(Untrusted, err)
	}
	var wrong *x509.Certificate
	chains = slices.DeleteFunc(chains, func(chain []*x509.Certificate) bool {
		for _, issuer := range chain[1:] {
			if !v.mayIssue(issuer) {
				wrong = issuer
				return true
			}
		}
		return false
	})
	if len(chains) == 0 {
		return nil, refuse(IssuerUsage, fmt.Errorf("%.64q has an extended key usage without smart card logon", wrong.Subject.String()))
	}
	return chains, nil
}

// mayIssue reports whether the extended key usage of an issuer, where it has
// one, covers what makes a certificate one for sign-in. An authority that is
// confined to web servers shall not sign people in.
func (v *Verifier) mayIssue(issuer *x509.Certificate) bool {
	if len(issuer.ExtKeyUsage) == 0 && len(issuer.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.ContainsFunc(issuer.UnknownExtKeyUsage, oidSmartCardLogon.Equal) ||
		slices.Contains(issuer.ExtKeyUsage, x509.ExtKeyUsageAny) ||
		v.Policy.AllowCertificatesWithNoEKU && slices.Contains(issuer.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
}
