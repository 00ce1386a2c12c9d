package cba_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/entra"
	"github.com/smartlogon/smartlogon/examples/internal/cba"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reverse returns the hexadecimal of the bytes of a serial number, last byte first.
func reverse(t testing.TB, serial string) string {
	t.Helper()
	b, err := hex.DecodeString(serial)
	require.NoError(t, err)
	slices.Reverse(b)
	return hex.EncodeToString(b)
}

const (
	testCA    = "O=cardtest,CN=Test CA" // in encoded order
	serialHex = "48efa06ba8127299499b069f133441b2"
	keyID     = "eec6b88788d2770a01e01775ce71f1125cd6ad0f"
)

// bindings of Entra ID, with the value of certificateUserIds for the certificate of
// everyField.
var low = []mapping.Kind{mapping.PrincipalName, mapping.RFC822, mapping.IssuerSubject, mapping.Subject}

// everyField returns a certificate with a field for each binding.
func everyField(t testing.TB) certificate {
	t.Helper()
	serial, ok := new(big.Int).SetString(serialHex, 16)
	require.True(t, ok)
	id, err := hex.DecodeString(keyID)
	require.NoError(t, err)
	return issue(cardtest.Leaf{UPNs: []string{bob}, Emails: []string{bobMail}, Serial: serial, Subject: &pkix.Name{CommonName: "mfatest"},
		Extensions: []pkix.Extension{ski(t, id), policies(t, oidA)}})
}

// TestAllBindings signs in one user by each of the seven bindings, alone.
func TestAllBindings(t *testing.T) {
	c := everyField(t)
	thumbprint := sha1.Sum(c.der)
	for _, test := range []struct {
		field mapping.Kind
		id    string
	}{
		{mapping.PrincipalName, "X509:<PN>" + bob},
		{mapping.RFC822, "X509:<RFC822>" + bobMail},
		{mapping.IssuerSubject, "X509:<I>" + testCA + "<S>CN=mfatest"},
		{mapping.Subject, "X509:<S>CN=mfatest"},
		{mapping.SKI, "X509:<SKI>" + keyID},
		{mapping.SHA1PublicKey, "X509:<SHA1-PUKEY>" + hex.EncodeToString(thumbprint[:])},
		{mapping.IssuerSerial, "X509:<I>" + testCA + "<SR>" + reverse(t, serialHex)},
	} {
		for _, high := range []bool{false, true} {
			f := newFixture(t, func(f *fixture) {
				f.policy.Bindings = []mapping.Binding{{Field: test.field, Attribute: mapping.CertificateUserIDs, Priority: 1}}
				f.policy.Strength.High = high
				f.directory[0].CertificateUserIDs = []string{test.id}
			})
			tokens, err := f.signIn(bob, c)
			if high && slices.Contains(low, test.field) {
				assert.Equal(t, 50034, code(t, err), "%v has low affinity", test.field)
				continue
			}
			require.NoError(t, err, "%v", test.field)
			assert.Equal(t, test.id, tokens.Claims.All["binding"])
		}
	}
}

