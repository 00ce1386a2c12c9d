package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/mtls"
	"github.com/smartlogon/smartlogon/enumerate/rules"
)

const (
	anyUsage = "2.5.29.37.0"
)

// TestUsage has certificates that servers refuse for their usage before those that
// they accept.
func TestUsage(t *testing.T) {
	leaf := func(name string, ekus ...string) cardtest.Leaf {
		return cardtest.Leaf{UPNs: []string{name}, EKUs: append(ekus, cardtest.SmartCardLogon)}
	}
	logonOnly := leaf("logon@example.com")
	for _, test := range []struct {
		name   string
		first  cardtest.Leaf
		second cardtest.Leaf
		want   string
	}{
		{"client authentication and nothing else", leaf("client@example.com", cardtest.ClientAuth), logonOnly, "client"},
		{"smart card logon only", logonOnly, leaf("client@example.com", cardtest.ClientAuth), "client"},
		{"smart card logon only and any", logonOnly, leaf("any@example.com", anyUsage), "any"},
		{"any and client authentication", leaf("any@example.com", anyUsage), leaf("client@example.com", cardtest.ClientAuth), "client"},
		{"no extended key usage", logonOnly, cardtest.Leaf{UPNs: []string{"none@example.com"}, NoEKU: true}, "none"},
		{"two that are equal", leaf("first@example.com", cardtest.ClientAuth), leaf("second@example.com", cardtest.ClientAuth), "first"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, put(cardtest.PIV(), "9A", test.first), put(cardtest.PIV(), "9A", test.second))
			f.Finder.Policy.AllowCertificatesWithNoEKU = true
			name, err := f.connect(t.Context(), server(tls.VersionTLS13, parsed(root)))
			require.NoError(t, err)
			assert.Equal(t, test.want, name)
		})
	}
	t.Run("no other fits", func(t *testing.T) {
		f := newFixture(t, put(cardtest.PIV(), "9A", logonOnly))
		_, err := f.connect(t.Context(), server(tls.VersionTLS13, parsed(root)))
		assert.ErrorContains(t, err, "remote error: tls: bad certificate", "the server refuses it")
		assert.NoError(t, f.Err())
	})
	t.Run("not offered by Windows", func(t *testing.T) {
		f := newFixture(t, put(cardtest.PIV(), "9A", cardtest.Leaf{UPNs: []string{alice}, EKUs: []string{cardtest.ClientAuth}}))
		name, err := f.connect(t.Context(), server(tls.VersionTLS13))
		require.NoError(t, err)
		assert.Empty(t, name)
		assert.ErrorIs(t, f.Err(), mtls.ErrNoCertificate)
		assert.ErrorIs(t, f.Err(), enumerate.ErrNotOffered)
	})
}

func TestKeyOfAnotherKind(t *testing.T) {
	rsaCard := put(cardtest.PIV(), "9A", cardtest.Leaf{UPNs: []string{bob}})
	f := newFixture(t, rsaCard, quickCard(alice))
	get := func(schemes ...tls.SignatureScheme) *tls.Certificate {
		t.Helper()
		c, err := f.Get(&tls.CertificateRequestInfo{Version: tls.VersionTLS13, SignatureSchemes: schemes, AcceptableCAs: [][]byte{parsed(root).RawSubject}})
		require.NoError(t, err)
		return c
	}
	c := get(tls.ECDSAWithP256AndSHA256)
	require.Len(t, c.Certificate, 2, "the certificate and its intermediate one")
	assert.Equal(t, "alice", c.Leaf.Subject.CommonName)
	assert.Equal(t, intermediate.Certificate(), c.Certificate[1])
	assert.Equal(t, "bob", get(tls.PSSWithSHA256).Leaf.Subject.CommonName)
	assert.Equal(t, "alice", get(tls.PSSWithSHA256, tls.ECDSAWithP256AndSHA256).Leaf.Subject.CommonName, "the one that was used first")
	assert.Empty(t, get(tls.Ed25519).Certificate)
	assert.EqualValues(t, 2, f.user.asked.Load())
}

// crypto/x509 does not parse a certificate that Windows offers. The server decides.
func TestUnparsableCertificate(t *testing.T) {
	malformed := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Value: []byte{1}} // name constraints
	leaf := cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{alice}, Extensions: []pkix.Extension{malformed}}
	f := newFixture(t, put(cardtest.PIV(), "9A", leaf))
	for _, authorities := range [][][]byte{nil, {parsed(intermediate).RawSubject}} {
		c, err := f.Get(&tls.CertificateRequestInfo{Version: tls.VersionTLS13, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, AcceptableCAs: authorities})
		require.NoError(t, err)
		assert.Len(t, c.Certificate, 1)
		assert.Nil(t, c.Leaf)
		_, err = x509.ParseCertificate(c.Certificate[0])
		assert.Error(t, err)
	}
}

