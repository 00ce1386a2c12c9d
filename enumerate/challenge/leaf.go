package challenge

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

// parseLeaf parses the certificate of a client. crypto/x509 refuses certificates
// that Windows offers: with a negative serial number, with a malformed extension that
// no rule reads, with a subject in unusual characters. Of such a certificate, the
// fields that can be parsed are set. Extensions has all extensions, and
// UnhandledCriticalExtensions the critical ones that crypto/x509 cannot parse, too.
func parseLeaf(der []byte) (*x509.Certificate, error) {
	leaf, err := x509.ParseCertificate(der)
	if err == nil {
		return leaf, nil
	}
	fields, err := cert.Parse(der)
	if err != nil {
		return nil, err
	}
	return parseParts(&fields)
}

// parseParts lets crypto/x509 parse a certificate with the key, the signature and
// those extensions of c that it can parse, and sets the other fields from c.
func parseParts(c *cert.Certificate) (*x509.Certificate, error) {
	r := ber.DER(c.Raw)
	outer, _ := r.Take(ber.Sequence)
	in := outer.Inside()
	in.Next() // TBSCertificate
	algorithm, _ := in.Next()
	signature, _ := in.Next()
	parse := func(extensions ...[]byte) (*x509.Certificate, error) {
		return x509.ParseCertificate(replacement(c, algorithm.Raw, signature.Raw, extensions))
	}

	var all []pkix.Extension
	var readable [][]byte
	var unhandled []asn1.ObjectIdentifier
	list := c.Extensions()
	for x, ok := list.Next(); ok; x, ok = list.Next() {
		id, err := objectIdentifier(x.OID)
		if err != nil {
			return nil, fmt.Errorf("extension %s: %w", cert.DottedOID(x.OID), err)
		}
		all = append(all, pkix.Extension{Id: id, Critical: x.Critical, Value: x.Value.Value})
		entry := extensionEntry(x)
		if _, err := parse(entry); err == nil {
			readable = append(readable, entry)
		} else if x.Critical {
			unhandled = append(unhandled, id)
		}
	}
	if err := list.Err(); err != nil {
		return nil, err
	}
	leaf, err := parse(readable...)
	if err != nil {
		return nil, err
	}
	leaf.Raw, leaf.RawTBSCertificate = c.Raw, c.TBS.Raw
	leaf.RawIssuer, leaf.RawSubject = c.Issuer.Raw, c.Subject.Raw
	leaf.Issuer, leaf.Subject = distinguishedName(c.Issuer), distinguishedName(c.Subject)
	leaf.SerialNumber = integer(c.Serial.Value)
	notBefore, notAfter := c.Dates()
	leaf.NotBefore, leaf.NotAfter = notBefore.Time, notAfter.Time
	leaf.Extensions = all
	leaf.UnhandledCriticalExtensions = append(leaf.UnhandledCriticalExtensions, unhandled...)
	return leaf, nil
}

// replacement encodes a certificate with the key of c, an algorithm, a signature and
// extensions. Its other fields are valid and have no meaning.
func replacement(c *cert.Certificate, algorithm, signature []byte, extensions [][]byte) []byte {
	date := ber.Append(nil, ber.UTCTime, []byte("700101000000Z"))
	parts := [][]byte{
		ber.Append(nil, 0xA0, []byte{2, 1, 2}), // version 3
		{2, 1, 1},                              // serial number 1
		c.Signature.Raw,
		ber.Append(nil, ber.Sequence, nil), // issuer
		ber.Append(nil, ber.Sequence, append(date, date...)),
		ber.Append(nil, ber.Sequence, nil), // subject
		c.SPKI.Raw,
	}
	if len(extensions) > 0 {
		parts = append(parts, ber.Append(nil, 0xA3, ber.Append(nil, ber.Sequence, bytes.Join(extensions, nil))))
	}
	tbs := ber.Append(nil, ber.Sequence, bytes.Join(parts, nil))
	return ber.Append(nil, ber.Sequence, bytes.Join([][]byte{tbs, algorithm, signature}, nil))
}

// extensionEntry encodes an entry of the extension list.
func extensionEntry(x cert.Extension) []byte {
	entry := ber.Append(nil, ber.OID, x.OID)
	if x.Critical {
		entry = ber.Append(entry, ber.Boolean, []byte{0xFF})
	}
	return ber.Append(nil, ber.Sequence, append(entry, x.Value.Raw...))
}

func objectIdentifier(content []byte) (id asn1.ObjectIdentifier, err error) {
	_, err = asn1.Unmarshal(ber.Append(nil, ber.OID, content), &id)
	return id, err
}

// distinguishedName returns the attributes of a name that can be decoded.
func distinguishedName(name ber.Element) pkix.Name {
	attributes, _ := cert.Attributes(name) // a name that cannot be read has none
	var sequence pkix.RDNSequence
	for _, a := range attributes {
		for len(sequence) <= a.RDN {
			sequence = append(sequence, nil)
		}
		id, err := objectIdentifier(a.OID)
		if err != nil {
			continue
		}
		text, _ := a.Text()
		sequence[a.RDN] = append(sequence[a.RDN], pkix.AttributeTypeAndValue{Type: id, Value: text})
	}
	var n pkix.Name
	n.FillFromRDNSequence(&sequence)
	return n
}

// integer returns the value of an INTEGER (X.690, 8.3).
func integer(content []byte) *big.Int {
	n := new(big.Int).SetBytes(content)
	if len(content) > 0 && content[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(content))))
	}
	return n
}
