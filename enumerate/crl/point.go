package crl

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// Extensions of certificates and lists (RFC 5280, 4.2.1 and 5.2).
var (
	oidCRLNumber          = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidDeltaCRL           = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidDistributionPoint  = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidDistributionPoints = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidAuthorityKeyID     = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidFreshestCRL        = asn1.ObjectIdentifier{2, 5, 29, 46}
)

// Tags of the fields of a DistributionPoint and an IssuingDistributionPoint.
const (
	tag0Constructed ber.Tag = 0xA0
	tag1            ber.Tag = 0x81
	tag2            ber.Tag = 0x82
	tag3            ber.Tag = 0x83
	tag4            ber.Tag = 0x84
	tag5            ber.Tag = 0x85
	tagURI          ber.Tag = 0x86
)

// maxURLs is how many URLs of one extension are tried.
const maxURLs = 8

// points are the URLs at which a list for a certificate is published.
type points struct {
	all     []string // of any scheme, also those that are not read
	present bool     // there is at least one distribution point
	partial bool     // a point was left out that is for some reasons or another issuer
}

// readable returns the URLs that can be fetched.
func (p points) readable() []string {
	urls := slices.DeleteFunc(slices.Clone(p.all), func(u string) bool { return !fetchable(u) })
	return urls[:min(len(urls), maxURLs)]
}

func fetchable(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (strings.EqualFold(u.Scheme, "http") || strings.EqualFold(u.Scheme, "https")) && u.Host != ""
}

// extension returns the value of an extension. A second one of the same type is an
// error.
func extension(list []pkix.Extension, id asn1.ObjectIdentifier) (value []byte, ok bool, err error) {
	for _, x := range list {
		if !x.Id.Equal(id) {
			continue
		}
		if ok {
			return nil, false, fmt.Errorf("extension %v is repeated", id)
		}
		value, ok = x.Value, true
	}
	return value, ok, nil
}

// pointsOf returns the points in an extension of a certificate or a list.
func pointsOf(list []pkix.Extension, id asn1.ObjectIdentifier) (points, error) {
	value, ok, err := extension(list, id)
	if !ok || err != nil {
		return points{}, err
	}
	return parsePoints(value)
}

// parsePoints parses a CRLDistributionPoints (RFC 5280, 4.2.1.13).
func parsePoints(value []byte) (points, error) {
	p := points{}
	r := ber.DER(value)
	list, ok := r.Take(ber.Sequence)
	if !ok || r.Close() != nil {
		return p, malformed("distribution points", r.Close())
	}
	in := list.Inside()
	for in.More() {
		point, ok := in.Take(ber.Sequence)
		if !ok {
			break
		}
		p.present = true
		var urls []string
		complete := true
		fields := point.Inside()
		for last := -1; fields.More(); {
			field, ok := fields.Next()
			if !ok {
				break
			}
			number := fieldNumber(field)
			if number <= last {
				return p, errors.New("distribution points: fields are out of order")
			}
			last = number
			switch field.Tag {
			case tag0Constructed:
				var err error
				if urls, err = pointName(field); err != nil {
					return p, err
				}
			default: // reasons, cRLIssuer or an unknown field
				complete = false
			}
		}
		if err := fields.Err(); err != nil {
			return p, malformed("distribution points", err)
		}
		if !complete {
			p.partial = true
			continue
		}
		p.all = append(p.all, urls...)
	}
	if err := in.Err(); err != nil {
		return p, malformed("distribution points", err)
	}
	return p, nil
}

// pointName returns the URIs of a DistributionPointName in its tag [0]. A name
// relative to the issuer has none.
func pointName(field ber.Element) ([]string, error) {
	outer := field.Inside()
	name, ok := outer.Next()
	if !ok || outer.Close() != nil {
		return nil, malformed("distribution point name", outer.Close())
	}
	if name.Tag != tag0Constructed {
		return nil, nil
	}
	var urls []string
	in := name.Inside()
	for in.More() {
		if general, ok := in.Next(); ok && general.Tag == tagURI {
			urls = append(urls, string(general.Value))
		}
	}
	return urls, in.Err()
}

// fieldNumber returns the context-specific tag of a field as a number that is the same
// for the primitive and the constructed form.
func fieldNumber(e ber.Element) int { return int(e.Tag &^ 0x20) }

func malformed(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%s: malformed", what)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// A scope is what a list covers (RFC 5280, 5.2.5). The zero value is all
// certificates of the issuer.
type scope struct {
	raw        string // the extension
	named      bool   // the list is for one distribution point
	urls       []string
	users, cas bool // only certificates of users, only of CAs
	attributes bool
	reasons    bool // only some reasons
	indirect   bool
}

// parseScope parses an IssuingDistributionPoint.
func parseScope(value []byte) (scope, error) {
	s := scope{raw: string(value)}
	r := ber.DER(value)
	list, ok := r.Take(ber.Sequence)
	if !ok || r.Close() != nil {
		return s, malformed("issuing distribution point", r.Close())
	}
	in := list.Inside()
	for last := -1; in.More(); {
		field, ok := in.Next()
		if !ok {
			break
		}
		number := fieldNumber(field)
		if number <= last {
			return s, errors.New("issuing distribution point: fields are out of order")
		}
		last = number
		if field.Tag == tag0Constructed {
			s.named = true
			var err error
			if s.urls, err = pointName(field); err != nil {
				return s, err
			}
			continue
		}
		if field.Tag == tag3 {
			s.reasons = true
			continue
		}
		flag, ok := map[ber.Tag]*bool{tag1: &s.users, tag2: &s.cas, tag4: &s.indirect, tag5: &s.attributes}[field.Tag]
		if !ok || len(field.Value) != 1 || field.Value[0] != 0 && field.Value[0] != 0xFF {
			return s, fmt.Errorf("issuing distribution point: malformed field %v", field.Tag)
		}
		*flag = field.Value[0] != 0
	}
	if err := in.Err(); err != nil {
		return s, malformed("issuing distribution point", err)
	}
	return s, nil
}

// covers returns why a list of this scope does not say whether a certificate is
// revoked, or nil (RFC 5280, 6.3.3 (b)). p are the certificate's distribution
// points.
func (s scope) covers(c *x509.Certificate, p points) *Error {
	switch {
	case s.indirect:
		return fail(Unusable, "indirect lists are not supported")
	case s.reasons:
		return fail(OtherScope, "list is for some reasons only")
	case s.attributes:
		return fail(OtherScope, "list is for attribute certificates only")
	case s.users && c.IsCA:
		return fail(OtherScope, "list is for certificates of users only")
	case s.cas && !c.IsCA:
		return fail(OtherScope, "list is for certificates of CAs only")
	case s.named && !slices.ContainsFunc(s.urls, func(u string) bool { return slices.Contains(p.all, u) }):
		return fail(OtherScope, "list is for another distribution point")
	}
	return nil
}
