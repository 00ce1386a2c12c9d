package cert

import (
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// MaxSize is the largest certificate that is read, in bytes. The certificate of
// a smart card has two or three thousand.
const MaxSize = 64 << 10

// Context-specific tags of TBSCertificate (RFC 5280, 4.1).
const (
	tagVersion    ber.Tag = 0xA0
	tagIssuerUID  ber.Tag = 0x81
	tagSubjectUID ber.Tag = 0x82
	tagExtensions ber.Tag = 0xA3
)

// A Certificate is the outermost walk of a certificate. Every field is the
// element as it stands there; only its tag has been looked at.
type Certificate struct {
	Raw []byte      // the whole certificate
	TBS ber.Element // the part that is signed

	Serial    ber.Element // INTEGER
	Signature ber.Element // AlgorithmIdentifier within TBS
	Issuer    ber.Element // Name
	Validity  ber.Element
	Subject   ber.Element // Name
	SPKI      ber.Element // SubjectPublicKeyInfo

	extensions ber.Element // the explicit [3]; zero if there is none
	index      index
}

// Parse walks a certificate. Its error, a *[ber.Error], says why the
// Certificate or its TBSCertificate cannot be walked to the end; data after the
// certificate is such a reason.
func Parse(der []byte) (Certificate, error) {
	if len(der) > MaxSize {
		return Certificate{}, &ber.Error{Reason: fmt.Sprintf("%d bytes are more than the %d that a certificate may have", len(der), MaxSize)}
	}
	c := Certificate{Raw: der}
	file := ber.DER(der)
	outer, _ := file.Take(ber.Sequence)
	if err := file.Close(); err != nil {
		return Certificate{}, err
	}
	r := outer.Inside()
	c.TBS, _ = r.Take(ber.Sequence)
	r.Take(ber.Sequence)  // signatureAlgorithm
	r.Take(ber.BitString) // signatureValue
	if err := r.Close(); err != nil {
		return Certificate{}, err
	}
	if err := c.readTBS(); err != nil {
		return Certificate{}, err
	}
	c.index.fill(c.Extensions())
	return c, nil
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
