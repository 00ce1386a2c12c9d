package mtls_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
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
	reader = "Software Reader 00"
	alice  = "alice@example.com"
	bob    = "bob@example.com"
)

// now is the time of all validity checks, so that bubbles of package synctest, which
// have a clock of their own, can use the same certificates.
var now = time.Now()

func fixedTime() time.Time { return now }

// The authorities of the tests: Test CA issued Sign-in CA and Other CA.
var (
	root         = cardtest.TestCA()
	intermediate = root.Intermediate("Sign-in CA")
	other        = root.Intermediate("Other CA")
)

// parsed returns the certificate of an authority.
func parsed(ca *cardtest.CA) *x509.Certificate {
	c, err := x509.ParseCertificate(ca.Certificate())
	if err != nil {
		panic(err)
	}
	return c
}

// stranger returns the certificate of an authority that issued nothing.
var stranger = sync.OnceValue(func() *x509.Certificate { return serverCertificate("Stranger CA").Leaf })

// serverCertificate returns a self-signed certificate.
func serverCertificate(name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

var localhost = sync.OnceValue(func() tls.Certificate { return serverCertificate("localhost") })

// put puts a key with a certificate of Sign-in CA on a card.
func put(c *cardtest.Card, container string, l cardtest.Leaf) *cardtest.Card {
	l.NotBefore, l.NotAfter = now.Add(-time.Hour), now.AddDate(1, 0, 0)
	key, certificate := intermediate.Issue(l)
	return c.Put(container, key, certificate)
}

// quickCard returns a card with an elliptic curve key.
func quickCard(name string) *cardtest.Card {
	return put(cardtest.PIV(), "9A", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{name}})
}

// A user answers prompts.
type user struct {
	pin   string
	asked atomic.Int32
	inside,
	most atomic.Int32 // prompts at once
}

func (u *user) ask(_ context.Context, r card.PINRequest) (card.PIN, error) {
	u.asked.Add(1)
	u.most.Store(max(u.most.Load(), u.inside.Add(1)))
	defer u.inside.Add(-1)
	if r.Refused != nil {
		return card.PIN{}, r.Refused
	}
	return card.NewPIN([]byte(u.pin)), nil
}

// A fixture is a Source for readers.
type fixture struct {
	*mtls.Source
	t       testing.TB
	readers *cardtest.Readers
	service *card.Service
	user    *user
}

func newFixture(t testing.TB, cards ...*cardtest.Card) *fixture {
	t.Helper()
	f := &fixture{t: t, readers: cardtest.NewReaders(cards...), user: &user{pin: cardtest.PIN}}
	f.service = f.readers.Service()
	f.Source = &mtls.Source{
		Finder:  &enumerate.Finder{Service: f.service, Now: fixedTime, Policy: rules.Policy{EnumerateECCCerts: true}},
		PIN:     f.user.ask,
		Issuers: []*x509.Certificate{parsed(other), parsed(intermediate), parsed(root)},
	}
	t.Cleanup(func() {
		require.NoError(t, f.Close())
		for _, c := range cards {
			if c != nil {
				assert.False(t, c.Verified(), "after Close")
			}
		}
		require.NoError(t, f.service.Close())
		require.NoError(t, f.readers.Close())
		assert.LessOrEqual(t, f.user.most.Load(), int32(1), "prompts at once")
	})
	return f
}

// server returns the configuration of a server that names authorities.
func server(version uint16, authorities ...*x509.Certificate) *tls.Config {
	var names *x509.CertPool
	if len(authorities) > 0 {
		names = x509.NewCertPool()
		for _, c := range authorities {
			names.AddCert(c)
		}
	}
	return &tls.Config{
		MinVersion: version, MaxVersion: version,
		Certificates: []tls.Certificate{localhost()},
		ClientAuth:   tls.RequestClientCert,
		ClientCAs:    names,
		VerifyPeerCertificate: func(chain [][]byte, _ [][]*x509.Certificate) error {
			if len(chain) == 0 {
				return nil
			}
			leaf, err := x509.ParseCertificate(chain[0])
			if err != nil {
				return err
			}
			pool := x509.NewCertPool()
			for _, der := range chain[1:] {
				issuer, err := x509.ParseCertificate(der)
				if err != nil {
					return err
				}
				pool.AddCert(issuer)
			}
			_, err = leaf.Verify(x509.VerifyOptions{Roots: root.Pool(), Intermediates: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			return err
		},
	}
}

// connect connects to a server and returns the common name that it sees, "" if the
// certificate was empty, and the client's error.
func (f *fixture) connect(ctx context.Context, config *tls.Config) (name string, err error) {
	f.t.Helper()
	here, there := net.Pipe()
	var all sync.WaitGroup
	all.Go(func() {
		defer there.Close()
		conn := tls.Server(there, config)
		if conn.HandshakeContext(context.WithoutCancel(ctx)) != nil {
			return
		}
		name := "no certificate"
		if peers := conn.ConnectionState().PeerCertificates; len(peers) > 0 {
			name = peers[0].Subject.CommonName
		}
		_, _ = io.WriteString(conn, name)
		_ = conn.Close()
	})
	defer all.Wait()
	defer here.Close()
	pool := x509.NewCertPool()
	pool.AddCert(localhost().Leaf)
	conn := tls.Client(here, &tls.Config{ServerName: "localhost", Time: fixedTime, RootCAs: pool, GetClientCertificate: f.Get})
	if err := conn.HandshakeContext(ctx); err != nil {
		return "", err
	}
	seen, err := io.ReadAll(conn)
	if string(seen) == "no certificate" {
		return "", err
	}
	return string(seen), err
}
