package challenge

import (
	"errors"

	"github.com/smartlogon/smartlogon/internal/cert"
)

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