// TestDocumentRows has the rows of the table in entra-and-ad, section 5, that concern
// a service. Rows 1 and 4 are forms that TestAllBindings stores.
func TestDocumentRows(t *testing.T) {
	withUPN := issue(cardtest.Leaf{UPNs: []string{bob}})
	other := issue(cardtest.Leaf{UPNs: []string{"alice@contoso.com"}})
	id, err := hex.DecodeString(keyID)
	require.NoError(t, err)
	noName := issue(cardtest.Leaf{Extensions: []pkix.Extension{ski(t, id)}})
	otherWithKeyID := issue(cardtest.Leaf{UPNs: []string{"alice@contoso.com"}, Extensions: []pkix.Extension{ski(t, id)}})
	with := func(oids ...string) certificate {
		return issue(cardtest.Leaf{UPNs: []string{bob}, Extensions: []pkix.Extension{policies(t, oids...)}})
	}
	upnThenSKI := func(f *fixture) {
		f.policy.Bindings = append(f.policy.Bindings, mapping.Binding{Field: mapping.SKI, Attribute: mapping.CertificateUserIDs, Priority: 2})
	}
	stored := func(f *fixture) { f.directory[0].CertificateUserIDs = []string{"X509:<SKI>" + keyID} }
	strength := func(p mapping.Strength, rules ...mapping.StrengthRule) func(*fixture) {
		return func(f *fixture) { f.policy.Strength = mapping.StrengthPolicy{Default: p, Rules: rules} }
	}
	const multi, single = mapping.MultiFactor, mapping.SingleFactor
	crl := func(set func(a *cba.Authority), require bool) func(*fixture) {
		return func(f *fixture) { f.policy.RequireCRL = require; set(&f.policy.Authorities[0]) }
	}
	noList := func(a *cba.Authority) { a.CRL = "" }
	for _, test := range []struct {
		row    string
		c      certificate
		change []func(*fixture)
		code   int // 0: signed in
		multi  bool
	}{
		{row: "3, leading zero of a serial number", c: issue(cardtest.Leaf{UPNs: []string{bob}, Serial: big.NewInt(0xc1020304)}), change: []func(*fixture){func(f *fixture) {
			f.policy.Bindings = []mapping.Binding{{Field: mapping.IssuerSerial, Attribute: mapping.CertificateUserIDs}}
			f.directory[0].CertificateUserIDs = []string{"X509:<I>" + testCA + "<SR>040302c1"}
		}}, multi: true},
		{row: "5, prefix in lower case", c: noName, change: []func(*fixture){upnThenSKI, func(f *fixture) {
			f.directory[0].CertificateUserIDs = []string{"x509:<ski>" + keyID}
		}}, code: 50034},
		{row: "6, SKI bound to UPN", c: noName, change: []func(*fixture){func(f *fixture) {
			f.policy.Bindings = []mapping.Binding{{Field: mapping.SKI, Attribute: mapping.UserPrincipalName}}
		}}, code: 1001000},
		{row: "7, PN is the UPN", c: withUPN, multi: true},
		{row: "8, PN is another account's UPN", c: other, code: 50034},
		{row: "9, no PN, SKI stored", c: noName, change: []func(*fixture){upnThenSKI, stored}, multi: true},
		{row: "10, PN of another account, SKI stored", c: otherWithKeyID, change: []func(*fixture){upnThenSKI, stored}, multi: true},
		{row: "11, tenant high, PN only", c: withUPN, change: []func(*fixture){func(f *fixture) { f.policy.Strength.High = true }}, code: 50034},
		{row: "12, rule demands high, SKI not stored", c: with(oidA), change: []func(*fixture){upnThenSKI,
			strength(multi, mapping.StrengthRule{Policy: oidA, Strength: multi, High: true})}, code: 50034},
		{row: "13, OID multi, issuer single", c: with(oidA), change: []func(*fixture){
			strength(single, mapping.StrengthRule{Policy: oidA, Strength: multi}, mapping.StrengthRule{Issuer: testCA, Strength: single})}, multi: true},
		{row: "14, OID is not a prefix", c: with(oidA + ".5.6"), change: []func(*fixture){strength(single, mapping.StrengthRule{Policy: oidA + ".5", Strength: multi})}},
		{row: "15, OIDs multi and single", c: with(oidA, oidB), change: []func(*fixture){
			strength(single, mapping.StrengthRule{Policy: oidA, Strength: multi}, mapping.StrengthRule{Policy: oidB, Strength: single})}},
		{row: "16, OIDs multi and without a rule", c: with(oidA, oidB), change: []func(*fixture){strength(single, mapping.StrengthRule{Policy: oidA, Strength: multi})}, multi: true},
		{row: "17, issuer and OID multi, OID single", c: with(oidA), change: []func(*fixture){
			strength(single, mapping.StrengthRule{Issuer: testCA, Policy: oidA, Strength: multi}, mapping.StrengthRule{Policy: oidA, Strength: single})}, multi: true},
		{row: "18, issuer of an issuer and OID rule, other OID", c: with(oidB), change: []func(*fixture){strength(single, mapping.StrengthRule{Issuer: testCA, Policy: oidA, Strength: multi})}},
		{row: "issuer multi", c: withUPN, change: []func(*fixture){strength(single, mapping.StrengthRule{Issuer: testCA, Strength: multi})}, multi: true},
		{row: "tenant default", c: withUPN, change: []func(*fixture){strength(single)}},
		{row: "19, no list, not required", c: withUPN, change: []func(*fixture){crl(noList, false)}, multi: true},
		{row: "19, no list, required", c: withUPN, change: []func(*fixture){crl(noList, true)}, code: 500175},
		{row: "19, no list, required, exempt", c: withUPN, change: []func(*fixture){crl(func(a *cba.Authority) { a.CRL, a.Exempt = "", true }, true)}, multi: true},
		{row: "20, list answers 403", c: withUPN, change: []func(*fixture){func(f *fixture) { f.setList("/base", nil) }}, code: 500173},
		{row: "21, delta expired", c: withUPN, change: []func(*fixture){func(f *fixture) {
			f.policy.Authorities[0].Delta = f.crl + "/delta"
			f.setList("/delta", cardtest.TestCA().RevocationList(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)))
		}}, code: 500172},
		{row: "delta without base", c: withUPN, change: []func(*fixture){func(f *fixture) {
			f.policy.Authorities[0].CRL, f.policy.Authorities[0].Delta = "", f.crl+"/base"
		}}, code: 500177},
		{row: "22, list of 21 MB", c: withUPN, change: []func(*fixture){func(f *fixture) { f.setList("/base", make([]byte, 21<<20)) }}, code: 2205014},
		{row: "list is not DER", c: withUPN, change: []func(*fixture){func(f *fixture) { f.setList("/base", []byte("-----BEGIN X509 CRL-----")) }}, code: 2205011},
		{row: "list is expired", c: withUPN, change: []func(*fixture){func(f *fixture) {
			f.setList("/base", cardtest.TestCA().RevocationList(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)))
		}}, code: 500172},
		{row: "revoked", c: withUPN, change: []func(*fixture){func(f *fixture) { f.revoke(withUPN.parsed(f.t).SerialNumber) }}, code: 500171},
		{row: "expired certificate", c: issue(cardtest.Leaf{UPNs: []string{bob}, NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().Add(-time.Hour)}), code: 500172},
		{row: "unknown issuer", c: foreign(t), code: 500176},
		{row: "several names", c: issue(cardtest.Leaf{UPNs: []string{bob, "alice@contoso.com"}}), code: 50034},
		{row: "no field of a binding", c: noName, code: 1001003},
		{row: "not for client authentication", c: issue(cardtest.Leaf{UPNs: []string{bob}, EKUs: []string{"1.3.6.1.5.5.7.3.4"}}), code: 50017},
		{row: "not in scope of the method", c: withUPN, change: []func(*fixture){func(f *fixture) { f.policy.Groups = []string{"staff"} }}, code: 130501},
		{row: "in scope of the method", c: withUPN, change: []func(*fixture){func(f *fixture) {
			f.policy.Groups, f.directory[0].Groups = []string{"staff"}, []string{"staff"}
		}}, multi: true},
		{row: "CA scoping, other group", c: withUPN, change: []func(*fixture){func(f *fixture) { f.policy.Authorities[0].Group = "staff" }}, code: 500189},
		{row: "CA scoping, group of the user", c: withUPN, change: []func(*fixture){func(f *fixture) {
			f.policy.Authorities[0].Group, f.directory[0].Groups = "staff", []string{"staff"}
		}}, multi: true},
		{row: "client requires multi-factor, single-factor", c: withUPN, change: []func(*fixture){strength(single), func(f *fixture) { f.policy.Clients[0].Require.MultiFactor = true }}, code: 50076},
		{row: "client requires another issuer", c: withUPN, change: []func(*fixture){func(f *fixture) { f.policy.Clients[0].Require.IssuerSKIs = []string{keyID} }}, code: 53003},
		{row: "client requires this issuer and one of two policies", c: with(oidA), change: []func(*fixture){func(f *fixture) {
			f.policy.Clients[0].Require = cba.Require{MultiFactor: true, IssuerSKIs: []string{strings.ToUpper(hex.EncodeToString(f.root.SubjectKeyId))}, Policies: []string{oidB, oidA}}
		}}, multi: true},
		{row: "client requires another policy", c: with(oidA), change: []func(*fixture){func(f *fixture) { f.policy.Clients[0].Require.Policies = []string{oidB} }}, code: 53003},
	} {
		t.Run(test.row, func(t *testing.T) {
			f := newFixture(t, test.change...)
			tokens, err := f.signIn(bob, test.c)
			if test.code != 0 {
				assert.Equal(t, test.code, code(t, err), "%v\n%s", err, f.log.String())
				assert.NotEmpty(t, card.Hint(err), "the remedy")
				return
			}
			require.NoError(t, err, f.log.String())
			assert.Equal(t, test.multi, tokens.Claims.MultiFactor())
			assert.Equal(t, bob, tokens.Claims.Username)
		})
	}
}

