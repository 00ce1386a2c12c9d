package challenge_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestZeroVerifierRefusesEverything(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	c := challenge.New("sign-in", origin)
	id, err := new(challenge.Verifier).Verify(t.Context(), c, respond(t, key, ca.issue(t, key.Public()), c))
	assert.Nil(t, id)
	assert.Equal(t, challenge.NoRoots, reason(t, err))
	assert.EqualError(t, err, "challenge: refused: verifier has no roots")
}

// TestFieldsThatAreNotSet follows the table of the package comment.
func TestFieldsThatAreNotSet(t *testing.T) {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	issuer := newAuthority(t, "Issuer", root, testkeys.RSA(2048, 1))
	weak := newAuthority(t, "Root", nil, testkeys.RSA(1024, 0))
	key := testkeys.RSA(2048, 0)
	curve, ed25519 := testkeys.ECDSA(elliptic.P256(), 0), testkeys.Ed25519()
	two := withSAN(false, upnName("alice@example.com"), upnName("root@example.com"))
	tests := []struct {
		field  string
		reason challenge.Reason // 0: accepted
		key    crypto.Signer
		cert   []byte
		roots  *x509.CertPool
		edit   func(*challenge.Verifier) // another field
		age    time.Duration
	}{
		{field: "Roots", reason: challenge.NoRoots, key: key, cert: root.issue(t, key.Public())},
		{field: "Intermediates", reason: challenge.Untrusted, key: key, cert: issuer.issue(t, key.Public()), roots: pool(root.cert)},
		{field: "Policy", reason: challenge.NotOffered, key: curve, cert: root.issue(t, curve.Public()), roots: pool(root.cert)},
		{field: "Waive", reason: challenge.NotOffered, key: ed25519, cert: root.issue(t, ed25519.Public()), roots: pool(root.cert)},
		{field: "MaxAge", reason: challenge.TooLate, key: key, cert: root.issue(t, key.Public()), roots: pool(root.cert), age: 6 * time.Minute},
		{field: "AllowWeakKeys", reason: challenge.IssuerKey, key: key, cert: weak.issue(t, key.Public()), roots: pool(weak.cert)},
		{field: "Revoked", reason: challenge.Revoked, key: key, cert: root.issue(t, key.Public()), roots: pool(root.cert),
			edit: func(v *challenge.Verifier) { v.Revoked = nil }},
		{field: "SignIn", key: key, cert: root.issue(t, key.Public()), roots: pool(root.cert)},
		{field: "Accept", reason: challenge.UnprovenName, key: key, cert: root.issue(t, key.Public()), roots: pool(root.cert),
			edit: func(v *challenge.Verifier) { v.SignIn.Hint = "root@example.com" }},
		{field: "SeveralNames", reason: challenge.SeveralNames, key: key, cert: root.issue(t, key.Public(), two), roots: pool(root.cert)},
		{field: "Now", key: key, cert: root.issue(t, key.Public()), roots: pool(root.cert)},
	}
	assert.Len(t, tests, reflect.TypeFor[challenge.Verifier]().NumField(), "a row for each field")
	for _, tt := range tests {
		t.Run(tt.field, func(t *testing.T) {
			v := challenge.Verifier{Roots: tt.roots, Revoked: challenge.NoRevocation}
			if tt.edit != nil {
				tt.edit(&v)
			}
			c := challenge.New("sign-in", origin)
			c.Time = c.Time.Add(-tt.age)
			id, err := v.Verify(t.Context(), c, respond(t, tt.key, tt.cert, c))
			if tt.reason != 0 {
				assert.Equal(t, tt.reason.String(), reason(t, err).String())
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "alice@example.com", id.Name.Value)
		})
	}
}

// A refusal is one fault in an otherwise valid sign-in.
type refusal struct {
	name   string
	reason challenge.Reason
	key    crypto.Signer                 // RSA if nil
	cert   func(*x509.Certificate)       // changes the certificate
	raw    func([]byte) []byte           // changes it after it was signed
	kept   func(*challenge.Challenge)    // changes what the server kept
	answer func([]byte) []byte           // changes what was sent
	server func(*challenge.Verifier)     // changes the verifier
	issuer func(t *testing.T) *authority // another authority than the trusted one
}

var errTest = errors.New("test says no")

