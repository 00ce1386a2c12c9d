package challenge_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func extension(critical bool, oid asn1.ObjectIdentifier, value ...byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oid, Critical: critical, Value: value})
	}
}

// replaced returns a function that replaces bytes once, for issueRaw.
func replaced(from, to string) func([]byte) []byte {
	return func(der []byte) []byte { return bytes.Replace(der, []byte(from), []byte(to), 1) }
}

// oddLeaves are certificates that crypto/x509 refuses, though no field that decides
// is malformed.
var oddLeaves = []struct {
	name string
	cert func(*x509.Certificate)
	raw  func([]byte) []byte
}{
	{name: "negative serial number", raw: replaced("\x02\x01\x07\x30", "\x02\x01\x87\x30")},
	{name: "CRL distribution points", cert: extension(false, asn1.ObjectIdentifier{2, 5, 29, 31}, 0x30, 1, 2)},
	{name: "authority information access", cert: extension(false, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}, 5, 0)},
	{name: "certificate policies", cert: extension(false, asn1.ObjectIdentifier{2, 5, 29, 32}, 5, 0)},
	{name: "authority key identifier", cert: extension(false, asn1.ObjectIdentifier{2, 5, 29, 35}, 5, 0)},
	{name: "subject key identifier", cert: extension(false, asn1.ObjectIdentifier{2, 5, 29, 14}, 5, 0)},
	{name: "DNS name", cert: withSAN(false, upnName("alice@example.com"), rawName("\x82\x02\xC3\xA4"))},
	{name: "DNS name in a critical extension", cert: withSAN(true, upnName("alice@example.com"), rawName("\x82\x02\xC3\xA4"))},
	{name: "IP address", cert: withSAN(false, upnName("alice@example.com"), rawName("\x87\x03abc"))},
	{name: "subject with an underscore in a PrintableString", cert: func(c *x509.Certificate) {
		c.RawSubject = certtest.Attributes("2.5.4.3", ber.Append(nil, ber.PrintableString, []byte("alice_adm")))
	}},
	{name: "subject with a BIT STRING", cert: func(c *x509.Certificate) {
		c.RawSubject = certtest.Attributes("2.5.4.45", []byte{3, 2, 0, 5})
	}},
}

func TestVerifyAcceptsOddLeaves(t *testing.T) {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	for _, tt := range oddLeaves {
		t.Run(tt.name, func(t *testing.T) {
			var edit []func(*x509.Certificate)
			if tt.cert != nil {
				edit = append(edit, tt.cert)
			}
			der := root.issueRaw(t, key.Public(), tt.raw, edit...)
			_, err := x509.ParseCertificate(der)
			require.Error(t, err, "crypto/x509 refuses it")
			assert.NoError(t, challenge.CheckCertificate(der))

			v, c := verifier(root), at("sign-in")
			id, err := v.Verify(t.Context(), c, respond(t, key, der, c))
			require.NoError(t, err)
			assert.Equal(t, "alice@example.com", id.Name.Value)

			leaf := id.Chain[0]
			assert.Equal(t, der, leaf.Raw)
			assert.Equal(t, root.cert.RawSubject, leaf.RawIssuer)
			assert.Equal(t, "Root", leaf.Issuer.CommonName)
			assert.Equal(t, 2025, leaf.NotBefore.Year())
			assert.Equal(t, x509.KeyUsageDigitalSignature, leaf.KeyUsage)
			assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, leaf.ExtKeyUsage)
			assert.True(t, key.PublicKey.Equal(leaf.PublicKey))
			assert.NoError(t, leaf.CheckSignatureFrom(root.cert))
			assert.Equal(t, tt.name == "negative serial number", leaf.SerialNumber.Cmp(big.NewInt(-121)) == 0)

			other := newAuthority(t, "Root", nil, testkeys.RSA(2048, 1))
			v = verifier(other)
			_, err = v.Verify(t.Context(), c, respond(t, key, der, c))
			assert.Equal(t, challenge.Untrusted, reason(t, err), "the issuer's signature is checked")
		})
	}
}

func TestMalformedCriticalExtension(t *testing.T) {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	der := root.issue(t, key.Public(), extension(true, asn1.ObjectIdentifier{2, 5, 29, 32}, 5, 0))
	v, c := verifier(root), at("sign-in")
	_, err := v.Verify(t.Context(), c, respond(t, key, der, c))
	assert.Equal(t, challenge.Untrusted, reason(t, err))
	assert.EqualError(t, challenge.CheckCertificate(der), "challenge: refused: certificate is not trusted: critical extension 2.5.29.32 is not supported or malformed")
}