// foreign returns a certificate of an issuer that the service does not know.
func foreign(t testing.TB) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Bob"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return certificate{key, der}
}

// Row 23 of the table.
func TestDirectoryLimits(t *testing.T) {
	ids := func(n int) (list []string) {
		for i := range n {
			list = append(list, "X509:<SKI>"+strings.Repeat("0", 38)+hex.EncodeToString([]byte{byte(i)}))
		}
		return list
	}
	for name, test := range map[string]struct {
		d    cba.Directory
		want string
	}{
		"ten values":                  {cba.Directory{{UPN: bob, CertificateUserIDs: ids(10)}}, ""},
		"11th value":                  {cba.Directory{{UPN: bob, CertificateUserIDs: ids(11)}}, "more than 10"},
		"value of 1,024 characters":   {cba.Directory{{UPN: bob, CertificateUserIDs: []string{strings.Repeat("ä", 1024)}}}, ""},
		"value of 1,025 characters":   {cba.Directory{{UPN: bob, CertificateUserIDs: []string{strings.Repeat("x", 1025)}}}, "more than 1024 characters"},
		"value of two accounts":       {cba.Directory{{UPN: bob, CertificateUserIDs: ids(1)}, {UPN: "a@b", CertificateUserIDs: ids(1)}}, `"bob@contoso.com" and "a@b" have`},
		"two accounts with one UPN":   {cba.Directory{{UPN: bob}, {UPN: "BOB@contoso.com"}}, "two accounts"},
		"account without a user name": {cba.Directory{{Name: "Bob"}}, "has no userPrincipalName"},
	} {
		err := test.d.Check()
		if test.want == "" {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, test.want, name)
		}
	}
}