func refusals(t *testing.T) []refusal {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	later := func(d time.Duration) func(*challenge.Verifier) {
		return func(v *challenge.Verifier) { v.Now = func() time.Time { return clock.Add(d) } }
	}
	return []refusal{
		{name: "no roots", reason: challenge.NoRoots, server: func(v *challenge.Verifier) { v.Roots = nil }},
		{name: "session has no challenge", reason: challenge.UnfitChallenge, kept: func(c *challenge.Challenge) { *c = challenge.Challenge{} }},
		{name: "challenge without nonce", reason: challenge.UnfitChallenge, kept: func(c *challenge.Challenge) { clear(c.Nonce[:]) }},
		{name: "exporter required and not set", reason: challenge.Unbound, kept: func(c *challenge.Challenge) { c.Bound = true }},
		{name: "a second after the default age", reason: challenge.TooLate, server: later(4*time.Minute + time.Second)},
		{name: "a second after MaxAge", reason: challenge.TooLate, server: func(v *challenge.Verifier) { v.MaxAge = 59 * time.Second }},
		{name: "negative MaxAge", reason: challenge.TooLate, server: func(v *challenge.Verifier) { v.MaxAge = -1 }},
		{name: "clock far behind", reason: challenge.TooEarly, server: later(-2*time.Minute - time.Second)},

		{name: "empty answer", reason: challenge.MalformedAnswer, answer: func([]byte) []byte { return nil }},
		{name: "answer cut short", reason: challenge.MalformedAnswer, answer: func(b []byte) []byte { return b[:len(b)-1] }},
		{name: "data after the answer", reason: challenge.MalformedAnswer, answer: func(b []byte) []byte { return append(b, 0) }},
		{name: "answer of another version", reason: challenge.MalformedAnswer, answer: func(b []byte) []byte { b[3]++; return b }},
		{name: "algorithm 0", reason: challenge.MalformedAnswer, answer: func(b []byte) []byte { b[4] = 0; return b }},
		{name: "algorithm 7", reason: challenge.MalformedAnswer, answer: func(b []byte) []byte { b[4] = 7; return b }},
		{name: "answer of 64 KiB and a byte", reason: challenge.MalformedAnswer, answer: func([]byte) []byte { return append([]byte("sla1\x01"), make([]byte, challenge.MaxResponse)...) }},

		{name: "no certificate", reason: challenge.MalformedCertificate, answer: func([]byte) []byte { return []byte("sla1\x01\x00\x00\x00\x00") }},
		{name: "certificate whose extensions do not end", reason: challenge.MalformedCertificate,
			raw: func(der []byte) []byte {
				return bytes.Replace(der, []byte("\x55\x1D\x0F"), []byte("\x55\x1D\x8F"), 1)
			}},
		{name: "extension twice", reason: challenge.RepeatedExtension, cert: func(c *x509.Certificate) {
			// CreateCertificate refuses to write it twice, so raw renames one.
			twin := san(false, upnName("root@example.com"))
			twin.Id = asn1.ObjectIdentifier{2, 5, 29, 127}
			c.ExtraExtensions = append(c.ExtraExtensions, twin)
		}, raw: func(der []byte) []byte {
			return bytes.Replace(der, []byte("\x55\x1D\x7F"), []byte("\x55\x1D\x11"), 1)
		}},

		{name: "RSA key named for ECDSA", reason: challenge.UnfitKey, answer: func(b []byte) []byte { b[4] = 3; return b }},
		{name: "P-256 key named for P-384", reason: challenge.UnfitKey, key: testkeys.ECDSA(elliptic.P256(), 0), answer: func(b []byte) []byte { b[4] = 4; return b }},
		{name: "Ed25519 key named for RSA", reason: challenge.UnfitKey, key: testkeys.Ed25519(), answer: func(b []byte) []byte { b[4] = 1; return b }},
		{name: "RSA key of 1024 bits", reason: challenge.UnfitKey, key: testkeys.RSA(1024, 0)},

		{name: "PKCS #1 named for PSS", reason: challenge.WrongSignature, answer: func(b []byte) []byte { b[4] = 2; return b }},
		{name: "other nonce", reason: challenge.WrongSignature, kept: func(c *challenge.Challenge) { c.Nonce[0] ^= 1 }},
		{name: "other purpose", reason: challenge.WrongSignature, kept: func(c *challenge.Challenge) { c.Purpose = "approve" }},
		{name: "other audience", reason: challenge.WrongSignature, kept: func(c *challenge.Challenge) { c.Audience = "https://evil.example" }},
		{name: "other time", reason: challenge.WrongSignature, kept: func(c *challenge.Challenge) { c.Time = c.Time.Add(time.Second) }},
		{name: "connection that the client did not see", reason: challenge.WrongSignature, kept: func(c *challenge.Challenge) { c.Exporter = []byte{1} }},
		{name: "byte moved from purpose to audience", reason: challenge.WrongSignature, kept: func(c *challenge.Challenge) { c.Purpose, c.Audience = "sign-i", "n"+origin }},

		{name: "unknown issuer", reason: challenge.Untrusted, issuer: func(t *testing.T) *authority {
			return newAuthority(t, "Root", nil, testkeys.RSA(2048, 1))
		}},
		{name: "issuer in between that the server does not know", reason: challenge.Untrusted, issuer: func(t *testing.T) *authority {
			return newAuthority(t, "Issuer", root, testkeys.RSA(2048, 1))
		}},
		{name: "expired", reason: challenge.Untrusted, cert: func(c *x509.Certificate) { c.NotAfter = clock.Add(-time.Second) }},
		{name: "expired, and the policy shows it", reason: challenge.Untrusted, cert: func(c *x509.Certificate) { c.NotAfter = clock.Add(-time.Second) },
			server: func(v *challenge.Verifier) { v.Policy.AllowTimeInvalidCertificates = true }},
		{name: "not yet valid", reason: challenge.Untrusted, cert: func(c *x509.Certificate) { c.NotBefore = clock.Add(time.Second) }},
		{name: "unknown critical extension", reason: challenge.Untrusted, cert: func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
		}},
		{name: "critical name that cannot be read whole", reason: challenge.MalformedName, cert: withSAN(true, upnName("a@b@c"))},
		{name: "issuer for web servers", reason: challenge.IssuerUsage, issuer: func(t *testing.T) *authority {
			return newAuthority(t, "Issuer", root, testkeys.RSA(2048, 1), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
		}, server: func(v *challenge.Verifier) {
			v.Intermediates = pool(newAuthority(t, "Issuer", root, testkeys.RSA(2048, 1), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }).cert)
		}},

		{name: "issuer with a key of 1024 bits", reason: challenge.IssuerKey, issuer: func(t *testing.T) *authority {
			return newAuthority(t, "Issuer", root, testkeys.RSA(1024, 0))
		}, server: func(v *challenge.Verifier) {
			v.Intermediates = pool(newAuthority(t, "Issuer", root, testkeys.RSA(1024, 0)).cert)
		}},
		{name: "issuer for another domain", reason: challenge.NameConstraint, issuer: func(t *testing.T) *authority {
			return newAuthority(t, "Issuer", root, testkeys.RSA(2048, 1))
		}, server: func(v *challenge.Verifier) {
			v.Intermediates = pool(newAuthority(t, "Issuer", root, testkeys.RSA(2048, 1), func(c *x509.Certificate) {
				c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Value: permit(certtest.UPN("@corp.test"))}}
			}).cert)
		}},

		{name: "key usage without signatures", reason: challenge.NotOffered, cert: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }},
		{name: "no smart card logon", reason: challenge.NotOffered, cert: func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil }},
		{name: "P-256 without the policy", reason: challenge.NotOffered, key: testkeys.ECDSA(elliptic.P256(), 0),
			server: func(v *challenge.Verifier) { v.Waive, v.Policy = nil, rules.Policy{} }},
		{name: "unreadable extended key usage, rule waived", reason: challenge.NotOffered,
			raw: func(der []byte) []byte {
				// The list ends before the extension, which crypto/x509 accepts.
				return bytes.Replace(der, []byte("\x30\x16\x06\x08"), []byte("\x30\x0A\x06\x08"), 1)
			},
			server: func(v *challenge.Verifier) { v.Waive = []rules.Rule{rules.EKU} }},
		{name: "name that cannot be read", reason: challenge.MalformedName, cert: withSAN(false, upnName("a@b@c"))},
		{name: "name that cannot be read, rule waived", reason: challenge.MalformedName, cert: withSAN(false, upnName("a@b@c")),
			server: func(v *challenge.Verifier) { v.Waive = []rules.Rule{rules.UPN} }},

		{name: "two different UPNs", reason: challenge.SeveralNames, cert: withSAN(false, upnName("alice@example.com"), upnName("root@example.com"))},
		{name: "two different e-mail names and no UPN", reason: challenge.SeveralNames, cert: withSAN(false, rfc822Name("alice@example.com"), rfc822Name("root@example.com"))},
		{name: "two different UPNs and a hint", reason: challenge.SeveralNames, cert: withSAN(false, upnName("alice@example.com"), upnName("root@example.com")),
			server: func(v *challenge.Verifier) {
				v.SignIn.Hint = "root@example.com"
				v.Accept = func(context.Context, upn.Name, []*x509.Certificate) error { return nil }
			}},
		{name: "no name", reason: challenge.NoName, cert: withSAN(false, rawName("\x82\x01a")),
			server: func(v *challenge.Verifier) { v.Policy.X509HintsNeeded = true }},
		{name: "hint to another account", reason: challenge.UnprovenName, server: func(v *challenge.Verifier) { v.SignIn.Hint = "root@example.com" }},
		{name: "e-mail name typed where a UPN decides", reason: challenge.UnprovenName, cert: withSAN(false, upnName("alice@example.com"), rfc822Name("root@example.com")),
			server: func(v *challenge.Verifier) { v.SignIn.Hint = "root@example.com" }},
		{name: "hint where the certificate has no name", reason: challenge.UnprovenName, cert: withSAN(false, rawName("\x82\x01a")),
			server: func(v *challenge.Verifier) { v.Policy.X509HintsNeeded = true; v.SignIn.Hint = "root@example.com" }},
		{name: "account says no", reason: challenge.NotAccepted, server: func(v *challenge.Verifier) {
			v.Accept = func(context.Context, upn.Name, []*x509.Certificate) error { return errTest }
		}},
		{name: "revoked", reason: challenge.Revoked, server: func(v *challenge.Verifier) {
			v.Revoked = func(context.Context, []*x509.Certificate) error { return errTest }
		}},
	}
}

