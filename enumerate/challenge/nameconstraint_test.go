package challenge_test

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// names are general names; constraints are subtrees with them as bases.
type names = [][]byte

// constraints is the value of a name constraints extension.
func constraints(permitted, excluded names) []byte {
	var parts names
	for i, bases := range []names{permitted, excluded} {
		var subtrees []byte
		for _, base := range bases {
			subtrees = append(subtrees, certtest.Sequence(base)...)
		}
		if bases != nil {
			parts = append(parts, ber.Append(nil, 0xA0+ber.Tag(i), subtrees))
		}
	}
	return certtest.Sequence(parts...)
}

func permit(bases ...[]byte) []byte  { return constraints(bases, nil) }
func exclude(bases ...[]byte) []byte { return constraints(nil, bases) }

func directory(rdns ...string) []byte { return ber.Append(nil, 0xA4, certtest.Name(rdns...)) }

// printable is a directory name whose attributes are PrintableStrings.
func printable(oid, value string) []byte {
	return certtest.Attributes(oid, ber.Append(nil, ber.PrintableString, []byte(value)))
}

func smtpUTF8(mailbox string) []byte {
	return certtest.OtherName("1.3.6.1.5.5.7.8.9", ber.Append(nil, ber.UTF8String, []byte(mailbox)))
}

// A constraintRow is a chain of root, issuer and leaf.
type constraintRow struct {
	name   string
	clause string // of RFC 5280, or "decision" for UPNs, which it leaves undefined

	root, issuer  []byte // name constraints, or nil
	issuerSubject []byte // O=Corp, CN=Issuer if nil
	subject       []byte // O=Corp, CN=Alice if nil
	san           names  // no extension if empty

	accepted bool
	openssl  string // why OpenSSL is not asked, or empty
}

const (
	noUPN       = "OpenSSL applies no constraint on UPNs"
	decision    = "decision; 4.2.1.10 leaves otherName undefined"
	rfc822      = "4.2.1.10, rfc822Name"
	directoryOf = "4.2.1.10, directoryName"
	compare     = "7.1"
)