// TestHybrid has the cells of the sign-in document for a hybrid joined machine. Row 32
// of the table is the first.
func TestHybrid(t *testing.T) {
	const local = "user@woodgrove.local"
	f := newFixture(t, func(f *fixture) {
		f.directory = append(f.directory, cba.User{UPN: "user@woodgrove.com", OnPremisesUPN: local})
		f.policy.Bindings = append(f.policy.Bindings, mapping.Binding{Field: mapping.PrincipalName, Attribute: mapping.OnPremisesUserPrincipalName, Priority: 2})
	})
	c := issue(cardtest.Leaf{UPNs: []string{local}})
	names := upn.Read(c.der)

	first, err := upn.SignIn{Hybrid: true, ADUPN: local, Revision: upn.Revision2025}.Name(names)
	require.NoError(t, err)
	assert.Equal(t, local, first.Value)
	tokens, err := f.client(c).SignIn(t.Context(), first)
	require.NoError(t, err, f.log.String())
	assert.Equal(t, "user@woodgrove.com", tokens.Claims.Username, "the name to cache")

	later, err := upn.SignIn{Hybrid: true, Subsequent: true, ADUPN: local, CachedUPN: tokens.Claims.Username, Revision: upn.Revision2025}.Name(names)
	require.NoError(t, err)
	assert.Equal(t, upn.FromCachedUPN, later.Source)
	tokens, err = f.client(c).SignIn(t.Context(), later)
	require.NoError(t, err, f.log.String())
	assert.Equal(t, "user@woodgrove.com", tokens.Claims.Username)

	// A userPrincipalName goes before the onPremisesUserPrincipalName of another.
	f = newFixture(t, func(f *fixture) { f.directory[1].OnPremisesUPN = bob })
	tokens, err = f.signIn(bob, issue(cardtest.Leaf{UPNs: []string{bob}}))
	require.NoError(t, err)
	assert.Equal(t, bob, tokens.Claims.Username)
}

