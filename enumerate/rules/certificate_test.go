package rules_test

import (
	"crypto/rsa"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNamesAreThoseOfPackageUPN(t *testing.T) {
	for _, s := range states {
		der := s.cert.DER()
		assert.Equal(t, upn.Read(der), rules.Inspect(der).Names(), s.name)
		assert.Equal(t, upn.Read(der[:9]), rules.Inspect(der[:9]).Names(), s.name)
	}
}

func TestInspect(t *testing.T) {
	t.Run("a certificate that can be parsed", func(t *testing.T) {
		der := certtest.Logon("alice@example.com").DER()
		c := rules.Inspect(der)
		require.NoError(t, c.Err())
		assert.Equal(t, rules.Check(der, exchange, rules.Policy{}, clock).Offered(), c.Check(exchange, rules.Policy{}, clock).Offered())
		assert.Equal(t, "alice@example.com", c.Title(rules.Policy{}))
		read, err := rules.Read(der)
		require.NoError(t, err)
		assert.Equal(t, read, c)
	})
	t.Run("one that cannot", func(t *testing.T) {
		c := rules.Inspect([]byte{0x30})
		const reason = "rules: read certificate: byte 0: length is missing"
		assert.EqualError(t, c.Err(), reason)
		assert.EqualError(t, c.Names().Err, "upn: certificate at byte 0: length is missing")
		assert.EqualError(t, c.Check(exchange, rules.Policy{}, clock).Err(), reason)
		assert.False(t, c.Check(exchange, rules.Policy{}, clock).Offered())
		assert.Zero(t, c.Tile())
		assert.Empty(t, c.Title(rules.Policy{}))
		assert.Empty(t, c.Subject())
		assert.Empty(t, c.Issuer())
		assert.True(t, c.NotBefore().Time().IsZero())
		for _, r := range c.Requirements(rules.Current, exchange, rules.Policy{}) {
			assert.Equal(t, rules.Unknown, r.Verdict)
		}
		_, err := c.PublicKey()
		assert.EqualError(t, err, reason)
		_, err = c.KeyUsage()
		assert.EqualError(t, err, reason)
		_, err = c.ExtendedKeyUsage()
		assert.EqualError(t, err, reason)
		_, err = c.RepeatedExtension()
		assert.EqualError(t, err, reason)
		read, err := rules.Read([]byte{0x30})
		assert.EqualError(t, err, reason)
		assert.Nil(t, read)
	})
}

func TestPublicKey(t *testing.T) {
	key, err := rules.Inspect(withKey(certtest.RSAKey(2048)).DER()).PublicKey()
	require.NoError(t, err)
	require.IsType(t, &rsa.PublicKey{}, key)
	assert.Equal(t, 2048, key.(*rsa.PublicKey).N.BitLen())

	_, err = rules.Inspect(withKey(certtest.Key("1.2.3", nil, nil)).DER()).PublicKey()
	assert.ErrorContains(t, err, "rules: read certificate: key: ")
}

func TestRepeatedExtension(t *testing.T) {
	repeated := func(c certtest.Certificate) (string, error) { return rules.Inspect(c.DER()).RepeatedExtension() }
	oid, err := repeated(certtest.Logon("alice@example.com"))
	assert.NoError(t, err)
	assert.Empty(t, oid)

	oid, err = repeated(certtest.Certificate{Extensions: [][]byte{certtest.Extension("1.2.3", nil), certtest.DigitalSignature(), certtest.Extension("1.2.3", nil)}})
	assert.NoError(t, err)
	assert.Equal(t, "1.2.3", oid)

	_, err = repeated(certtest.Certificate{Extensions: [][]byte{{5, 0}}})
	assert.ErrorContains(t, err, "rules: extensions: byte ")
}

func TestMalformedFieldIsAFinding(t *testing.T) {
	null, two := ber.Append(nil, ber.Null, nil), ber.Append(nil, ber.Integer, []byte{2})
	version := func(content ...byte) func(*certtest.Certificate) {
		return func(c *certtest.Certificate) { c.Version = ber.Append(nil, 0xA0, content) }
	}
	garbage := ber.Append(nil, ber.Sequence, []byte("garbage"))
	tests := []struct {
		name   string
		change func(*certtest.Certificate)
		detail string
	}{
		{"version is NULL", version(null...), "version: byte 10: want tag 02, found 05"},
		{"version is empty", version(), "version: byte 10: want tag 02, found the end"},
		{"version is two INTEGERs", version(append(two, two...)...), "version: byte 13: data after the last element"},
		{"version is a SEQUENCE", version(certtest.Sequence(two)...), "version: byte 10: want tag 02, found 30"},
		{"signature algorithm is empty", func(c *certtest.Certificate) { c.Signature = certtest.Sequence() }, "signature: byte 18: want tag 06, found the end; signatureAlgorithm: byte"},
		{"signature algorithm is garbage", func(c *certtest.Certificate) { c.Signature = garbage }, "signature: byte 18: value is longer"},
		{"signature is empty", func(c *certtest.Certificate) { c.SignatureValue = ber.Append(nil, ber.BitString, []byte{0}) }, "signatureValue: byte"},
		{"serial number is empty", func(c *certtest.Certificate) { c.Serial = ber.Append(nil, ber.Integer, nil) }, "serialNumber: byte 13: integer is empty"},
		{"issuer is garbage", func(c *certtest.Certificate) { c.Issuer = garbage }, "issuer: byte"},
		{"subject is garbage", func(c *certtest.Certificate) { c.Subject = garbage }, "subject: byte"},
	}
	every := rules.Policy{AllowCertificatesWithNoEKU: true, AllowSignatureOnlyKeys: true, AllowTimeInvalidCertificates: true, EnumerateECCCerts: true, X509HintsNeeded: true}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, p := range []rules.Policy{{}, every} {
				findings := rules.Check(logon(tt.change).DER(), exchange, p, clock)
				assert.False(t, findings.Offered())
				require.Len(t, findings, 7)
				for _, f := range findings[:6] {
					assert.Equal(t, rules.Passed, f.Verdict, f.Rule)
				}
				f := findings[6]
				assert.Equal(t, rules.Encoding, f.Rule)
				assert.Equal(t, rules.Unknown, f.Verdict)
				assert.Contains(t, f.Detail(), tt.detail)
				assert.Equal(t, string(f.Rule)+": "+string(f.Verdict)+": "+f.Detail(), f.String())
				assert.Equal(t, "have the certificate issued anew", f.Remedy())
				_, ok := findings.PoliciesNeeded()
				assert.False(t, ok)
				assert.NoError(t, findings.Err())
			}
		})
	}
}
