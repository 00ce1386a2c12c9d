package challenge

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/cert"
)

// publicKey returns the public key of a certificate, which need not be one that
// crypto/x509 takes: whether it signs anybody in is for the verifier to say.
func publicKey(der []byte) (crypto.PublicKey, error) {
	c, err := cert.Parse(der)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w; it must be DER, not PEM", err)
	}
	pub, err := x509.ParsePKIXPublicKey(c.SPKI.Raw)
	if err != nil {
		return nil, fmt.Errorf("certificate: key: %w", err)
	}
	return pub, nil
}

// checkExtensions refuses a certificate whose extension list cannot be read or
// has one of them twice (RFC 5280, 4.2).
func checkExtensions(der []byte) *Refusal {
	c, err := cert.Parse(der)
	if err != nil {
		return refuse(MalformedCertificate, err)
	}
	twice, err := c.DuplicateExtension()
	if err != nil {
		return refuse(MalformedCertificate, err)
	}
	if twice != nil {
		return refuse(RepeatedExtension, errors.New(cert.DottedOID(twice)))
	}
	return nil
}
