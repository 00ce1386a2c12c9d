package crl

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// clockSkew is how far the clock of a CA may be ahead.
const clockSkew = time.Minute

// Contents of object identifiers of extensions of an entry (RFC 5280, 5.3).
const (
	oidReasonCode     = "\x55\x1d\x15"
	oidInvalidityDate = "\x55\x1d\x18"
)

// Reasons (RFC 5280, 5.3.1).
const (
	unspecified   = 0
	removeFromCRL = 8
)

const enumerated ber.Tag = 0x0A

// maxNumber is the length in bytes of the largest CRL number (RFC 5280, 5.2.3).
const maxNumber = 20

// A list is a parsed revocation list. It keeps the DER, not a map of the entries: a
// list of the largest size has a million entries, each of which would take many
// times its 20 bytes, and a check looks up only one.
type list struct {
	header   *x509.RevocationList // without entries
	signed   []byte               // tbsCertList
	entries  []byte               // content of revokedCertificates
	number   *big.Int             // nil if there is none
	base     *big.Int             // of a delta list: BaseCRLNumber
	scope    scope
	freshest points
	size     int
}

// parseList parses the DER of a CertificateList and checks the form of each entry.
func parseList(der []byte) (*list, *Error) {
	l := &list{size: len(der)}
	reduced, err := l.split(der)
	if err != nil {
		return nil, fail(NotDER, "%w", err)
	}
	// crypto/x509 reads everything but the entries, for each of which it
	// allocates several times.
	if l.header, err = x509.ParseRevocationList(reduced); err != nil {
		return nil, fail(Unusable, "%w", err)
	}
	if err := l.readExtensions(); err != nil {
		return nil, fail(Unusable, "%w", err)
	}
	if err := walkEntries(l.entries, func([]byte, int) {}); err != nil {
		return nil, fail(Unusable, "%w", err)
	}
	if l.header.NextUpdate.IsZero() {
		return nil, fail(Unusable, "list has no next update")
	}
	return l, nil
}

// split sets signed and entries and returns the list without its entries.
func (l *list) split(der []byte) (reduced []byte, err error) {
	r := ber.DER(der)
	outer, ok := r.Take(ber.Sequence)
	if !ok || r.Close() != nil {
		return nil, malformed("list", r.Close())
	}
	in := outer.Inside()
	tbs, ok := in.Take(ber.Sequence)
	if !ok {
		return nil, malformed("list", in.Err())
	}
	l.signed = tbs.Raw
	rest := outer.Value[len(tbs.Raw):]
	var kept []byte
	fields := tbs.Inside()
	dated := false
	for fields.More() {
		field, ok := fields.Next()
		if !ok {
			break
		}
		// revokedCertificates is the only SEQUENCE after the dates.
		if field.Tag == ber.Sequence && dated && l.entries == nil {
			l.entries = field.Value
			continue
		}
		dated = dated || field.Tag == ber.UTCTime || field.Tag == ber.GeneralizedTime
		kept = append(kept, field.Raw...)
	}
	if err := fields.Err(); err != nil {
		return nil, malformed("list", err)
	}
	return ber.Append(nil, ber.Sequence, append(ber.Append(nil, ber.Sequence, kept), rest...)), nil
}

