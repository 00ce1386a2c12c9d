package cba_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/entra"
	"github.com/smartlogon/smartlogon/examples/internal/cba"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/require"
)

const (
	loginURL    = "https://login.cba.test"
	certAuthURL = "https://certauth.login.cba.test"
	tenant      = "contoso"
	issuer      = loginURL + "/" + tenant + "/v2.0"
	clientID    = "00001111-aaaa-2222-bbbb-3333cccc4444"
	redirect    = "http://127.0.0.1/callback"
)

// Fields of the user's certificate.
const (
	bob     = "bob@contoso.com"
	bobMail = "bob.builder@mail.contoso.com"
	oidA    = "1.2.3.4"
	oidB    = "2.9.9"
)

// A fixture is a service on two loopback servers, and the CRL server of its CA.
type fixture struct {
	t         testing.TB
	policy    *cba.Policy
	directory cba.Directory
	service   *cba.Service
	root      *x509.Certificate
	log       *lockedBuffer

	mu    sync.Mutex
	shift time.Duration     // of the service's clock
	lists map[string][]byte // at the CRL server; missing: 404
	crl   string            // URL

	servers   map[string]string // host to address
	serverCAs *x509.CertPool
	keyPair   tls.Certificate
	sealKey   []byte
	tokenKey  *rsa.PrivateKey
	once      cba.Once
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newFixture returns a fixture in which bob signs in by the UPN of his certificate.
// change changes policy and directory before the service starts.
func newFixture(t testing.TB, change ...func(*fixture)) *fixture {
	t.Helper()
	root, err := x509.ParseCertificate(cardtest.TestCA().Certificate())
	require.NoError(t, err)
	f := &fixture{t: t, root: root, log: new(lockedBuffer), lists: make(map[string][]byte), servers: make(map[string]string)}
	lists := httptest.NewServer(http.HandlerFunc(f.serveList))
	t.Cleanup(lists.Close)
	f.crl = lists.URL
	f.revoke()
	f.policy = &cba.Policy{
		Authorities: []cba.Authority{{CA: root, CRL: f.crl + "/base", Hint: true}},
		RequireCRL:  true, IssuerHints: true,
		Bindings: []mapping.Binding{{Field: mapping.PrincipalName, Attribute: mapping.UserPrincipalName, Priority: 1}},
		Strength: mapping.StrengthPolicy{Default: mapping.MultiFactor},
		Clients:  []cba.Client{{ID: clientID, Redirects: []string{redirect}}, {ID: cba.AppID, Redirects: []string{loginURL + "/app"}}},
	}
	f.directory = cba.Directory{
		{UPN: bob, Name: "Bob Builder"},
		{UPN: "alice@contoso.com"},
	}
	f.sealKey = []byte("a key of 32 bytes for the tests.")
	f.tokenKey = cardtest.Key(cardtest.RSA2048, 1).(*rsa.PrivateKey)
	f.once = cba.NewMemory(f.now)
	for _, edit := range change {
		edit(f)
	}
	f.certify()
	f.service = f.start("login.cba.test", "certauth.login.cba.test")
	return f
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Add(f.shift)
}

// wait moves the service's clock.
func (f *fixture) wait(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shift += d
}

func (f *fixture) serveList(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	list, ok := f.lists[r.URL.Path]
	f.mu.Unlock()
	if !ok {
		http.Error(w, "forbidden", http.StatusForbidden)
		return
	}
	_, _ = w.Write(list)
}

// setList sets the file at a path of the CRL server; nil removes it.
func (f *fixture) setList(path string, der []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if der == nil {
		delete(f.lists, path)
		return
	}
	f.lists[path] = der
}

// revoke publishes a list with these serial numbers.
func (f *fixture) revoke(serials ...*big.Int) {
	now := time.Now()
	f.setList("/base", cardtest.TestCA().RevocationList(now.Add(-time.Hour), now.Add(24*time.Hour), serials...))
}

// certify makes the certificate of both hosts.
func (f *fixture) certify() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hosts"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"login.cba.test", "certauth.login.cba.test"}, IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(f.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(f.t, err)
	f.serverCAs = x509.NewCertPool()
	f.serverCAs.AddCert(cert)
	f.keyPair = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// start starts an instance of the service under two host names.
func (f *fixture) start(loginHost, certAuthHost string) *cba.Service {
	f.t.Helper()
	require.NoError(f.t, f.directory.Check())
	seal, err := cba.NewSealer(f.sealKey, f.now)
	require.NoError(f.t, err)
	tokens, err := cba.NewTokens(issuer, f.tokenKey, f.now)
	require.NoError(f.t, err)
	s := &cba.Service{
		Tenant: tenant, Login: loginURL, CertAuth: certAuthURL, Seal: seal, Once: f.once, Tokens: tokens,
		Judge: &cba.Judge{Policy: f.policy, Directory: f.directory, Revocation: cba.NewRevocation(f.policy, f.now), Now: f.now},
		Log:   slog.New(slog.NewTextHandler(f.log, nil)),
	}
	login := httptest.NewUnstartedServer(s.LoginHandler())
	login.TLS = &tls.Config{Certificates: []tls.Certificate{f.keyPair}}
	login.StartTLS()
	f.t.Cleanup(login.Close)
	certAuth := httptest.NewUnstartedServer(nil)
	s.CertAuthServer(certAuth.Config, f.keyPair)
	certAuth.TLS = certAuth.Config.TLSConfig
	certAuth.StartTLS()
	f.t.Cleanup(certAuth.Close)
	f.servers[loginHost], f.servers[certAuthHost] = login.Listener.Addr().String(), certAuth.Listener.Addr().String()
	return s
}

// httpClient returns a client that reaches the servers by their names, with cookies of
// its own. Its idle connections are closed at the end of the test.
func (f *fixture) httpClient(edit ...func(*tls.Config)) *http.Client {
	config := &tls.Config{RootCAs: f.serverCAs}
	for _, e := range edit {
		e(config)
	}
	transport := &http.Transport{TLSClientConfig: config, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		to, ok := f.servers[host]
		if !ok {
			return nil, errors.New("no host " + host)
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}}
	f.t.Cleanup(transport.CloseIdleConnections)
	jar, err := cookiejar.New(nil)
	require.NoError(f.t, err)
	return &http.Client{Transport: transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// A certificate is one with its key.
type certificate struct {
	key crypto.Signer
	der []byte
}

func issue(l cardtest.Leaf) certificate {
	key, der := cardtest.TestCA().Issue(l)
	return certificate{key, der}
}

func (c certificate) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return &tls.Certificate{Certificate: [][]byte{c.der}, PrivateKey: c.key}, nil
}

func (c certificate) parsed(t testing.TB) *x509.Certificate {
	t.Helper()
	p, err := x509.ParseCertificate(c.der)
	require.NoError(t, err)
	return p
}

// client returns the program's side of the browser flow.
func (f *fixture) client(c certificate) *entra.Client {
	return &entra.Client{
		Authority: loginURL + "/" + tenant, ClientID: clientID, RedirectURI: redirect, Scopes: []string{"openid"},
		Certificate: c.get, HTTP: f.httpClient(),
	}
}

// signIn signs in a user with a name by the browser flow.
func (f *fixture) signIn(name string, c certificate) (*entra.Tokens, error) {
	return f.client(c).SignIn(f.t.Context(), hint(f.t, name))
}

// hint returns the name for a hint that the user typed.
func hint(t testing.TB, name string) upn.Name {
	t.Helper()
	n, err := upn.SignIn{Hint: name, Revision: upn.Revision2025}.Name(upn.Names{})
	require.NoError(t, err)
	return n
}

// code returns the code of an error of the client, 0 without an error.
func code(t testing.TB, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var refusal *entra.Error
	require.ErrorAs(t, err, &refusal)
	return refusal.Code
}

// policies returns a certificate policies extension.
func policies(t testing.TB, oids ...string) pkix.Extension {
	t.Helper()
	type information struct{ ID asn1.ObjectIdentifier }
	var list []information
	for _, o := range oids {
		var id asn1.ObjectIdentifier
		for _, arc := range strings.Split(o, ".") {
			n, ok := new(big.Int).SetString(arc, 10)
			require.True(t, ok)
			id = append(id, int(n.Int64()))
		}
		list = append(list, information{id})
	}
	value, err := asn1.Marshal(list)
	require.NoError(t, err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 32}, Value: value}
}

// ski returns a subject key identifier extension.
func ski(t testing.TB, id []byte) pkix.Extension {
	t.Helper()
	value, err := asn1.Marshal(id)
	require.NoError(t, err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 14}, Value: value}
}

// none presents no certificate.
func (c certificate) none(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return new(tls.Certificate), nil
}

// markupName returns a subject whose common name is a text.
func markupName(text string) *pkix.Name { return &pkix.Name{CommonName: text} }
