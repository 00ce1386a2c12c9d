package cba

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/upn/mapping"
)

// listValid is how long a revocation list of the folder's CAs is valid, and so how
// long a revocation takes to count.
const listValid = time.Minute

// Options are the settings of a Running service.
type Options struct {
	Dir       Dir
	Ports     [3]int // of login, certauth and revocation lists; 0: any
	TestCards bool   // trust the test authority of package cardtest, whose key is public
	Log       io.Writer
}

// A Running is a service on loopback addresses with the files of a folder.
type Running struct {
	URL       string // where people sign in
	ServerCA  string // file with the authority of both hosts
	UserFile  string // file with key and certificate of an example user
	servers   []*http.Server
	listeners []net.Listener
	ended     chan error
}

// Start starts a service. Files that the folder does not have are made: a CA for the
// hosts, a CA for users, an example user, the policy, the accounts, and the keys.
func Start(o Options) (*Running, error) {
	r := &Running{ended: make(chan error, 3)}
	if err := r.start(o); err != nil {
		for _, l := range r.listeners {
			_ = l.Close()
		}
		return nil, fmt.Errorf("cba: %w", err)
	}
	return r, nil
}

func (r *Running) start(o Options) error {
	if err := os.MkdirAll(string(o.Dir), 0o700); err != nil {
		return err
	}
	for _, port := range o.Ports {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		r.listeners = append(r.listeners, l)
	}
	port := func(i int) int { return r.listeners[i].Addr().(*net.TCPAddr).Port }
	s := &Service{Tenant: "contoso", Login: fmt.Sprintf("https://localhost:%d", port(0)), CertAuth: fmt.Sprintf("https://certauth.localhost:%d", port(1)),
		Log: slog.New(slog.NewTextHandler(o.Log, nil))}
	hosts, lists, err := s.load(o, fmt.Sprintf("http://127.0.0.1:%d", port(2)))
	if err != nil {
		return err
	}
	r.URL, r.ServerCA, r.UserFile = s.Login+"/", o.Dir.path("server-ca.crt"), o.Dir.path("alice.pem")
	login := &http.Server{Handler: s.LoginHandler(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{hosts}, MinVersion: tls.VersionTLS12}}
	certAuth := new(http.Server)
	s.CertAuthServer(certAuth, hosts)
	r.servers = []*http.Server{login, certAuth, {Handler: lists}}
	for i, server := range r.servers {
		server.ReadHeaderTimeout, server.ReadTimeout, server.WriteTimeout = 10*time.Second, 30*time.Second, time.Minute
		server.ErrorLog = log.New(o.Log, "", 0)
		go func() {
			if i == 2 {
				r.ended <- server.Serve(r.listeners[i])
			} else {
				r.ended <- server.ServeTLS(r.listeners[i], "", "")
			}
		}()
	}
	return nil
}

// Wait waits for the end of ctx or for a fault, and stops the service.
func (r *Running) Wait(ctx context.Context) error {
	var err error
	left := len(r.servers)
	select {
	case <-ctx.Done():
	case err = <-r.ended:
		left--
	}
	for _, s := range r.servers {
		_ = s.Close()
	}
	for range left {
		if end := <-r.ended; err == nil && !errors.Is(end, http.ErrServerClosed) {
			err = end
		}
	}
	return err
}

// load reads or makes the files of the folder. It returns the certificate of the
// hosts and the handler of the revocation lists.
func (s *Service) load(o Options, listURL string) (hosts tls.Certificate, lists http.Handler, err error) {
	d := o.Dir
	hostCA, err := d.authority("server-ca.pem", "Example hosts CA")
	if err != nil {
		return hosts, nil, err
	}
	hosts, err = d.issue(hostCA, "hosts.pem", &x509.Certificate{Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost", "certauth.localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature}, newP256)
	if err != nil {
		return hosts, nil, err
	}
	userCA, err := d.authority("user-ca.pem", "Example users CA")
	if err != nil {
		return hosts, nil, err
	}
	for name, c := range map[string]*x509.Certificate{"server-ca.crt": hostCA.Certificate, "user-ca.crt": userCA.Certificate} {
		if _, err := d.readOrMake(name, func() ([]byte, error) { return encode(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), nil }); err != nil {
			return hosts, nil, err
		}
	}
	san, err := userName("alice@example.com")
	if err != nil {
		return hosts, nil, err
	}
	if _, err := d.issue(userCA, "alice.pem", &x509.Certificate{Subject: pkix.Name{CommonName: "Alice"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, ExtraExtensions: []pkix.Extension{san}}, newRSA); err != nil {
		return hosts, nil, err
	}
	if err := s.loadSettings(o); err != nil {
		return hosts, nil, err
	}
	// Only loopback lists of this service are made; their port may be new.
	for i := range s.Judge.Policy.Authorities {
		a := &s.Judge.Policy.Authorities[i]
		a.CRL = strings.Replace(a.CRL, "http://SELF", listURL, 1)
		a.Delta = strings.Replace(a.Delta, "http://SELF", listURL, 1)
	}
	s.Judge.Revocation = NewRevocation(s.Judge.Policy, time.Now)
	return hosts, d.lists(userCA), s.loadKeys(d)
}

// userName returns a subject alternative name with a user principal name.
func userName(name string) (pkix.Extension, error) {
	type otherName struct {
		ID    asn1.ObjectIdentifier
		Value string `asn1:"tag:0,explicit,utf8"`
	}
	value, err := asn1.MarshalWithParams(otherName{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}, name}, "tag:0")
	if err != nil {
		return pkix.Extension{}, err
	}
	value, err = asn1.Marshal([]asn1.RawValue{{FullBytes: value}})
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}, err
}

