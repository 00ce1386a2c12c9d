package cert

import (
	"bytes"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// MaxSize is the size limit of a certificate in bytes. Those of smart cards have
// 2 or 3 KB.
const MaxSize = 64 << 10

// Context-specific tags of TBSCertificate (RFC 5280, 4.1).
const (
	tagVersion    ber.Tag = 0xA0
	tagIssuerUID  ber.Tag = 0x81
	tagSubjectUID ber.Tag = 0x82
	tagExtensions ber.Tag = 0xA3
)

// A Certificate holds the elements of a certificate. Only their tags have been
// checked.
type Certificate struct {
	Raw []byte      // the whole certificate
	TBS ber.Element // TBSCertificate, the part that is signed

	Serial    ber.Element // INTEGER
	Signature ber.Element // AlgorithmIdentifier within TBS
	Issuer    ber.Element // Name
	Validity  ber.Element
	Subject   ber.Element // Name
	SPKI      ber.Element // SubjectPublicKeyInfo

	extensions ber.Element // the explicit [3]; zero if absent
	index      index
}

// Parse reads the elements of a certificate. The error is a *[ber.Error]; data
// after the certificate is one.
func Parse(der []byte) (Certificate, error) {
	var c Certificate
	if err := c.Parse(der); err != nil {
		return Certificate{}, err
	}
	return c, nil
}

// Parse does what the function Parse does, for a Certificate that is part of another
// value. It must be zero before, and is of no use after an error.
func (c *Certificate) Parse(der []byte) error {
	if len(der) > MaxSize {
		return &ber.Error{Reason: fmt.Sprintf("%d bytes are more than the %d that a certificate may have", len(der), MaxSize)}
	}
	c.Raw = der
	file := ber.DER(der)
	outer, _ := file.Take(ber.Sequence)
	if err := file.Close(); err != nil {
		if bytes.HasPrefix(der, []byte("-----BEGIN ")) {
			err = &ber.Error{Reason: "PEM, want DER"}
		}
		return err
	}
	r := outer.Inside()
	c.TBS, _ = r.Take(ber.Sequence)
	r.Take(ber.Sequence)  // signatureAlgorithm
	r.Take(ber.BitString) // signatureValue
	if err := r.Close(); err != nil {
		return err
	}
	if err := c.readTBS(); err != nil {
		return err
	}
	c.index.fill(c.Extensions())
	return nil
}

func (c *Certificate) readTBS() error {
	r := c.TBS.Inside()
	if r.Peek() == tagVersion {
		r.Next()
	}
	c.Serial, _ = r.Take(ber.Integer)
	c.Signature, _ = r.Take(ber.Sequence)
	c.Issuer, _ = r.Take(ber.Sequence)
	c.Validity, _ = r.Take(ber.Sequence)
	c.Subject, _ = r.Take(ber.Sequence)
	c.SPKI, _ = r.Take(ber.Sequence)
	for _, unused := range [...]ber.Tag{tagIssuerUID, tagSubjectUID} {
		if r.Peek() == unused {
			r.Next()
		}
	}
	if r.Peek() == tagExtensions {
		c.extensions, _ = r.Next()
	}
	return r.Close()
}
