package challenge

import (
	"crypto/x509"

	"github.com/smartlogon/smartlogon/internal/cert"
)

var ParseLeaf = parseLeaf

// ParseParts parses a certificate as if crypto/x509 had refused it.
func ParseParts(der []byte) (*x509.Certificate, error) {
	fields, err := cert.Parse(der)
	if err != nil {
		return nil, err
	}
	return parseParts(&fields)
}

// CheckConstraints applies the value of a name constraints extension to c.
func CheckConstraints(value []byte, c *x509.Certificate) error {
	constraints, err := parseNameConstraints(value)
	if err != nil {
		return err
	}
	return constraints.check(c)
}
