package enumerate_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An authority issues certificates for TestChain.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// newAuthority returns an authority that issuer certified, or a root if it is nil.
func newAuthority(t *testing.T, name string, key crypto.Signer, issuer *authority) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := &authority{template, key}
	if issuer == nil {
		issuer = a
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return a
}

func TestChain(t *testing.T) {
	root := newAuthority(t, "root", cardtest.Key(cardtest.P256, 0), nil)
	upper := newAuthority(t, "upper", cardtest.Key(cardtest.P256, 1), root)
	lower := newAuthority(t, "lower", cardtest.Key(cardtest.P256, 2), upper)
	namesake := newAuthority(t, "lower", cardtest.Key(cardtest.P384, 0), upper)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, lower.cert, cardtest.Key(cardtest.RSA2048, 0).Public(), lower.key)
	require.NoError(t, err)
	c := enumerate.New(der, nil)
	for name, test := range map[string]struct{ issuers, want []*authority }{
		"none":              {},
		"all, unordered":    {[]*authority{upper, root, lower}, []*authority{lower, upper}},
		"gap":               {[]*authority{root, upper}, nil},
		"end":               {[]*authority{lower}, []*authority{lower}},
		"same name":         {[]*authority{namesake, lower, upper}, []*authority{lower, upper}},
		"same name only":    {[]*authority{namesake, upper, root}, nil},
		"given repeatedly":  {[]*authority{upper, lower, lower, upper}, []*authority{lower, upper}},
		"root of cardtest":  {[]*authority{root}, nil},
		"root and unneeded": {[]*authority{root, namesake}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var issuers []*x509.Certificate
			for _, a := range test.issuers {
				issuers = append(issuers, a.cert)
			}
			want := [][]byte{der}
			for _, a := range test.want {
				want = append(want, a.cert.Raw)
			}
			assert.Equal(t, want, c.Chain(issuers))
		})
	}

	_, der = cardtest.TestCA().Issue(cardtest.Leaf{})
	testRoot, err := x509.ParseCertificate(cardtest.TestCA().Certificate())
	require.NoError(t, err)
	assert.Equal(t, [][]byte{der}, enumerate.New(der, nil).Chain([]*x509.Certificate{testRoot}), "without the root")
	malformed := []byte{0x30, 0x00}
	assert.Equal(t, [][]byte{malformed}, enumerate.New(malformed, nil).Chain([]*x509.Certificate{testRoot}))
}

// TestChainOfCrossCertificates has two authorities that certified each other.
func TestChainOfCrossCertificates(t *testing.T) {
	rootA, rootB := newAuthority(t, "A", cardtest.Key(cardtest.P256, 0), nil), newAuthority(t, "B", cardtest.Key(cardtest.P256, 1), nil)
	a := newAuthority(t, "A", rootA.key, rootB)
	b := newAuthority(t, "B", rootB.key, rootA)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(2)}, a.cert, cardtest.Key(cardtest.RSA2048, 0).Public(), a.key)
	require.NoError(t, err)
	chain := enumerate.New(der, nil).Chain([]*x509.Certificate{a.cert, b.cert})
	assert.Equal(t, [][]byte{der, a.cert.Raw, b.cert.Raw}, chain)
}

func TestCredentialString(t *testing.T) {
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	c := only(t, finder(t, cardtest.PIV().Put("9A", key, der)))
	assert.Equal(t, `alice@example.com (PIV 9A in "Software Reader 00")`, c.String())
	assert.Equal(t, key.Public(), c.Public())

	c = enumerate.New(der, nil)
	assert.Equal(t, "alice@example.com", c.String())
	assert.Equal(t, key.Public(), c.Public())
	c = &enumerate.Credential{Raw: der} // without New
	assert.Equal(t, "alice@example.com", c.Title())
	assert.Equal(t, key.Public(), c.Public())

	c = enumerate.New([]byte{0x30, 0x00}, nil)
	assert.Equal(t, "unnamed certificate", c.String())
	assert.Nil(t, c.Public())
}