func constraintRows() []constraintRow {
	email, user := certtest.Email, certtest.UPN
	corp, other := certtest.Name("O=Corp", "CN=Alice"), certtest.Name("O=Other", "CN=Alice")
	alice := names{email("alice@example.com")}
	return []constraintRow{
		{name: "none", clause: "4.2.1.10", san: alice, accepted: true},

		{name: "e-mail: permitted host", clause: rfc822, issuer: permit(email("example.com")), san: alice, accepted: true},
		{name: "e-mail: permitted host, another below it", clause: rfc822, issuer: permit(email("example.com")), san: names{email("alice@sub.example.com")}},
		{name: "e-mail: permitted host, another", clause: rfc822, issuer: permit(email("example.com")), san: names{email("alice@notexample.com")}},
		{name: "e-mail: permitted host in another case", clause: "7.5", issuer: permit(email("EXAMPLE.com")), san: alice, accepted: true},
		{name: "e-mail: permitted domain, host in it", clause: rfc822, issuer: permit(email(".example.com")), san: names{email("alice@sub.example.com")}, accepted: true},
		{name: "e-mail: permitted domain, the domain itself", clause: rfc822, issuer: permit(email(".example.com")), san: alice},
		{name: "e-mail: permitted mailbox", clause: rfc822, issuer: permit(email("alice@example.com")), san: alice, accepted: true},
		{name: "e-mail: permitted mailbox, another at the host", clause: rfc822, issuer: permit(email("alice@example.com")), san: names{email("bob@example.com")}},
		{name: "e-mail: permitted mailbox, local part in another case", clause: "7.5", issuer: permit(email("Alice@example.com")), san: alice},
		{name: "e-mail: second of two permitted", clause: rfc822, issuer: permit(email("corp.test"), email("example.com")), san: alice, accepted: true},
		{name: "e-mail: two names, one outside", clause: "4.2.1.10, all names of the form", issuer: permit(email("example.com")), san: names{email("alice@example.com"), email("alice@corp.test")}},
		{name: "e-mail: excluded host", clause: rfc822, issuer: exclude(email("example.com")), san: alice},
		{name: "e-mail: excluded host, another", clause: rfc822, issuer: exclude(email("example.com")), san: names{email("alice@corp.test")}, accepted: true},
		{name: "e-mail: excluded domain, host in it", clause: rfc822, issuer: exclude(email(".example.com")), san: names{email("alice@sub.example.com")}},
		{name: "e-mail: excluded domain, the domain itself", clause: rfc822, issuer: exclude(email(".example.com")), san: alice, accepted: true},
		{name: "e-mail: excluded mailbox", clause: rfc822, issuer: exclude(email("alice@example.com")), san: alice},
		{name: "e-mail: excluded mailbox in another case", clause: "stricter than 7.5: names are compared without case at sign-in", issuer: exclude(email("ALICE@example.com")), san: alice,
			openssl: "OpenSSL follows 7.5"},
		{name: "e-mail: permitted and excluded", clause: "4.2.1.10, excluded regardless of permitted", issuer: constraints(names{email("example.com")}, names{email("alice@example.com")}), san: alice},
		{name: "e-mail: permitted, another excluded", clause: "4.2.1.10", issuer: constraints(names{email("example.com")}, names{email("alice@example.com")}), san: names{email("bob@example.com")}, accepted: true},
		{name: "e-mail: permitted, certificate has none", clause: "4.2.1.10, no name of the form", issuer: permit(email("example.com")), san: names{user("alice@corp.test")}, accepted: true},
		{name: "e-mail: permitted nothing", clause: "4.2.1.10 defines no empty constraint", issuer: permit(email("")), san: alice},
		{name: "e-mail: in the subject, without subject alternative name", clause: rfc822 + ", legacy", issuer: permit(email("example.com")), subject: certtest.Name("O=Corp", "E=alice@corp.test")},
		{name: "e-mail: in the subject, permitted", clause: rfc822 + ", legacy", issuer: permit(email("example.com")), subject: certtest.Name("O=Corp", "E=alice@example.com"), accepted: true},
		{name: "e-mail: in the subject, excluded", clause: rfc822 + ", legacy", issuer: exclude(email("corp.test")), subject: certtest.Name("O=Corp", "E=alice@corp.test")},
		{name: "e-mail: in the subject, beside a UPN", clause: "stricter than 4.2.1.10, as OpenSSL", issuer: permit(email("example.com")), subject: certtest.Name("O=Corp", "E=alice@corp.test"), san: names{user("alice@corp.test")}},
		{name: "e-mail: SmtpUTF8Mailbox outside", clause: "RFC 9598, 6", issuer: permit(email("example.com")), san: names{smtpUTF8("alice@corp.test"), user("alice@corp.test")}},
		{name: "e-mail: SmtpUTF8Mailbox inside", clause: "RFC 9598, 6", issuer: permit(email("example.com")), san: names{smtpUTF8("älice@example.com"), user("alice@corp.test")}, accepted: true},
		{name: "e-mail: SmtpUTF8Mailbox at a host of another script", clause: "cannot be compared", issuer: exclude(email("xn--bcher-kva.example")), san: names{smtpUTF8("a@bücher.example"), user("alice@corp.test")}},

		{name: "directory: permitted", clause: directoryOf, issuer: permit(directory("O=Corp")), san: alice, accepted: true},
		{name: "directory: permitted, another", clause: directoryOf, issuer: permit(directory("O=Corp")), subject: other, san: alice},
		{name: "directory: permitted, the name itself", clause: directoryOf, issuer: permit(directory("O=Corp", "CN=Alice")), san: alice, accepted: true},
		{name: "directory: permitted, longer than the name", clause: directoryOf, issuer: permit(directory("O=Corp", "CN=Alice", "UID=1")), san: alice},
		{name: "directory: permitted, in another order", clause: directoryOf + ", initial RDNs", issuer: permit(directory("CN=Alice", "O=Corp")), san: alice},
		{name: "directory: permitted, in another case and with other spaces", clause: compare, issuer: permit(directory("O=Example  Corp")), subject: certtest.Name("O= EXAMPLE corp ", "CN=Alice"), san: alice, accepted: true},
		{name: "directory: permitted, of another string type", clause: compare, issuer: permit(ber.Append(nil, 0xA4, printable("2.5.4.10", "Corp"))), san: alice, accepted: true},
		{name: "directory: permitted, attribute of another type", clause: compare, issuer: permit(directory("OU=Corp")), san: alice},
		{name: "directory: permitted, value that is a BIT STRING", clause: compare + ", binary comparison", issuer: permit(ber.Append(nil, 0xA4, certtest.Attributes("2.5.4.10", []byte{3, 2, 0, 5}))),
			subject: certtest.Attributes("2.5.4.10", []byte{3, 2, 0, 5}), san: alice, accepted: true},
		{name: "directory: permitted, another BIT STRING", clause: compare + ", binary comparison", issuer: permit(ber.Append(nil, 0xA4, certtest.Attributes("2.5.4.10", []byte{3, 2, 0, 5}))),
			subject: certtest.Attributes("2.5.4.10", []byte{3, 2, 0, 6}), san: alice},
		{name: "directory: two attributes in one relative name", clause: compare, issuer: permit(directory("O=Corp+OU=One")), subject: certtest.Name("OU=One+O=Corp", "CN=Alice"), san: alice, accepted: true},
		{name: "directory: excluded", clause: directoryOf, issuer: exclude(directory("O=Corp")), issuerSubject: certtest.Name("CN=Issuer"), san: alice},
		{name: "directory: excluded, another", clause: directoryOf, issuer: exclude(directory("O=Corp")), subject: other, san: alice, accepted: true},
		{name: "directory: excluded below permitted", clause: "4.2.1.10, excluded regardless of permitted", issuer: constraints(names{directory("O=Corp")}, names{directory("O=Corp", "CN=Alice")}), san: alice},
		{name: "directory: everything permitted", clause: "4.2.1.10, empty sequence is the root", issuer: permit(directory()), san: alice, accepted: true},
		{name: "directory: everything excluded", clause: "4.2.1.10, empty sequence is the root", issuer: exclude(directory()), san: alice},
		{name: "directory: everything excluded, empty subject", clause: "4.2.1.10, non-empty subject field", issuer: exclude(directory()), subject: certtest.Name(), san: alice, accepted: true},
		{name: "directory: permitted, empty subject", clause: "4.2.1.10, non-empty subject field", issuer: permit(directory("O=Corp")), subject: certtest.Name(), san: alice, accepted: true},
		{name: "directory: alternative name inside", clause: directoryOf, issuer: permit(directory("O=Corp")), san: names{email("alice@example.com"), directory("O=Corp", "CN=A")}, accepted: true},
		{name: "directory: alternative name outside", clause: directoryOf, issuer: permit(directory("O=Corp")), san: names{email("alice@example.com"), directory("O=Other", "CN=A")}},

		{name: "UPN: permitted domain", clause: decision, issuer: permit(user("@corp.test")), san: names{user("alice@corp.test")}, accepted: true, openssl: noUPN},
		{name: "UPN: permitted domain, another", clause: decision, issuer: permit(user("@corp.test")), san: names{user("alice@example.com")}, openssl: noUPN},
		{name: "UPN: permitted domain, one below it", clause: decision, issuer: permit(user("@corp.test")), san: names{user("alice@sub.corp.test")}, openssl: noUPN},
		{name: "UPN: permitted domain in another case", clause: decision, issuer: permit(user("@CORP.test")), san: names{user("alice@corp.TEST")}, accepted: true, openssl: noUPN},
		{name: "UPN: permitted subdomains", clause: decision, issuer: permit(user(".corp.test")), san: names{user("alice@sub.corp.test")}, accepted: true, openssl: noUPN},
		{name: "UPN: permitted subdomains, the domain itself", clause: decision, issuer: permit(user(".corp.test")), san: names{user("alice@corp.test")}, openssl: noUPN},
		{name: "UPN: permitted subdomains, another that ends so", clause: decision, issuer: permit(user(".corp.test")), san: names{user("alice@notcorp.test")}, openssl: noUPN},
		{name: "UPN: permitted name", clause: decision, issuer: permit(user("Alice@corp.test")), san: names{user("alice@corp.test")}, accepted: true, openssl: noUPN},
		{name: "UPN: permitted name, another", clause: decision, issuer: permit(user("alice@corp.test")), san: names{user("bob@corp.test")}, openssl: noUPN},
		{name: "UPN: permitted, a letter that folds to another", clause: decision + ", without case as upn.Equal", issuer: permit(user("@kilo.test")), san: names{user("alice@\u212Ailo.test")}, openssl: noUPN},
		{name: "UPN: two names, one outside", clause: decision, issuer: permit(user("@corp.test")), san: names{user("alice@corp.test"), user("alice@example.com")}, openssl: noUPN},
		{name: "UPN: excluded domain", clause: decision, issuer: exclude(user("@example.com")), san: names{user("alice@example.com")}, openssl: noUPN},
		{name: "UPN: excluded domain in another case", clause: decision, issuer: exclude(user("@EXAMPLE.com")), san: names{user("alice@example.com")}, openssl: noUPN},
		{name: "UPN: excluded, a letter that folds to another", clause: decision, issuer: exclude(user("@kilo.test")), san: names{user("alice@\u212Ailo.test")}, openssl: noUPN},
		{name: "UPN: excluded domain, another", clause: decision, issuer: exclude(user("@example.com")), san: names{user("alice@corp.test")}, accepted: true, openssl: noUPN},
		{name: "UPN: excluded subdomains", clause: decision, issuer: exclude(user(".example.com")), san: names{user("alice@sub.example.com")}, openssl: noUPN},
		{name: "UPN: excluded name", clause: decision, issuer: exclude(user("alice@example.com")), san: names{user("alice@example.com")}, openssl: noUPN},
		{name: "UPN: excluded name, another", clause: decision, issuer: exclude(user("alice@example.com")), san: names{user("bob@example.com")}, accepted: true, openssl: noUPN},
		{name: "UPN: permitted and excluded", clause: "4.2.1.10, excluded regardless of permitted", issuer: constraints(names{user("@corp.test")}, names{user("alice@corp.test")}), san: names{user("alice@corp.test")}, openssl: noUPN},
		{name: "UPN: permitted, certificate has none", clause: "4.2.1.10, no name of the form", issuer: permit(user("@corp.test")), san: alice, accepted: true},
		{name: "UPN: constraint of no form", clause: decision, issuer: permit(user("corp.test")), san: names{user("alice@corp.test")}, openssl: noUPN},
		{name: "UPN: constraint of no form beside a permitted one", clause: decision, issuer: permit(user("@corp.test"), user("@")), san: names{user("alice@corp.test")}, openssl: noUPN},
		{name: "UPN: constraint of no form, certificate has none", clause: decision, issuer: permit(user("corp.test")), san: alice, accepted: true},
		{name: "UPN: empty constraint", clause: decision, issuer: exclude(user("")), san: names{user("alice@corp.test")}, openssl: noUPN},
		{name: "UPN: constraint of another string type", clause: decision, issuer: exclude(certtest.OtherName("1.3.6.1.4.1.311.20.2.3", ber.Append(nil, ber.IA5String, []byte("@example.com")))), san: names{user("alice@corp.test")}, openssl: noUPN},

		{name: "another otherName, certificate has none", clause: "4.2.1.10, no name of the form", issuer: permit(certtest.OtherName("1.3.6.1.5.2.2", certtest.Sequence())), san: names{user("alice@corp.test")}, accepted: true},
		{name: "another otherName, certificate has one", clause: "4.2.1.10, unable to process: reject", issuer: permit(certtest.OtherName("1.3.6.1.5.2.2", certtest.Sequence())), san: names{user("alice@corp.test"), certtest.OtherName("1.3.6.1.5.2.2", certtest.Sequence())}},
		{name: "registered identifier, certificate has none", clause: "4.2.1.10, no name of the form", issuer: exclude(certtest.GeneralName(8, "\x2A\x03")), san: alice, accepted: true},
		{name: "registered identifier, certificate has one", clause: "4.2.1.10, unable to process: reject", issuer: exclude(certtest.GeneralName(8, "\x2A\x03")), san: names{email("alice@example.com"), certtest.GeneralName(8, "\x2A\x03\x04")}},
		{name: "minimum of 1", clause: "4.2.1.10, minimum must be zero", issuer: permit(append(directory("O=Corp"), 0x80, 1, 1)), san: alice},
		{name: "maximum", clause: "4.2.1.10, maximum must be absent", issuer: permit(append(directory("O=Corp"), 0x81, 1, 1)), san: alice},
		{name: "minimum of 0, which DER leaves out", clause: "4.2.1.10, minimum must be zero", issuer: permit(append(directory("O=Corp"), 0x80, 1, 0)), san: alice, accepted: true},
		{name: "no permitted subtree in its list", clause: "4.2.1.10, SIZE (1..MAX)", issuer: constraints(names{}, names{directory("O=Other")}), san: alice,
			openssl: "OpenSSL takes the empty list for none"},

		{name: "host: permitted DNS name", clause: "4.2.1.10, dNSName", issuer: permit(certtest.GeneralName(2, "example.com")), san: names{user("alice@corp.test"), certtest.GeneralName(2, "pc.example.com")}, accepted: true},
		{name: "host: DNS name outside", clause: "4.2.1.10, dNSName", issuer: permit(certtest.GeneralName(2, "example.com")), san: names{user("alice@corp.test"), certtest.GeneralName(2, "pc.corp.test")}},
		{name: "host: DNS name that crypto/x509 does not parse", clause: "4.2.1.10, unable to process: reject", issuer: exclude(certtest.GeneralName(2, "example.com")), san: names{user("alice@corp.test"), certtest.GeneralName(2, "\xC3\xA4.test")},
			openssl: "OpenSSL compares the bytes"},
		{name: "host: URN under a constraint on UPNs", clause: "4.2.1.10, no name of the form", issuer: permit(user("@corp.test")), san: names{user("alice@corp.test"), certtest.GeneralName(6, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")}, accepted: true, openssl: noUPN},
		{name: "host: URN under a constraint on URIs", clause: "4.2.1.10, no authority: reject", issuer: permit(certtest.GeneralName(6, "example.com")), san: names{user("alice@corp.test"), certtest.GeneralName(6, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")}},
		{name: "host: URI outside", clause: "4.2.1.10, uniformResourceIdentifier", issuer: permit(certtest.GeneralName(6, "example.com")), san: names{user("alice@corp.test"), certtest.GeneralName(6, "https://corp.test/")}},
		{name: "host: IP address outside", clause: "4.2.1.10, iPAddress", issuer: permit(certtest.GeneralName(7, "\x0A\x00\x00\x00\xFF\x00\x00\x00")), san: names{user("alice@corp.test"), certtest.GeneralName(7, "\x0B\x00\x00\x01")}},

		{name: "two levels: inside both", clause: "6.1.4 (g), intersection", root: permit(directory("O=Corp")), issuer: permit(directory("O=Corp", "CN=Alice")), san: alice, accepted: true},
		{name: "two levels: outside the lower", clause: "6.1.4 (g), intersection", root: permit(directory("O=Corp")), issuer: permit(directory("O=Corp", "CN=Bob")), san: alice},
		{name: "two levels: outside the upper", clause: "6.1.4 (g), intersection", root: permit(email("corp.test")), issuer: permit(email("example.com")), san: alice},
		{name: "two levels: excluded by the upper", clause: "6.1.4 (g), union", root: exclude(email("alice@example.com")), issuer: permit(email("example.com")), san: alice},
		{name: "two levels: UPN outside the upper", clause: decision, root: permit(user("@corp.test")), issuer: permit(user("@example.com")), san: names{user("alice@example.com")}, openssl: noUPN},
		{name: "two levels: another form in each", clause: "6.1.4 (g)", root: permit(directory("O=Corp")), issuer: permit(email("example.com")), san: alice, accepted: true},
		{name: "two levels: issuer outside the upper", clause: "6.1.3 (b), all certificates of the path", root: permit(directory("O=Corp")), issuerSubject: certtest.Name("O=Other", "CN=Issuer"), san: alice},
		{name: "two levels: issuer excluded by the upper", clause: "6.1.3 (c)", root: exclude(directory("O=Other")), issuerSubject: certtest.Name("O=Other", "CN=Issuer"), san: alice},
		{name: "two levels: self-issued issuer outside", clause: "6.1.3 (b), except self-issued", root: permit(directory("O=Corp")), issuerSubject: certtest.Name("CN=Root"), subject: corp, san: alice, accepted: true},
	}
}

// TestNameConstraints checks each row with constraints that are critical and with
// constraints that are not.
func TestNameConstraints(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("openssl is not installed: no row is compared with it")
	}
	rows := constraintRows()
	require.GreaterOrEqual(t, len(rows), 40)
	judged := 0
	for _, row := range rows {
		for _, critical := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, critical %v", row.name, critical), func(t *testing.T) {
				chain := newConstrainedChain(t, row, critical)
				v, c := verifier(chain.root), at("sign-in")
				v.Roots, v.Intermediates = challenge.NewPool(chain.root.cert), challenge.NewPool(chain.issuer.cert)
				v.Policy.X509HintsNeeded = true // the names of the row need not sign in
				v.SeveralNames = true
				v.SignIn.Hint = "hint@example.com"
				v.Accept = func(context.Context, upn.Name, []*x509.Certificate) error { return nil }
				id, err := v.Verify(t.Context(), c, respond(t, testkeys.ECDSA(elliptic.P256(), 0), chain.leaf, c))
				if row.accepted {
					require.NoError(t, err, row.clause)
					assert.Len(t, id.Chain, 3)
					assert.Equal(t, chain.leaf, id.Chain[0].Raw)
				} else {
					require.Error(t, err, row.clause)
					// crypto/x509 refuses what it applies itself.
					assert.Contains(t, []challenge.Reason{challenge.NameConstraint, challenge.Untrusted}, reason(t, err), "%v", err)
				}
				if openssl != "" && row.openssl == "" && critical { // as RFC 5280 has them
					judged++
					accepted, output := chain.verify(t, openssl)
					assert.Equal(t, row.accepted, accepted, "%s: %s", row.clause, output)
				}
			})
		}
	}
	if openssl != "" {
		t.Logf("%d chains, %d of them compared with OpenSSL", 2*len(rows), judged)
		assert.GreaterOrEqual(t, judged, 60)
	}
}

type constrainedChain struct {
	root, issuer *authority
	leaf         []byte
}

func newConstrainedChain(t *testing.T, row constraintRow, critical bool) constrainedChain {
	t.Helper()
	constrain := func(value []byte) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			if value != nil {
				c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Critical: critical, Value: value}}
			}
		}
	}
	or := func(name, otherwise []byte) []byte {
		if name == nil {
			return otherwise
		}
		return name
	}
	root := newAuthority(t, "Root", nil, testkeys.ECDSA(elliptic.P256(), 2), constrain(row.root), func(c *x509.Certificate) {
		c.RawSubject = certtest.Name("CN=Root")
	})
	issuer := newAuthority(t, "Issuer", root, testkeys.ECDSA(elliptic.P256(), 1), constrain(row.issuer), func(c *x509.Certificate) {
		c.RawSubject = or(row.issuerSubject, certtest.Name("O=Corp", "CN=Issuer"))
		c.AuthorityKeyId = []byte("Root") // or OpenSSL takes a self-issued one for the root
	})
	leaf := issuer.issue(t, testkeys.ECDSA(elliptic.P256(), 0).Public(), func(c *x509.Certificate) {
		c.RawSubject = or(row.subject, certtest.Name("O=Corp", "CN=Alice"))
		c.ExtraExtensions = nil
		if len(row.san) > 0 {
			c.ExtraExtensions = []pkix.Extension{{Id: oidSubjectAltName, Value: certtest.Sequence(row.san...)}}
		}
	})
	return constrainedChain{root, issuer, leaf}
}

