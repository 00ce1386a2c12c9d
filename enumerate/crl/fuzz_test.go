package crl_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/crl"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// FuzzList asserts that a list that is parsed has the entries that crypto/x509 finds.
func FuzzList(f *testing.F) {
	w := newFixture(f, true)
	f.Add(w.files["/root"])
	f.Add(w.issuer.list(f, list{serials: []int64{1, leafSerial, 1 << 62}, reason: 6}))
	f.Add(w.issuer.list(f, list{number: 11, delta: 10, serials: []int64{leafSerial}, reason: 8}))
	f.Add(w.issuer.list(f, list{extra: []pkix.Extension{issuing(pointName("http://x/")), at(oidFreshest, "http://y/")}}))
	f.Fuzz(func(t *testing.T, der []byte) {
		serials, err := crl.ParseList(der)
		if err != nil {
			return
		}
		want, err := x509.ParseRevocationList(der)
		if err != nil {
			return // it reads the dates and the serial numbers of entries more strictly
		}
		if len(serials) != len(want.RevokedCertificateEntries) {
			t.Fatalf("%d entries, crypto/x509 finds %d", len(serials), len(want.RevokedCertificateEntries))
		}
		for i, e := range want.RevokedCertificateEntries {
			if n := e.SerialNumber; n.Sign() >= 0 && !bytes.Equal(bytes.TrimLeft(serials[i], "\x00"), n.Bytes()) {
				t.Fatalf("entry %d is %x, crypto/x509 finds %x", i, serials[i], n)
			}
		}
	})
}

// FuzzPoints asserts that the URLs of a distribution point occur in it and have a
// scheme that is supported.
func FuzzPoints(f *testing.F) {
	f.Add(at(oidPoints, "http://a/", "ldap://b/", "HTTPS://c/d").Value)
	f.Add(sequence(sequence(pointName("http://a/"), []byte{0x81, 2, 1, 6}, tagged(0xA2, []byte{0x86, 1, 'x'}))))
	f.Add(sequence(sequence(tagged(0xA0, tagged(0xA1)))))
	f.Fuzz(func(t *testing.T, value []byte) {
		urls, err := crl.ParsePoint(value)
		if err != nil {
			return
		}
		for _, u := range urls {
			if !bytes.Contains(value, []byte(u)) || !strings.HasPrefix(strings.ToLower(u), "http") {
				t.Fatalf("%q", u)
			}
		}
	})
}

// FuzzScope asserts that a scope without the outer sequence is refused.
func FuzzScope(f *testing.F) {
	f.Add(issuing(pointName("http://a/"), []byte{0x81, 1, 0xFF}).Value)
	f.Add(issuing([]byte{0x83, 2, 5, 0x60}, []byte{0x84, 1, 0xFF}).Value)
	f.Fuzz(func(t *testing.T, value []byte) {
		if err := crl.ParseScope(value); err == nil && (len(value) < 2 || ber.Tag(value[0]) != ber.Sequence) {
			t.Fatalf("accepted %x", value)
		}
	})
}