func TestChoose(t *testing.T) {
	list := func(list []*enumerate.Credential) (titles []string) {
		for _, c := range list {
			titles = append(titles, c.Title())
		}
		return titles
	}
	var got []string
	for _, test := range []struct {
		name   string
		choose func([]*enumerate.Credential) *enumerate.Credential
		want   string
		err    string
	}{
		{"the second", func(l []*enumerate.Credential) *enumerate.Credential { return l[1] }, "bob", ""},
		{"none", func([]*enumerate.Credential) *enumerate.Credential { return nil }, "", ""},
		{"one that is not in the list", func([]*enumerate.Credential) *enumerate.Credential { return new(enumerate.Credential) }, "", "mtls: result of Choose is not in its list"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, quickCard(alice), quickCard(bob))
			called := 0
			f.Choose = func(l []*enumerate.Credential) *enumerate.Credential {
				called++
				got = list(l)
				return test.choose(l)
			}
			for range 2 {
				name, err := f.connect(t.Context(), server(tls.VersionTLS13))
				if test.err != "" {
					assert.EqualError(t, err, test.err)
					continue
				}
				require.NoError(t, err)
				assert.Equal(t, test.want, name)
			}
			assert.Equal(t, []string{alice, bob}, got)
			if test.want == "" {
				assert.Equal(t, 2, called)
				assert.Error(t, f.Err())
			} else {
				assert.Equal(t, 1, called, "not while the certificate is used")
			}
		})
	}
}

// Two servers that accept different cards get them in parallel, after one prompt for
// each card and one at a time, which the fixture checks.
func TestTwoServers(t *testing.T) {
	key, certificate := other.Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 1), UPNs: []string{bob}, NotBefore: now.Add(-time.Hour)})
	f := newFixture(t, quickCard(alice), cardtest.PIV().Put("9A", key, certificate))
	servers := map[string]*tls.Config{"alice": server(tls.VersionTLS13, parsed(intermediate)), "bob": server(tls.VersionTLS12, parsed(other))}
	var all sync.WaitGroup
	for want, config := range servers {
		for range 8 {
			all.Go(func() {
				for range 2 {
					name, err := f.connect(t.Context(), config)
					assert.NoError(t, err)
					assert.Equal(t, want, name)
				}
			})
		}
	}
	all.Wait()
	assert.EqualValues(t, 2, f.user.asked.Load())
}

// TestNoCertificate has a row for each reason for an empty certificate, and for each
// card that could not be read, which is an error instead.
func TestNoCertificate(t *testing.T) {
	unreadable := func(what cardtest.Mishap) func(*fixture) {
		return func(f *fixture) { f.readers.Fault(reader, 1, cardtest.Fault{What: what, Times: -1}) }
	}
	for _, test := range []struct {
		name    string
		cards   []*cardtest.Card
		prepare func(*fixture)
		empty   bool
		want    error
	}{
		{"no reader", nil, nil, true, card.ErrNoReader},
		{"no card", []*cardtest.Card{nil}, nil, true, card.ErrNoCard},
		{"no service", []*cardtest.Card{nil}, func(f *fixture) { f.readers.Stop() }, true, card.ErrNoService},
		{"card of another kind", []*cardtest.Card{cardtest.PIV(cardtest.PIVMissing)}, nil, true, enumerate.ErrNoApplication},
		{"blank card", []*cardtest.Card{cardtest.PIV()}, nil, true, enumerate.ErrNotOffered},
		{"malformed certificate", []*cardtest.Card{cardtest.PIV().PutObject(0x5FC105, []byte{0x70, 0x82})}, nil, true, card.ErrMalformed},
		{"busy", []*cardtest.Card{quickCard(alice)}, unreadable(cardtest.Busy), false, card.ErrBusy},
		{"no response", []*cardtest.Card{quickCard(alice)}, unreadable(cardtest.NoResponse), false, card.ErrNoResponse},
		{"mute", []*cardtest.Card{cardtest.PIV(cardtest.ATR([]byte{0}))}, nil, false, card.ErrMute},
		{"service closed", []*cardtest.Card{nil}, func(f *fixture) { require.NoError(t, f.service.Close()) }, false, card.ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, test.cards...)
			if test.prepare != nil {
				test.prepare(f)
			}
			// A card that is held is waited for, but not long.
			f.service = card.NewService(f.readers.Driver(), &card.Options{BusyTimeout: 20 * time.Millisecond})
			if test.want != card.ErrClosed {
				require.NoError(t, f.Finder.Service.Close())
				f.Source = &mtls.Source{Finder: &enumerate.Finder{Service: f.service, Policy: rules.Policy{EnumerateECCCerts: true}}}
			}
			c, err := f.Get(&tls.CertificateRequestInfo{Version: tls.VersionTLS13, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256}})
			if test.empty {
				require.NoError(t, err)
				assert.Empty(t, c.Certificate)
				assert.ErrorIs(t, f.Err(), mtls.ErrNoCertificate)
			} else {
				assert.ErrorIs(t, err, test.want)
				assert.NotErrorIs(t, f.Err(), mtls.ErrNoCertificate)
			}
			assert.ErrorIs(t, f.Err(), test.want)
			assert.NotEmpty(t, card.Hint(f.Err()))
			assert.ErrorIs(t, f.Open(t.Context()), test.want)
		})
	}
}

func TestSourceWithoutFinder(t *testing.T) {
	var s mtls.Source
	assert.EqualError(t, s.Open(t.Context()), "mtls: Source without a Finder")
	_, err := s.Get(new(tls.CertificateRequestInfo))
	assert.EqualError(t, err, "mtls: Source without a Finder")
	require.NoError(t, s.Close())
}