// TestScopeOfAnIntermediate has a chain of two CAs with different groups.
func TestScopeOfAnIntermediate(t *testing.T) {
	rootKey, issuerKey := cardtest.Key(cardtest.P256, 0), cardtest.Key(cardtest.P256, 1)
	authority := func(name string, parent *x509.Certificate, key, parentKey any, public any) *x509.Certificate {
		template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte(name)}
		if parent == nil {
			parent, parentKey = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, parentKey)
		require.NoError(t, err)
		c, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return c
	}
	top := authority("Top", nil, rootKey, nil, rootKey.Public())
	middle := authority("Middle", top, nil, rootKey, issuerKey.Public())
	leafKey := cardtest.Key(cardtest.RSA2048, 0)
	made := issue(cardtest.Leaf{UPNs: []string{bob}}).parsed(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: made.Subject, NotBefore: made.NotBefore, NotAfter: made.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, ExtraExtensions: made.Extensions[len(made.Extensions)-1:]}
	for _, e := range made.Extensions {
		if e.Id.String() == "2.5.29.17" {
			template.ExtraExtensions = []pkix.Extension{e}
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, middle, leafKey.Public(), issuerKey)
	require.NoError(t, err)
	for _, test := range []struct {
		top, middle string
		code        int
	}{
		{"", "", 0}, {"staff", "", 0}, {"", "staff", 0}, {"staff", "guests", 0}, {"guests", "staff", 0}, {"guests", "", 500189}, {"guests", "others", 500189},
	} {
		f := newFixture(t, func(f *fixture) {
			f.directory[0].Groups = []string{"staff"}
			f.policy.Authorities = []cba.Authority{{CA: top, Exempt: true, Group: test.top}, {CA: middle, Exempt: true, Group: test.middle}}
		})
		_, err := f.signIn(bob, certificate{leafKey, der})
		assert.Equal(t, test.code, code(t, err), "%v\n%s", test, f.log.String())
	}
}

// TestRevokedAfterTheList revokes a certificate and waits for the next update.
func TestRevokedAfterTheList(t *testing.T) {
	c := issue(cardtest.Leaf{UPNs: []string{bob}})
	f := newFixture(t)
	_, err := f.signIn(bob, c)
	require.NoError(t, err)
	f.revoke(c.parsed(t).SerialNumber)
	_, err = f.signIn(bob, c)
	require.NoError(t, err, "the list before is kept until its next update")
	f.wait(25 * time.Hour)
	f.setList("/base", cardtest.TestCA().RevocationList(f.now().Add(-time.Hour), f.now().Add(time.Hour), c.parsed(t).SerialNumber))
	_, err = f.signIn(bob, c)
	assert.Equal(t, 500171, code(t, err))
}

// TestMissingCertificate presents no certificate.
func TestMissingCertificate(t *testing.T) {
	f := newFixture(t)
	client := f.client(certificate{})
	client.Certificate = issue(cardtest.Leaf{UPNs: []string{bob}}).none
	_, err := client.SignIn(t.Context(), hint(t, bob))
	assert.Equal(t, 50017, code(t, err))
	assert.Contains(t, f.log.String(), "no certificate in the handshake")
}

// A server that is not the service: the client reports it and sends no certificate.
func TestOtherServer(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	defer server.Close()
	client := &entra.Client{Authority: server.URL, Certificate: issue(cardtest.Leaf{}).get, HTTP: server.Client()}
	_, err := client.SignIn(t.Context(), hint(t, bob))
	assert.ErrorIs(t, err, entra.ErrFlow)
}