func TestVerifyRefuses(t *testing.T) {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	for _, tt := range refusals(t) {
		t.Run(tt.name, func(t *testing.T) {
			key := tt.key
			if key == nil {
				key = testkeys.RSA(2048, 0)
			}
			issuer := root
			if tt.issuer != nil {
				issuer = tt.issuer(t)
			}
			var edit []func(*x509.Certificate)
			if tt.cert != nil {
				edit = append(edit, tt.cert)
			}
			cert := issuer.issueRaw(t, key.Public(), tt.raw, edit...)
			c := at("sign-in")
			answer := answerTo(t, key, cert, c)
			v := verifier(root)
			if tt.kept != nil {
				tt.kept(&c)
			}
			if tt.answer != nil {
				answer = tt.answer(answer)
			}
			if tt.server != nil {
				tt.server(&v)
			}
			id, err := v.Verify(t.Context(), c, answer)
			assert.Nil(t, id)
			require.Error(t, err)
			assert.Equal(t, tt.reason.String(), reason(t, err).String(), "%v", err)
			assert.NotContains(t, err.Error(), "\n")
			if tt.reason == challenge.Revoked || tt.reason == challenge.NotAccepted {
				assert.ErrorIs(t, err, errTest)
			}
		})
	}
}

func TestEveryReasonHasATextAndARow(t *testing.T) {
	seen := map[challenge.Reason]bool{}
	for _, tt := range refusals(t) {
		seen[tt.reason] = true
	}
	texts := map[string]challenge.Reason{}
	for r := challenge.NoRoots; r <= challenge.Revoked; r++ {
		text := r.String()
		assert.NotEmpty(t, text)
		assert.NotContains(t, text, "reason ")
		assert.NotContains(t, texts, text)
		texts[text] = r
		assert.True(t, seen[r], "%v has no row", r)
	}
	assert.Equal(t, "reason 0", challenge.Reason(0).String())
	assert.Equal(t, "reason -1", challenge.Reason(-1).String())
	assert.Equal(t, "reason 99", challenge.Reason(99).String())
}

func TestRefusalUnwraps(t *testing.T) {
	assert.ErrorIs(t, &challenge.Refusal{Reason: challenge.Revoked, Err: errTest}, errTest)
	assert.NoError(t, (&challenge.Refusal{Reason: challenge.Revoked}).Unwrap())
}