// readExtensions reads the extensions of the list and refuses critical ones that
// are not known.
func (l *list) readExtensions() error {
	seen := make(map[string]bool)
	for _, x := range l.header.Extensions {
		id := x.Id.String()
		if seen[id] {
			return fmt.Errorf("extension %s is repeated", id)
		}
		seen[id] = true
		var err error
		switch {
		case x.Id.Equal(oidCRLNumber):
			l.number, err = parseNumber(x.Value)
		case x.Id.Equal(oidDeltaCRL):
			l.base, err = parseNumber(x.Value)
		case x.Id.Equal(oidDistributionPoint):
			l.scope, err = parseScope(x.Value)
		case x.Id.Equal(oidFreshestCRL):
			l.freshest, err = parsePoints(x.Value)
		case x.Id.Equal(oidAuthorityKeyID):
		case x.Critical:
			err = fmt.Errorf("critical extension %s is not supported", id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func parseNumber(der []byte) (*big.Int, error) {
	var n *big.Int
	rest, err := asn1.Unmarshal(der, &n)
	if err == nil && (len(rest) > 0 || n.Sign() < 0 || n.BitLen() > 8*maxNumber) {
		err = errors.New("out of range")
	}
	if err != nil {
		return nil, fmt.Errorf("list number: %w", err)
	}
	return n, nil
}

// walkEntries calls f with the content of the serial number and the reason of each
// entry.
func walkEntries(entries []byte, f func(serial []byte, reason int)) error {
	in := ber.DER(entries)
	for in.More() {
		entry, ok := in.Take(ber.Sequence)
		if !ok {
			break
		}
		fields := entry.Inside()
		serial, ok := fields.Take(ber.Integer)
		if !ok || len(serial.Value) == 0 {
			return errors.New("entry has no serial number")
		}
		date, ok := fields.Next()
		if !ok || date.Tag != ber.UTCTime && date.Tag != ber.GeneralizedTime {
			return errors.New("entry has no date")
		}
		reason := unspecified
		if fields.More() {
			extensions, ok := fields.Take(ber.Sequence)
			if !ok {
				return malformed("entry", fields.Err())
			}
			var err error
			if reason, err = reasonOf(extensions); err != nil {
				return err
			}
		}
		if err := fields.Close(); err != nil {
			return malformed("entry", err)
		}
		f(serial.Value, reason)
	}
	if err := in.Err(); err != nil {
		return malformed("entries", err)
	}
	return nil
}

// reasonOf reads the extensions of an entry.
func reasonOf(extensions ber.Element) (reason int, err error) {
	list := extensions.Inside()
	for list.More() {
		x, ok := list.Take(ber.Sequence)
		if !ok {
			break
		}
		fields := x.Inside()
		id, ok := fields.Take(ber.OID)
		if !ok {
			return 0, malformed("extension of an entry", fields.Err())
		}
		critical := false
		if fields.Peek() == ber.Boolean {
			b, _ := fields.Next()
			critical = len(b.Value) != 1 || b.Value[0] != 0
		}
		value, ok := fields.Take(ber.OctetString)
		if !ok || fields.Close() != nil {
			return 0, malformed("extension of an entry", fields.Close())
		}
		switch string(id.Value) {
		case oidReasonCode:
			inner := ber.DER(value.Value)
			code, ok := inner.Take(enumerated)
			if !ok || inner.Close() != nil || len(code.Value) != 1 || code.Value[0] > 10 {
				return 0, errors.New("reason code is malformed")
			}
			reason = int(code.Value[0])
		case oidInvalidityDate:
		default:
			if critical {
				return 0, errors.New("entry has a critical extension that is not supported")
			}
		}
	}
	if err := list.Err(); err != nil {
		return 0, malformed("extension of an entry", err)
	}
	return reason, nil
}

// find reports whether the list has a serial number, and whether all entries with it
// are removals, as in a delta list.
func (l *list) find(serial []byte) (present, removed bool) {
	removed = true
	_ = walkEntries(l.entries, func(s []byte, reason int) { // parseList has checked them
		if bytes.Equal(s, serial) {
			present = true
			removed = removed && reason == removeFromCRL
		}
	})
	return present, present && removed
}

// verify returns why the list is not one of issuer that is valid now, or nil.
func (l *list) verify(issuer *x509.Certificate, now time.Time) *Error {
	switch {
	case !bytes.Equal(l.header.RawIssuer, issuer.RawSubject):
		return fail(OtherIssuer, "issuer of the list is %.64q", l.header.Issuer.String())
	case len(l.header.AuthorityKeyId) > 0 && len(issuer.SubjectKeyId) > 0 && !bytes.Equal(l.header.AuthorityKeyId, issuer.SubjectKeyId):
		return fail(OtherIssuer, "authority key identifier of the list is %.40x", l.header.AuthorityKeyId)
	case issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return fail(OtherIssuer, "key usage of %.64q does not include lists", issuer.Subject.String())
	}
	if err := issuer.CheckSignature(l.header.SignatureAlgorithm, l.signed, l.header.Signature); err != nil {
		return fail(OtherIssuer, "%w", err)
	}
	return l.current(now)
}

// current returns why the list is not valid now, or nil.
func (l *list) current(now time.Time) *Error {
	switch {
	case l.header.ThisUpdate.After(now.Add(clockSkew)):
		return fail(NotCurrent, "this update is %s", l.header.ThisUpdate.UTC().Format(time.RFC3339))
	case now.After(l.header.NextUpdate):
		return fail(NotCurrent, "next update was due %s", l.header.NextUpdate.UTC().Format(time.RFC3339))
	}
	return nil
}

// follows returns why the list must not take the place of an older one, or nil.
func (l *list) follows(old *list) *Error {
	if old == nil || old.number == nil {
		return nil
	}
	if l.number == nil || l.number.Cmp(old.number) < 0 {
		return fail(Unusable, "list number is %v, was %v before", l.number, old.number)
	}
	return nil
}

// amends returns why l is not a delta list that applies to base, or nil (RFC 5280,
// 5.2.4).
func (l *list) amends(base *list) *Error {
	switch {
	case l.base == nil:
		return fail(Unusable, "not a delta list")
	case l.number == nil || base.number == nil:
		return fail(Unusable, "delta or base list has no number")
	case l.scope.raw != base.scope.raw:
		return fail(Unusable, "delta and base list have different scopes")
	case base.number.Cmp(l.base) < 0:
		return fail(Unusable, "delta list needs base list %v, this is %v", l.base, base.number)
	}
	return nil
}
