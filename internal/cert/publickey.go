package cert

import (
	"crypto"
	"crypto/x509"
	"fmt"
)

// PublicKey returns the public key of a certificate, which need not be one that
// crypto/x509 takes as a whole.
func PublicKey(der []byte) (crypto.PublicKey, error) {
	c, err := Parse(der)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w; it must be DER, not PEM", err)
	}
	public, err := x509.ParsePKIXPublicKey(c.SPKI.Raw)
	if err != nil {
		return nil, fmt.Errorf("certificate: key: %w", err)
	}
	return public, nil
}
