package challenge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"net/url"
	"slices"
	"time"
)

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidSmartCardLogon = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}
)

// chains returns every chain from leaf to Roots that is valid now and whose
// issuers may issue for sign-in. The caller has read the names of leaf.
func (v *Verifier) chains(leaf *x509.Certificate, now time.Time) ([][]*x509.Certificate, *Refusal) {
	checked := *leaf
	// crypto/x509 cannot process a critical subject alternative name that holds
	// only a UPN. RFC 5280, 4.2 requires that critical extensions are processed,
	// which the reader of names has done.
	checked.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(leaf.UnhandledCriticalExtensions), oidSubjectAltName.Equal)
	// checkNameConstraints handles the others; see hasDomain.
	checked.URIs = slices.DeleteFunc(slices.Clone(leaf.URIs), func(u *url.URL) bool { return !hasDomain(u) })
	chains, err := checked.Verify(x509.VerifyOptions{
		Roots:         v.Roots,
		Intermediates: v.Intermediates,
		CurrentTime:   now,
		// crypto/x509 does not know smart card logon. The rules check the usage
		// of the leaf, checkIssuers that of the issuers.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, refuse(Untrusted, err)
	}
	var first *Refusal
	chains = slices.DeleteFunc(chains, func(chain []*x509.Certificate) bool {
		chain[0] = leaf
		refusal := v.checkIssuers(chain)
		if first == nil {
			first = refusal
		}
		return refusal != nil
	})
	if len(chains) == 0 {
		return nil, first
	}
	return chains, nil
}

// checkIssuers returns why the issuers of a chain must not sign in its leaf, or
// nil.
func (v *Verifier) checkIssuers(chain []*x509.Certificate) *Refusal {
	for _, issuer := range chain[1:] {
		if !v.mayIssue(issuer) {
			return refuse(IssuerUsage, fmt.Errorf("%.64q has an extended key usage without smart card logon", issuer.Subject.String()))
		}
		if err := v.checkStrength(issuer.PublicKey); err != nil {
			return refuse(IssuerKey, fmt.Errorf("%.64q: %w", issuer.Subject.String(), err))
		}
	}
	if err := checkNameConstraints(chain); err != nil {
		return refuse(NameConstraint, err)
	}
	return nil
}

// mayIssue reports whether the extended key usage of an issuer, if it has one,
// covers sign-in. A CA that is restricted to web servers must not sign users in.
func (v *Verifier) mayIssue(issuer *x509.Certificate) bool {
	if len(issuer.ExtKeyUsage) == 0 && len(issuer.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.ContainsFunc(issuer.UnknownExtKeyUsage, oidSmartCardLogon.Equal) ||
		slices.Contains(issuer.ExtKeyUsage, x509.ExtKeyUsageAny) ||
		v.Policy.AllowCertificatesWithNoEKU && slices.Contains(issuer.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
}

// Lengths of keys in bits.
const (
	minRSA, minCurve         = 2048, 256
	minWeakRSA, minWeakCurve = 1024, 224
	maxRSA                   = 8192 // of a client, whose key must not cost the server time
)

// checkStrength returns an error for a key of a chain that is too short.
func (v *Verifier) checkStrength(key crypto.PublicKey) error {
	rsaBits, curveBits := minRSA, minCurve
	if v.AllowWeakKeys {
		rsaBits, curveBits = minWeakRSA, minWeakCurve
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < rsaBits {
			return fmt.Errorf("RSA key has %d bits, less than %d", n, rsaBits)
		}
	case *ecdsa.PublicKey:
		if n := key.Curve.Params().BitSize; n < curveBits {
			return fmt.Errorf("key on a curve of %d bits, less than %d", n, curveBits)
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("a %T", key)
	}
	return nil
}
