package rules_test

import (
	"crypto/rsa"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/rules"
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