// verify reports whether OpenSSL accepts the chain, and what it printed.
func (c constrainedChain) verify(t *testing.T, openssl string) (bool, string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
		return path
	}
	cmd := exec.Command(openssl, "verify", "-attime", fmt.Sprint(clock.Unix()), "-no-CApath", "-no-CAstore",
		"-CAfile", write("root.pem", c.root.cert.Raw), "-untrusted", write("issuer.pem", c.issuer.cert.Raw), write("leaf.pem", c.leaf))
	output, err := cmd.CombinedOutput()
	return err == nil, string(output)
}

// Without NewPool, an issuer with critical constraints that crypto/x509 does not
// apply is refused, and one whose constraints are not critical is constrained.
func TestNameConstraintsInAnotherPool(t *testing.T) {
	for _, critical := range []bool{false, true} {
		for _, row := range []constraintRow{
			{issuer: permit(certtest.UPN("@corp.test")), san: names{certtest.UPN("alice@corp.test")}, accepted: true},
			{issuer: permit(certtest.UPN("@corp.test")), san: names{certtest.UPN("alice@example.com")}},
		} {
			chain := newConstrainedChain(t, row, critical)
			v, c := verifier(chain.root), at("sign-in")
			v.Intermediates = pool(chain.issuer.cert)
			_, err := v.Verify(t.Context(), c, respond(t, testkeys.ECDSA(elliptic.P256(), 0), chain.leaf, c))
			switch {
			case critical:
				assert.Equal(t, challenge.Untrusted, reason(t, err))
			case row.accepted:
				assert.NoError(t, err)
			default:
				assert.Equal(t, challenge.NameConstraint, reason(t, err))
			}
		}
	}
}

