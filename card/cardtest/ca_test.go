package cardtest_test

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

func issue(t *testing.T, l cardtest.Leaf) *x509.Certificate {
	t.Helper()
	key, der := cardtest.TestCA().Issue(l)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	assert.Equal(t, key.Public(), c.PublicKey)
	return c
}

// extension returns the value of an extension in hexadecimal, "" if there is none.
func extension(c *x509.Certificate, id string) string {
	for _, e := range c.Extensions {
		if e.Id.String() == id {
			return hex.EncodeToString(e.Value)
		}
	}
	return ""
}

func TestPlainLeafIsValidForSigningIn(t *testing.T) {
	c := issue(t, cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	_, err := c.Verify(x509.VerifyOptions{
		Roots:     cardtest.TestCA().Pool(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	assert.NoError(t, err, "valid now, under the root of another CA value")
	assert.Equal(t, "CN=alice", c.Subject.String())
	assert.Equal(t, x509.KeyUsageDigitalSignature, c.KeyUsage)
	assert.Equal(t, []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}}, c.UnknownExtKeyUsage)
	assert.WithinDuration(t, time.Now().Add(-time.Hour), c.NotBefore, time.Minute)
	assert.Equal(t, c.NotBefore.AddDate(1, 0, 0), c.NotAfter)
}

func TestIntermediate(t *testing.T) {
	root := cardtest.TestCA()
	first := root.Intermediate("First")
	second := first.Intermediate("Second")
	_, der := second.Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	assert.Equal(t, "CN=Second,O=cardtest", c.Issuer.String())
	options := x509.VerifyOptions{Roots: second.Pool(), Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	_, err = c.Verify(options)
	assert.ErrorAs(t, err, new(x509.UnknownAuthorityError), "without the intermediate certificates")
	for _, ca := range []*cardtest.CA{first, second} {
		issuer, err := x509.ParseCertificate(ca.Certificate())
		require.NoError(t, err)
		options.Intermediates.AddCert(issuer)
	}
	chains, err := c.Verify(options)
	require.NoError(t, err)
	require.Len(t, chains, 1)
	assert.Len(t, chains[0], 4)
	assert.Equal(t, root.Certificate(), chains[0][3].Raw)
	assert.Equal(t, first.Certificate(), cardtest.TestCA().Intermediate("First").Certificate(), "the same each time")
}

func TestRevocationList(t *testing.T) {
	c := issue(t, cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	root, err := x509.ParseCertificate(cardtest.TestCA().Certificate())
	require.NoError(t, err)
	this := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	list, err := x509.ParseRevocationList(cardtest.TestCA().RevocationList(this, this.Add(time.Hour), c.SerialNumber))
	require.NoError(t, err)
	assert.NoError(t, list.CheckSignatureFrom(root))
	assert.Equal(t, c.SerialNumber, list.RevokedCertificateEntries[0].SerialNumber)
	assert.Equal(t, []time.Time{this, this.Add(time.Hour)}, []time.Time{list.ThisUpdate, list.NextUpdate})
}

// The expected bytes are those that other tools encode.
func TestEncodingOfExtensions(t *testing.T) {
	c := issue(t, cardtest.Leaf{
		UPNs:     []string{"alice@example.com", "böb@example.com"},
		Emails:   []string{"alice@mail.example"},
		URIs:     []string{"urn:x"},
		Template: "SmartcardLogon",
		SID:      "S-1-5-21-1111111111-2222222222-3333333333-1105",
	})
	assert.Equal(t, "3060"+
		"a021060a2b060104018237140203a0130c11616c696365406578616d706c652e636f6d"+
		"a020060a2b060104018237140203a0120c1062c3b662406578616d706c652e636f6d"+
		"8112616c696365406d61696c2e6578616d706c65"+
		"860575726e3a78", extension(c, "2.5.29.17"))
	assert.Equal(t, "1e1c0053006d0061007200740063006100720064004c006f0067006f006e", extension(c, "1.3.6.1.4.1.311.20.2"))
	assert.Equal(t, "3040a03e060a2b060104018237190201a030042e532d312d352d32312d313131313131313131312d323232323232323232322d333333333333333333332d31313035",
		extension(c, "1.3.6.1.4.1.311.25.2"))

	c = issue(t, cardtest.Leaf{Template: "1.3.6.1.4.1.311.21.8.1.2.3.4.5.6"})
	assert.Equal(t, "3017060f2b0601040182371508010203040506020164020104", extension(c, "1.3.6.1.4.1.311.21.7"))
}
