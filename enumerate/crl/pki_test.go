package crl_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/crl"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/require"
)

// clock is the time of all tests.
var clock = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

var (
	oidPoints   = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidFreshest = asn1.ObjectIdentifier{2, 5, 29, 46}
	oidIssuing  = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidDelta    = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidNumber   = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidUnknown  = asn1.ObjectIdentifier{1, 2, 3, 4}
)

// An authority issues certificates and lists in tests.
type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func certify(t testing.TB, template *x509.Certificate, issuer *authority, key crypto.Signer) *x509.Certificate {
	t.Helper()
	template.NotBefore, template.NotAfter = clock.AddDate(-1, 0, 0), clock.AddDate(9, 0, 0)
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func newAuthority(t testing.TB, name string, issuer *authority, key crypto.Signer, extra ...pkix.Extension) *authority {
	t.Helper()
	return &authority{key, certify(t, &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte(name), ExtraExtensions: extra,
	}, issuer, key)}
}

// sequence and tagged encode DER.
func sequence(parts ...[]byte) []byte { return ber.Append(nil, ber.Sequence, slices.Concat(parts...)) }

func tagged(tag ber.Tag, parts ...[]byte) []byte {
	return ber.Append(nil, tag, slices.Concat(parts...))
}

// pointName returns a DistributionPointName with URIs, in its tag [0].
func pointName(urls ...string) []byte {
	var names []byte
	for _, u := range urls {
		names = ber.Append(names, 0x86, []byte(u))
	}
	return tagged(0xA0, tagged(0xA0, names))
}

// at returns an extension with one distribution point for each URL.
func at(id asn1.ObjectIdentifier, urls ...string) pkix.Extension {
	var list []byte
	for _, u := range urls {
		list = append(list, sequence(pointName(u))...)
	}
	return pkix.Extension{Id: id, Value: sequence(list)}
}

// A fixture is a root, an issuer, and a user's certificate of it, and a server with
// their lists: /root and /issuer, with a delta list of the issuer at /delta.
type fixture struct {
	root, issuer *authority
	leaf         *x509.Certificate
	checker      *crl.Checker
	base         string

	mu       sync.Mutex
	files    map[string][]byte
	status   map[string]int
	requests map[string]int
}

const leafSerial = 0x1234

// newFixture returns one in which no certificate is revoked. With points, the
// certificates have distribution points; otherwise the checker has Authorities.
func newFixture(t testing.TB, points bool) *fixture {
	t.Helper()
	w := &fixture{files: make(map[string][]byte), status: make(map[string]int), requests: make(map[string]int)}
	server := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(server.Close)
	w.base = server.URL
	w.root = newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	var forIssuer, forLeaf []pkix.Extension
	if points {
		forIssuer, forLeaf = []pkix.Extension{at(oidPoints, w.base+"/root")}, []pkix.Extension{at(oidPoints, w.base+"/issuer")}
	}
	w.issuer = newAuthority(t, "Issuer", w.root, testkeys.ECDSA(elliptic.P256(), 0), forIssuer...)
	w.issue(t, forLeaf...)
	w.checker = &crl.Checker{HTTP: server.Client(), Now: func() time.Time { return clock }}
	if !points {
		w.checker.Authorities = []crl.Authority{{CA: w.root.cert, Base: w.base + "/root"}, {CA: w.issuer.cert, Base: w.base + "/issuer"}}
	}
	w.files["/root"] = w.root.list(t, list{})
	w.files["/issuer"] = w.issuer.list(t, list{})
	return w
}

// issue issues the user's certificate.
func (w *fixture) issue(t testing.TB, extra ...pkix.Extension) {
	w.leaf = certify(t, &x509.Certificate{SerialNumber: big.NewInt(leafSerial), Subject: pkix.Name{CommonName: "Alice"}, ExtraExtensions: extra},
		w.issuer, testkeys.ECDSA(elliptic.P256(), 1))
}

// extend sets distribution points that crypto/x509 does not parse.
func (w *fixture) extend(points []byte) {
	odd := *w.leaf
	odd.Extensions = []pkix.Extension{{Id: oidPoints, Value: points}}
	w.leaf = &odd
}

func (w *fixture) chain() []*x509.Certificate {
	return []*x509.Certificate{w.leaf, w.issuer.cert, w.root.cert}
}

func (w *fixture) serve(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests[r.URL.Path]++
	if status := w.status[r.URL.Path]; status != 0 {
		rw.WriteHeader(status)
	}
	_, _ = rw.Write(w.files[r.URL.Path])
}

func (w *fixture) set(path string, content []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[path] = content
}

// A list describes a revocation list. The zero value has the number 10, is an hour
// old and valid for a day, and has no entries.
type list struct {
	number     int64
	this, next time.Time
	serials    []int64
	reason     int // of each entry
	delta      int64
	extra      []pkix.Extension
	entryExtra []pkix.Extension
	template   *x509.Certificate // signs instead of the authority's certificate
}

func (a *authority) list(t testing.TB, l list) []byte {
	t.Helper()
	if l.number == 0 {
		l.number = 10
	}
	if l.this.IsZero() {
		l.this = clock.Add(-time.Hour)
	}
	if l.next.IsZero() {
		l.next = clock.Add(24 * time.Hour)
	}
	template := &x509.RevocationList{Number: big.NewInt(l.number), ThisUpdate: l.this, NextUpdate: l.next, ExtraExtensions: l.extra}
	for _, s := range l.serials {
		e := x509.RevocationListEntry{SerialNumber: big.NewInt(s), RevocationTime: l.this, ReasonCode: l.reason, ExtraExtensions: l.entryExtra}
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, e)
	}
	if l.delta != 0 {
		value, err := asn1.Marshal(l.delta)
		require.NoError(t, err)
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oidDelta, Critical: true, Value: value})
	}
	signer := a.cert
	if l.template != nil {
		signer = l.template
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, signer, a.key)
	require.NoError(t, err)
	return der
}

// issuing returns an issuing distribution point.
func issuing(fields ...[]byte) pkix.Extension {
	return pkix.Extension{Id: oidIssuing, Critical: true, Value: sequence(fields...)}
}
