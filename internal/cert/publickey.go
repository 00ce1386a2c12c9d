package cert

import (
	"crypto"
	"crypto/x509"
	"fmt"
)

// PublicKey returns the public key of a certificate, even if x509.ParseCertificate
// refuses the certificate.
func PublicKey(der []byte) (crypto.PublicKey, error) {
	c, err := Parse(der)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	public, err := c.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return public, nil
}

// PublicKey returns the public key.
func (c *Certificate) PublicKey() (crypto.PublicKey, error) {
	public, err := x509.ParsePKIXPublicKey(c.SPKI.Raw)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return public, nil
}