// loadSettings reads or makes policy and accounts.
func (s *Service) loadSettings(o Options) error {
	text, err := o.Dir.readOrMake("policy.json", func() ([]byte, error) { return indented(examplePolicy()) })
	if err != nil {
		return err
	}
	policy, err := ParsePolicy(text, o.Dir.read)
	if err != nil {
		return err
	}
	if o.TestCards {
		// Not in the file: a later start without the option must not trust it.
		test, err := x509.ParseCertificate(cardtest.TestCA().Certificate())
		if err != nil {
			return err
		}
		policy.Authorities = append(policy.Authorities, Authority{CA: test, CRL: "http://SELF/test-ca.crl", Hint: true})
		policy.Strength.Rules = append(policy.Strength.Rules, mapping.StrengthRule{Issuer: "O=cardtest,CN=Test CA", Strength: mapping.MultiFactor})
	}
	policy.Clients = append(policy.Clients, Client{ID: AppID, Redirects: []string{s.AppRedirect()}})
	text, err = o.Dir.readOrMake("users.json", func() ([]byte, error) {
		return indented(Directory{{UPN: "alice@example.com", Name: "Alice Example", Groups: []string{"staff"}}, {UPN: "bob@example.com", Name: "Bob Example"}})
	})
	if err != nil {
		return err
	}
	users, err := ParseDirectory(text)
	s.Judge = &Judge{Policy: policy, Directory: users}
	return err
}

func indented(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	return append(b, '\n'), err
}

// examplePolicy is the first policy.json.
func examplePolicy() policyFile {
	return policyFile{
		RequireCRL: true, IssuerHints: true,
		Authorities: []authorityFile{{File: "user-ca.crt", CRL: "http://SELF/user-ca.crl", Hint: true}},
		Bindings: []bindingFile{
			{Field: "PrincipalName", Attribute: "userPrincipalName", Priority: 1},
			{Field: "RFC822Name", Attribute: "userPrincipalName", Priority: 2},
			{Field: "IssuerAndSerialNumber", Attribute: "certificateUserIds", Priority: 3},
		},
		Strength: strengthFile{Default: "single-factor", Rules: []strengthRuleFile{{Issuer: "CN=Example users CA", Strength: "multi-factor"}}},
		Clients:  []clientFile{{ID: "example-client", Redirects: []string{"http://127.0.0.1/callback"}}},
	}
}

// loadKeys reads or makes the keys, which several instances share.
func (s *Service) loadKeys(d Dir) error {
	seal, err := d.readOrMake("seal.key", func() ([]byte, error) {
		b := make([]byte, 32)
		_, err := rand.Read(b)
		return b, err
	})
	if err != nil {
		return err
	}
	if s.Seal, err = NewSealer(seal, time.Now); err != nil {
		return err
	}
	text, err := d.readOrMake("token.key", func() ([]byte, error) {
		key, _, err := newRSA()
		if err != nil {
			return nil, err
		}
		b, err := x509.MarshalPKCS8PrivateKey(key)
		return encode(&pem.Block{Type: "PRIVATE KEY", Bytes: b}), err
	})
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("%s: no key", d.path("token.key"))
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("%s: %w", d.path("token.key"), err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return fmt.Errorf("%s: key is a %T", d.path("token.key"), key)
	}
	if s.Tokens, err = NewTokens(s.Login+"/"+s.Tenant+"/v2.0", private, time.Now); err != nil {
		return err
	}
	used := Folder(d.path("used"))
	if err := os.MkdirAll(string(used), 0o700); err != nil {
		return err
	}
	s.Once = used
	return used.Sweep(time.Now())
}

// lists serves the revocation lists of the users' CA and of the test authority. Each
// request gets a new list, so that a line in revoked.txt counts after listValid.
func (d Dir) lists(userCA *issuer) http.Handler {
	handle := func(sign func(now time.Time, serials []*big.Int) ([]byte, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			serials, err := d.revoked()
			var der []byte
			if err == nil {
				der, err = sign(time.Now(), serials)
			}
			if err != nil {
				http.Error(w, "no list", http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/pkix-crl")
			_, _ = w.Write(der)
		}
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /user-ca.crl", handle(func(now time.Time, serials []*big.Int) ([]byte, error) {
		template := &x509.RevocationList{Number: big.NewInt(now.Unix()), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(listValid)}
		for _, n := range serials {
			template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: n, RevocationTime: now})
		}
		return x509.CreateRevocationList(rand.Reader, template, userCA.Certificate, userCA.key)
	}))
	m.HandleFunc("GET /test-ca.crl", handle(func(now time.Time, serials []*big.Int) ([]byte, error) {
		return cardtest.TestCA().RevocationList(now.Add(-time.Minute), now.Add(listValid), serials...), nil
	}))
	return m
}
