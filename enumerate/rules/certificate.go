package rules

import (
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/upn"
)

// A Certificate has been walked and can be judged. Its methods give what the
// rules look at; each reads its own field, so that a fault in one is no fault of
// another. It is safe for concurrent use.
type Certificate struct {
	fields cert.Certificate
	names  upn.Names
	err    error // why nothing could be read
}

// Read walks a certificate, which must not change afterwards. The error says
// why the outer Certificate or its TBSCertificate cannot be walked.
func Read(der []byte) (*Certificate, error) {
	c := read(der)
	if c.err != nil {
		return nil, c.err
	}
	return c, nil
}

func read(der []byte) *Certificate {
	fields, err := cert.Parse(der)
	if err != nil {
		return &Certificate{err: fmt.Errorf("rules: read certificate: %w", err)}
	}
	return &Certificate{fields: fields, names: readNames(der, &fields)}
}

// readNames does not walk the certificate again for the usual one, whose SAN
// names somebody. The others are left to [upn.Read], which knows why.
func readNames(der []byte, fields *cert.Certificate) upn.Names {
	san, ok, err := fields.Extension(cert.OIDSubjectAltName)
	if ok && err == nil {
		names := upn.ReadSAN(san.Value.Value)
		if len(names.UPNs) > 0 || len(names.Emails) > 0 {
			return names
		}
	}
	return upn.Read(der)
}

// Subject is the distinguished name of the holder as RFC 2253 writes it, with
// everything that cannot be shown escaped. It is empty for an empty name and for
// one that cannot be read.
func (c *Certificate) Subject() string { return cert.RFC2253(c.fields.Subject) }

// Issuer is the distinguished name of the issuer, likewise.
func (c *Certificate) Issuer() string { return cert.RFC2253(c.fields.Issuer) }

// NotBefore is the first second in which the certificate is valid.
func (c *Certificate) NotBefore() Date {
	d, _ := c.fields.Dates()
	return Date{d}
}

// NotAfter is the last second in which the certificate is valid.
func (c *Certificate) NotAfter() Date {
	_, d := c.fields.Dates()
	return Date{d}
}

// Names are the names of the certificate, as [upn.Read] returns them.
func (c *Certificate) Names() upn.Names { return c.names }

// KeyUsage names the bits of the key usage extension in the order of RFC 5280,
// 4.2.1.3 (bit 1 by its newer name, contentCommitment). It is nil where there is
// no such extension, and an error where it cannot be read or is there twice.
func (c *Certificate) KeyUsage() ([]string, error) {
	usage, ok, err := c.fields.KeyUsage()
	if err != nil {
		return nil, fmt.Errorf("rules: key usage: %w", err)
	}
	if !ok {
		return nil, nil
	}
	return cert.KeyUsageNames(usage), nil
}

// ExtendedKeyUsage has the purposes of the extended key usage extension as
// dotted object identifiers, in their order. It is nil where there is no such
// extension, and an error where it cannot be read, is empty or is there twice.
func (c *Certificate) ExtendedKeyUsage() ([]string, error) {
	list, ok, err := c.fields.ExtendedKeyUsage()
	if err != nil {
		return nil, fmt.Errorf("rules: extended key usage: %w", err)
	}
	if !ok {
		return nil, nil
	}
	var purposes []string
	for oid, more := list.Next(); more; oid, more = list.Next() {
		purposes = append(purposes, cert.DottedOID(oid))
	}
	return purposes, nil
}

// A Date is notBefore or notAfter, which may be one that cannot be read.
type Date struct{ date cert.Date }

// Time is the date in UTC, or the zero time if it cannot be read.
func (d Date) Time() time.Time { return d.date.Time }

// String is the date as RFC 3339 has it, or "unparsed: " and the text of the
// certificate.
func (d Date) String() string {
	if !d.date.Time.IsZero() {
		return d.date.Time.Format(time.RFC3339)
	}
	return "unparsed: " + printable(d.date.Text)
}

// MarshalText gives the text of String.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// printable is a foreign text for one line: cut, and quoted unless it is plain
// ASCII.
func printable(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return quoted(string(b))
		}
	}
	return cut(string(b))
}
