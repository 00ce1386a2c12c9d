package challenge_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"reflect"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// FuzzChallengeText asserts that a text that is read is written again as the same
// characters, and that a refused one leaves the challenge unchanged.
func FuzzChallengeText(f *testing.F) {
	f.Add([]byte(text(f, plain)))
	f.Fuzz(func(t *testing.T, in []byte) {
		var c challenge.Challenge
		if err := c.UnmarshalText(in); err != nil {
			if c.Purpose != "" || !c.Time.IsZero() {
				t.Fatalf("refused %q and kept %v", in, c)
			}
			return
		}
		out, err := c.MarshalText()
		if err != nil || !bytes.Equal(in, out) {
			t.Fatalf("read %q and wrote %q, %v", in, out, err)
		}
	})
}

// FuzzAnswer asserts that only answers of Respond verify, and that all others are a
// Refusal.
func FuzzAnswer(f *testing.F) {
	ca := newAuthority(f, "Root", nil, testkeys.RSA(2048, 2))
	v, c := verifier(ca), at("sign-in")
	// The same nonce in each run, so that the corpus stays valid.
	c.Nonce = [32]byte{1}
	valid := map[string]bool{}
	for _, kind := range keyKinds() {
		answer := respond(f, kind.key, ca.issue(f, kind.key.Public()), c)
		valid[string(answer)] = true
		f.Add(answer)
		f.Add(answer[:len(answer)-1])
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		id, err := v.Verify(t.Context(), c, in)
		var refusal *challenge.Refusal
		switch {
		case err == nil && (id == nil || !valid[string(in)]):
			t.Fatalf("%x verifies", in)
		case err != nil && (id != nil || !errors.As(err, &refusal) || refusal.Reason <= 0 || refusal.Reason > challenge.Revoked):
			t.Fatalf("%x: %v, %v", in, id, err)
		case err != nil && valid[string(in)]:
			t.Fatalf("%x: %v", in, err)
		}
	})
}

// FuzzLeaf asserts that a certificate that crypto/x509 parses has the same fields
// when it is parsed in parts.
func FuzzLeaf(f *testing.F) {
	ca := newAuthority(f, "Root", nil, testkeys.RSA(2048, 2))
	for _, kind := range keyKinds() {
		f.Add(ca.issue(f, kind.key.Public()))
	}
	for _, odd := range oddLeaves {
		var edit []func(*x509.Certificate)
		if odd.cert != nil {
			edit = append(edit, odd.cert)
		}
		f.Add(ca.issueRaw(f, testkeys.RSA(2048, 0).Public(), odd.raw, edit...))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		leaf, err := challenge.ParseLeaf(der)
		if err == nil && !bytes.Equal(leaf.Raw, der) {
			t.Fatal("parsed another certificate")
		}
		want, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		got, err := challenge.ParseParts(der)
		if err != nil {
			return // a stricter reader
		}
		for name, pair := range map[string][2]any{
			"signed part": {want.RawTBSCertificate, got.RawTBSCertificate},
			"signature":   {want.Signature, got.Signature},
			"algorithm":   {want.SignatureAlgorithm, got.SignatureAlgorithm},
			"key":         {want.PublicKey, got.PublicKey},
			"issuer":      {want.RawIssuer, got.RawIssuer},
			"subject":     {want.RawSubject, got.RawSubject},
			"serial":      {want.SerialNumber.String(), got.SerialNumber.String()},
			"key usage":   {want.KeyUsage, got.KeyUsage},
			"DNS names":   {want.DNSNames, got.DNSNames},
			"addresses":   {want.IPAddresses, got.IPAddresses},
			"extensions":  {len(want.Extensions), len(got.Extensions)},
			"unhandled":   {len(want.UnhandledCriticalExtensions), len(got.UnhandledCriticalExtensions)},
		} {
			if !reflect.DeepEqual(pair[0], pair[1]) {
				t.Fatalf("%s: %v, in parts %v", name, pair[0], pair[1])
			}
		}
		if !got.NotAfter.IsZero() && !want.NotAfter.Equal(got.NotAfter) {
			t.Fatalf("not after: %v, in parts %v", want.NotAfter, got.NotAfter)
		}
	})
}

// FuzzNameConstraints asserts that a permitted and an excluded subtree are applied
// independently, and that a certificate does not pass an empty one.
func FuzzNameConstraints(f *testing.F) {
	for _, row := range constraintRows() {
		subject := row.subject
		if subject == nil {
			subject = certtest.Name("O=Corp", "CN=Alice")
		}
		for _, name := range row.san {
			for _, value := range [][]byte{row.root, row.issuer} {
				if len(value) > 6 {
					f.Add(value[6:], name, subject) // the base of the first subtree
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, base, name, subject []byte) {
		c := &x509.Certificate{
			RawSubject: subject,
			Extensions: []pkix.Extension{{Id: oidSubjectAltName, Value: certtest.Sequence(name)}},
		}
		permitted := challenge.CheckConstraints(permit(base), c)
		excluded := challenge.CheckConstraints(exclude(base), c)
		if len(base) == 0 && (permitted == nil || excluded == nil) {
			t.Fatal("passes an empty subtree")
		}
		both := challenge.CheckConstraints(constraints(names{base}, names{base}), c)
		if (both == nil) != (permitted == nil && excluded == nil) {
			t.Fatalf("permitted: %v; excluded: %v; both: %v", permitted, excluded, both)
		}
	})
}