func TestNewPoolLeavesTheCertificateAlone(t *testing.T) {
	chain := newConstrainedChain(t, constraintRow{issuer: permit(certtest.UPN("@corp.test")), san: names{certtest.UPN("alice@corp.test")}}, true)
	challenge.NewPool(chain.issuer.cert)
	assert.Len(t, chain.issuer.cert.UnhandledCriticalExtensions, 1)
}

// One of two issuers with the same name and key is constrained: its chain is
// dropped and the other one is used.
func TestNameConstraintsDropOneOfTwoChains(t *testing.T) {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	free := newAuthority(t, "Issuer", root, testkeys.RSA(2048, 1))
	bound := newAuthority(t, "Issuer", root, testkeys.RSA(2048, 1), func(c *x509.Certificate) {
		c.SerialNumber.SetInt64(2)
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Value: exclude(certtest.UPN("@example.com"))}}
	})
	key := testkeys.RSA(2048, 0)
	v, c := verifier(root), at("sign-in")
	v.Intermediates = pool(bound.cert, free.cert)
	id, err := v.Verify(t.Context(), c, respond(t, key, free.issue(t, key.Public()), c))
	require.NoError(t, err)
	assert.Equal(t, free.cert.Raw, id.Chain[1].Raw)

	v.Intermediates = pool(bound.cert)
	_, err = v.Verify(t.Context(), c, respond(t, key, free.issue(t, key.Public()), c))
	assert.Equal(t, challenge.NameConstraint, reason(t, err))
	assert.EqualError(t, err, `challenge: refused: issuer must not issue for the name: name constraints of "CN=Issuer": UPN of "CN=Alice" is excluded`)
}
