package cardtest_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

func TestFieldsOfLeaf(t *testing.T) {
	from := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	c := issue(t, cardtest.Leaf{
		Key:         cardtest.Key(cardtest.P384, 1),
		Subject:     &pkix.Name{CommonName: "Alice", Organization: []string{"Example"}},
		CriticalSAN: true,
		Emails:      []string{"alice@example.com"},
		EKUs:        []string{"2.5.29.37.0"}, // anyExtendedKeyUsage
		KeyUsage:    x509.KeyUsageKeyEncipherment,
		NotBefore:   from,
		NotAfter:    from.AddDate(0, 0, 1),
		Serial:      big.NewInt(5),
		Extensions:  []pkix.Extension{{Id: []int{1, 2, 3}, Value: []byte{5, 0}}},
	})
	assert.Equal(t, "CN=Alice,O=Example", c.Subject.String())
	assert.Equal(t, []string{"alice@example.com"}, c.EmailAddresses)
	assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, c.ExtKeyUsage)
	assert.Equal(t, x509.KeyUsageKeyEncipherment, c.KeyUsage)
	assert.Equal(t, big.NewInt(5), c.SerialNumber)
	assert.Equal(t, from, c.NotBefore)
	assert.Equal(t, from.AddDate(0, 0, 1), c.NotAfter)
	assert.Equal(t, "0500", extension(c, "1.2.3"))
	for _, e := range c.Extensions {
		if e.Id.String() == "2.5.29.17" {
			assert.True(t, e.Critical)
		}
	}

	empty := issue(t, cardtest.Leaf{Subject: &pkix.Name{}, NoEKU: true, NoKeyUsage: true})
	assert.Empty(t, empty.Subject.String())
	assert.Empty(t, extension(empty, "2.5.29.15"))
	assert.Empty(t, extension(empty, "2.5.29.37"))
	assert.Empty(t, extension(empty, "2.5.29.17"))
}

func TestEqualLeafsHaveEqualSerialNumbers(t *testing.T) {
	a, b := cardtest.Leaf{UPNs: []string{"a@example.com"}}, cardtest.Leaf{UPNs: []string{"b@example.com"}}
	assert.Equal(t, issue(t, a).SerialNumber, issue(t, a).SerialNumber)
	assert.NotEqual(t, issue(t, a).SerialNumber, issue(t, b).SerialNumber)
}

func TestIssuePanics(t *testing.T) {
	for name, l := range map[string]cardtest.Leaf{
		"malformed EKU":          {EKUs: []string{"logon"}},
		"negative serial number": {Serial: big.NewInt(-5)},
	} {
		assert.Panics(t, func() { cardtest.TestCA().Issue(l) }, name)
	}
}
