package upn_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/upn"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// sanValues reads a GeneralNames independently of the package.
func sanValues(value []byte) (upns, emails []string, ok bool) {
	in, list := cryptobyte.String(value), cryptobyte.String(nil)
	if !in.ReadASN1(&list, asn1.SEQUENCE) || !in.Empty() {
		return nil, nil, false
	}
	for !list.Empty() {
		var name cryptobyte.String
		var tag asn1.Tag
		if !list.ReadAnyASN1(&name, &tag) {
			return nil, nil, false
		}
		switch tag {
		case asn1.Tag(1).ContextSpecific():
			emails = append(emails, string(name))
		case asn1.Tag(0).ContextSpecific().Constructed():
			var oid, wrapper, text cryptobyte.String
			if name.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) && string(oid) == "\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03" {
				if !name.ReadASN1(&wrapper, asn1.Tag(0).ContextSpecific().Constructed()) || !name.Empty() ||
					!wrapper.ReadASN1(&text, asn1.UTF8String) || !wrapper.Empty() {
					return nil, nil, false
				}
				upns = append(upns, string(text))
			}
		}
	}
	return upns, emails, true
}

// unique returns names without those equal to an earlier one.
func unique(names []string) []string {
	var list []string
next:
	for _, n := range names {
		for _, other := range list {
			if upn.Equal(other, n) {
				continue next
			}
		}
		list = append(list, n)
	}
	return list
}

// checkNames checks the properties of all results.
func checkNames(t *testing.T, got upn.Names) {
	for _, name := range append(append([]string(nil), got.UPNs...), got.Emails...) {
		user, suffix, _ := strings.Cut(name, "@")
		if !utf8.ValidString(name) || user == "" || suffix == "" || strings.Count(name, "@") != 1 || strings.ContainsFunc(name, func(r rune) bool {
			return r < ' ' || 0x7F <= r && r < 0xA0 || 0x202A <= r && r <= 0x202E
		}) {
			t.Fatalf("%q is not a valid name", name)
		}
	}
	if got.Err != nil {
		var fault *upn.MalformedError
		if !errors.As(got.Err, &fault) || got.UPNs != nil || got.Emails != nil || got.Subject != "" {
			t.Fatalf("error with names: %+v", got)
		}
	}
	name, err := upn.SignIn{}.Name(got)
	switch {
	case err != nil && name.Value != "":
		t.Fatalf("error %v with the name %q", err, name.Value)
	case err == nil && len(got.UPNs) > 0 && name.Value != got.UPNs[0],
		err == nil && len(got.UPNs) == 0 && name.Value != got.Emails[0]:
		t.Fatalf("%q is not the first name of %+v", name.Value, got)
	}
}

func equal(a, b []string) bool {
	return strings.Join(a, "\x00") == strings.Join(b, "\x00") && len(a) == len(b)
}

// FuzzReadSAN checks that the names are exactly the values of a well-formed SAN,
// and that Read returns the same names for a certificate with that SAN.
func FuzzReadSAN(f *testing.F) {
	for _, c := range sanCases {
		if len(c.san) < 1000 {
			f.Add(c.value(f))
		}
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		got := upn.ReadSAN(value)
		checkNames(t, got)
		inside := upn.Read(certtest.Certificate{Subject: certtest.Sequence(), Extensions: [][]byte{certtest.Extension("2.5.29.17", value)}}.DER())
		if (inside.Err == nil) != (got.Err == nil) || !equal(inside.UPNs, got.UPNs) || !equal(inside.Emails, got.Emails) {
			t.Fatalf("ReadSAN %+v, Read %+v", got, inside)
		}
		if got.Err != nil {
			return
		}
		upns, emails, ok := sanValues(value)
		if !ok || !equal(unique(upns), got.UPNs) || !equal(unique(emails), got.Emails) {
			t.Fatalf("%x holds %q and %q, not %+v", value, upns, emails, got)
		}
	})
}

// FuzzRead checks the names of certificates, against crypto/x509 if it accepts
// the certificate.
func FuzzRead(f *testing.F) {
	for _, c := range sanCases {
		if len(c.san) < 300 {
			f.Add(certtest.Certificate{Extensions: [][]byte{certtest.Extension("2.5.29.17", c.value(f))}}.DER())
		}
	}
	f.Add(certtest.Certificate{Subject: certtest.Name("CN=Alice", "E=alice@example.com")}.DER())
	f.Fuzz(func(t *testing.T, der []byte) {
		got := upn.Read(der)
		checkNames(t, got)
		for _, name := range append(append([]string(nil), got.UPNs...), got.Emails...) {
			if !bytes.Contains(der, append([]byte{byte(len(name))}, name...)) && len(name) < 0x80 {
				t.Fatalf("%q is not in the certificate", name)
			}
		}
		other, err := x509.ParseCertificate(der)
		if err != nil || got.Err != nil {
			return
		}
		var upns []string
		for _, x := range other.Extensions {
			if x.Id.String() == "2.5.29.17" {
				upns, _, _ = sanValues(x.Value)
			}
		}
		if !equal(unique(upns), got.UPNs) || !equal(unique(other.EmailAddresses), got.Emails) {
			t.Fatalf("%x holds %q and %q, not %+v", der, upns, other.EmailAddresses, got)
		}
	})
}