// CheckCertificate reports the refusals that depend on the certificate alone.
func TestCheckCertificate(t *testing.T) {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	counts := map[challenge.Reason]int{}
	for _, tt := range refusals(t) {
		if tt.key != nil || tt.issuer != nil || tt.kept != nil || tt.answer != nil {
			continue
		}
		var edit []func(*x509.Certificate)
		if tt.cert != nil {
			edit = append(edit, tt.cert)
		}
		err := challenge.CheckCertificate(root.issueRaw(t, testkeys.RSA(2048, 0).Public(), tt.raw, edit...))
		if err == nil {
			continue
		}
		assert.Equal(t, tt.reason, reason(t, err), tt.name)
		counts[tt.reason]++
	}
	assert.Equal(t, map[challenge.Reason]int{
		challenge.MalformedCertificate: 1,
		challenge.RepeatedExtension:    1,
		challenge.Untrusted:            1,
		challenge.MalformedName:        3,
		challenge.NotOffered:           1,
	}, counts)

	versionNull := certtest.Logon("alice@example.com")
	versionNull.Version = ber.Append(nil, 0xA0, ber.Append(nil, ber.Null, nil))
	longKey := certtest.Logon("alice@example.com")
	longKey.Key = certtest.RSAKey(8200)
	for _, tt := range []struct {
		name   string
		der    []byte
		reason challenge.Reason
	}{
		{"nothing", nil, challenge.MalformedCertificate},
		{"version", versionNull.DER(), challenge.NotOffered},
		{"P-224", root.issue(t, p224Key(t).Public()), challenge.UnfitKey},
		{"RSA key of 8200 bits", longKey.DER(), challenge.UnfitKey},
	} {
		assert.Equal(t, tt.reason.String(), reason(t, challenge.CheckCertificate(tt.der)).String(), tt.name)
	}
	for _, kind := range keyKinds() {
		assert.NoError(t, challenge.CheckCertificate(root.issue(t, kind.key.Public())), kind.name)
	}
}

func TestRespondRefusesARepeatedExtension(t *testing.T) {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := &recorder{Signer: testkeys.RSA(2048, 0)}
	der := root.issueRaw(t, key.Public(), replaced("\x55\x1D\x7F", "\x55\x1D\x11"), extension(false, asn1.ObjectIdentifier{2, 5, 29, 127}, 5, 0))
	_, err := challenge.Respond(key, der, challenge.New("sign-in", origin), origin)
	assert.EqualError(t, err, "challenge: certificate repeats an extension: 2.5.29.17")
	assert.Empty(t, key.signed)
}

// The minimum of key strength is that of the whole chain.
func TestAllowWeakKeys(t *testing.T) {
	strong, weak := testkeys.RSA(2048, 2), testkeys.RSA(1024, 0)
	for _, tt := range []struct {
		name              string
		root, issuer, key crypto.Signer
		reason            challenge.Reason
	}{
		{"strong", strong, testkeys.RSA(2048, 1), testkeys.RSA(2048, 0), 0},
		{"root of 1024 bits", weak, testkeys.RSA(2048, 1), testkeys.RSA(2048, 0), challenge.IssuerKey},
		{"issuer of 1024 bits", strong, weak, testkeys.RSA(2048, 0), challenge.IssuerKey},
		{"issuer on P-224", strong, p224Key(t), testkeys.RSA(2048, 0), challenge.IssuerKey},
		{"leaf of 1024 bits", strong, testkeys.RSA(2048, 1), testkeys.RSA(1024, 0), challenge.UnfitKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := newAuthority(t, "Root", nil, tt.root)
			issuer := newAuthority(t, "Issuer", root, tt.issuer)
			key := tt.key
			v, c := verifier(root), at("sign-in")
			v.Intermediates = pool(issuer.cert)
			answer := respond(t, key, issuer.issue(t, key.Public()), c)
			_, err := v.Verify(t.Context(), c, answer)
			if tt.reason == 0 {
				assert.NoError(t, err)
			} else {
				assert.Equal(t, tt.reason, reason(t, err))
			}
			v.AllowWeakKeys = true
			_, err = v.Verify(t.Context(), c, answer)
			assert.NoError(t, err)
		})
	}
}
