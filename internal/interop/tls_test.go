//go:build linux

package interop_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/mtls"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// issuer is the authority of the cards. Servers know its root only.
var issuer = cardtest.TestCA().Intermediate("Sign-in CA")

// issue puts a key with a certificate of issuer on a card.
func issue(c *cardtest.Card, container string, key crypto.Signer) *cardtest.Card {
	key, certificate := issuer.Issue(cardtest.Leaf{Key: key, UPNs: []string{who}})
	return c.Put(container, key, certificate)
}

// A client authenticates with the cards in the readers of pcscd.
type tlsClient struct {
	*mtls.Source
	roots *x509.CertPool
	asked atomic.Int32
}

func newTLSClient(t *testing.T, roots *x509.CertPool) *tlsClient {
	t.Helper()
	c := &tlsClient{roots: roots}
	service := pcsc.Socket(pcscd.Socket, nil)
	certificate, err := x509.ParseCertificate(issuer.Certificate())
	require.NoError(t, err)
	c.Source = &mtls.Source{
		Finder: &enumerate.Finder{Service: service, Policy: rules.Policy{EnumerateECCCerts: true}},
		PIN: func(_ context.Context, r card.PINRequest) (card.PIN, error) {
			c.asked.Add(1)
			return card.NewPIN([]byte(cardtest.PIN)), r.Refused
		},
		Issuers: []*x509.Certificate{certificate},
	}
	t.Cleanup(func() {
		require.NoError(t, c.Close())
		require.NoError(t, service.Close())
	})
	return c
}

func (c *tlsClient) config(version uint16) *tls.Config {
	return &tls.Config{ServerName: "localhost", RootCAs: c.roots, GetClientCertificate: c.Get, MinVersion: version, MaxVersion: version}
}

// A tlsServer has the files of a server and the pool to verify it with.
type tlsServer struct {
	dir   string
	roots *x509.CertPool
	port  int
}

func newTLSServer(t *testing.T) *tlsServer {
	t.Helper()
	s := &tlsServer{dir: t.TempDir(), roots: x509.NewCertPool()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	s.roots.AddCert(certificate)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	s.write(t, "server.pem", "CERTIFICATE", der)
	s.write(t, "server.key", "PRIVATE KEY", pkcs8)
	s.write(t, "root.pem", "CERTIFICATE", cardtest.TestCA().Certificate())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.port = l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	return s
}

func (s *tlsServer) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(s.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func (s *tlsServer) file(name string) string { return filepath.Join(s.dir, name) }

func (s *tlsServer) address() string { return fmt.Sprint("127.0.0.1:", s.port) }

// start starts a server that listens on an address. stop stops it and waits until all
// of its output is there, at the end of the test at the latest.
func start(t *testing.T, address string, stdin io.Reader, output *buffer, path string, args ...string) (stop func()) {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-ended
	}
	t.Cleanup(stop)
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return stop
		}
		select {
		case <-tick.C:
		case <-ended:
			require.Fail(t, "the server ended", "%v", output)
		case <-deadline:
			require.Fail(t, "the server does not listen", "%v", output)
		}
	}
}

// A buffer is safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// newNginx starts an nginx that requires a certificate of Test CA, whose root it names.
func newNginx(t *testing.T) *tlsServer {
	t.Helper()
	path := interop.Program(t, "/usr/sbin/nginx", "/usr/sbin/nginx", "-v")
	s := newTLSServer(t)
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "%s_temp_path %s;\n", kind, s.file(kind))
	}
	conf := fmt.Sprintf(`
daemon off;
error_log stderr;
pid %[1]s/pid;
events {}
http {
	access_log off;
	%[2]s
	server {
		listen %[3]s ssl http2;
		ssl_certificate %[1]s/server.pem;
		ssl_certificate_key %[1]s/server.key;
		ssl_client_certificate %[1]s/root.pem;
		ssl_verify_client on;
		ssl_verify_depth 2;
		ssl_protocols TLSv1.2 TLSv1.3;
		location / { return 200 "$ssl_client_verify $ssl_client_s_dn $ssl_protocol"; }
	}
}
`, s.dir, temporary.String(), s.address())
	require.NoError(t, os.WriteFile(s.file("conf"), []byte(conf), 0o600))
	start(t, s.address(), nil, new(buffer), path, "-p", s.dir, "-c", s.file("conf"))
	return s
}

func getPage(client *http.Client, s *tlsServer) (string, error) {
	response, err := client.Get("https://" + s.address())
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// TestNginx makes 40 connections with one PIN, and removes and inserts the card
// between requests.
func TestNginx(t *testing.T) {
	interop.Require(t, pcscd)
	s := newNginx(t)
	cards := map[string]func() *cardtest.Card{
		"PIV RSA":   func() *cardtest.Card { return issue(cardtest.PIV(), "9A", cardtest.Key(cardtest.RSA2048, 0)) },
		"PIV P-256": func() *cardtest.Card { return issue(cardtest.PIV(), "9A", cardtest.Key(cardtest.P256, 0)) },
		"PIV P-384": func() *cardtest.Card { return issue(cardtest.PIV(), "9A", cardtest.Key(cardtest.P384, 0)) },
		"GIDS":      func() *cardtest.Card { return issue(cardtest.TPM(), "kxc00", cardtest.Key(cardtest.RSA2048, 0)) },
	}
	for name, newCard := range cards {
		for protocol, version := range map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13} {
			for _, transport := range []string{"without keep-alive", "with keep-alive", "HTTP/2"} {
				if name != "PIV RSA" && transport != "without keep-alive" {
					continue // it does not depend on the card
				}
				t.Run(name+"/"+protocol+"/"+transport, func(t *testing.T) {
					soft := newCard()
					plug := pcscd.Insert(first, soft.ServeVPCD)
					waitForCard(t, true)
					defer func() {
						pull(t, plug)
					}()
					c := newTLSClient(t, s.roots)
					tr := &http.Transport{TLSClientConfig: c.config(version), DisableKeepAlives: transport == "without keep-alive", ForceAttemptHTTP2: transport == "HTTP/2"}
					defer tr.CloseIdleConnections()
					client := &http.Client{Transport: tr}
					want := "SUCCESS CN=alice " + protocol
					var all sync.WaitGroup
					for range 4 {
						all.Go(func() {
							for range 10 {
								page, err := getPage(client, s)
								assert.NoError(t, err)
								assert.Equal(t, want, page)
							}
						})
					}
					all.Wait()
					assert.EqualValues(t, 1, c.asked.Load())
					assert.Equal(t, 1, soft.PINs())
					if tr.DisableKeepAlives {
						assert.Equal(t, 40, soft.KeyUses())
					}

					pull(t, plug)
					tr.CloseIdleConnections()
					_, err := getPage(client, s)
					require.Error(t, err)
					assert.ErrorIs(t, c.Explain(err), card.ErrRemoved)
					plug = pcscd.Insert(first, soft.ServeVPCD)
					waitForCard(t, true)
					page, err := getPage(client, s)
					require.NoError(t, err)
					assert.Equal(t, want, page)
					assert.EqualValues(t, 2, c.asked.Load())
					tr.CloseIdleConnections()
					require.NoError(t, c.Close())
					assert.False(t, soft.Verified())
				})
			}
		}
	}
}

// Without a certificate that fits, nginx responds with an error page.
func TestNginxWithoutCertificate(t *testing.T) {
	interop.Require(t, pcscd)
	s := newNginx(t)
	insert(t, cardtest.PIV())
	c := newTLSClient(t, s.roots)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		tr := &http.Transport{TLSClientConfig: c.config(version)}
		page, err := getPage(&http.Client{Transport: tr}, s)
		require.NoError(t, err)
		assert.Contains(t, page, "No required SSL certificate was sent")
		assert.ErrorIs(t, c.Err(), mtls.ErrNoCertificate)
		tr.CloseIdleConnections()
	}
	assert.Zero(t, c.asked.Load())
}

// TestSServer compares the signature that openssl s_server has verified with the only
// one that it accepts.
func TestSServer(t *testing.T) {
	interop.Require(t, pcscd)
	path := interop.Program(t, "openssl", "openssl", "version")
	piv, gids := func() *cardtest.Card { return cardtest.YubiKey("5.7.1") }, func() *cardtest.Card { return cardtest.GIDS() }
	cardPads := func() *cardtest.Card { return cardtest.GIDS(cardtest.GIDSCardPads) }
	for _, test := range []struct {
		name      string
		card      func() *cardtest.Card
		container string
		key       cardtest.KeyKind
		version   string
		accepts   string // of openssl's names
		hash      string
		signature string // empty if the handshake fails
	}{
		{"PIV", piv, "9A", cardtest.RSA2048, "tls1_2", "RSA+SHA256", "SHA256", "RSA"},
		{"PIV", piv, "9A", cardtest.RSA2048, "tls1_2", "RSA+SHA512", "SHA512", "RSA"},
		{"PIV", piv, "9A", cardtest.RSA3072, "tls1_2", "RSA-PSS+SHA384", "SHA384", "RSA-PSS"},
		{"PIV", piv, "9A", cardtest.RSA4096, "tls1_3", "RSA-PSS+SHA256", "SHA256", "RSA-PSS"},
		{"PIV", piv, "9A", cardtest.RSA2048, "tls1_3", "RSA-PSS+SHA512", "SHA512", "RSA-PSS"},
		{"PIV", piv, "9A", cardtest.P256, "tls1_2", "ECDSA+SHA256", "SHA256", "ECDSA"},
		{"PIV", piv, "9A", cardtest.P256, "tls1_3", "ECDSA+SHA256", "SHA256", "ECDSA"},
		{"PIV", piv, "9A", cardtest.P384, "tls1_3", "ECDSA+SHA384", "SHA384", "ECDSA"},
		{"PIV", piv, "9A", cardtest.P256, "tls1_3", "RSA-PSS+SHA256", "", ""},
		{"PIV", piv, "9A", cardtest.RSA2048, "tls1_3", "ECDSA+SHA256", "", ""},
		{"GIDS", gids, "kxc00", cardtest.RSA2048, "tls1_2", "RSA+SHA256", "SHA256", "RSA"},
		{"GIDS", gids, "kxc00", cardtest.RSA2048, "tls1_2", "RSA-PSS+SHA256:RSA+SHA384", "SHA384", "RSA"},
		{"GIDS", gids, "kxc00", cardtest.RSA2048, "tls1_2", "RSA-PSS+SHA256", "SHA256", "RSA-PSS"},
		{"GIDS", gids, "kxc00", cardtest.RSA2048, "tls1_3", "RSA-PSS+SHA384", "SHA384", "RSA-PSS"},
		{"GIDS, card pads", cardPads, "kxc00", cardtest.RSA2048, "tls1_2", "RSA-PSS+SHA256:RSA+SHA256", "SHA256", "RSA"},
	} {
		t.Run(test.name+"/"+string(test.key)+"/"+test.version+"/"+test.accepts, func(t *testing.T) {
			soft := issue(test.card(), test.container, cardtest.Key(test.key, 0))
			insert(t, soft)
			s := newTLSServer(t)
			output := new(buffer)
			stop := start(t, s.address(), nil, output, path, "s_server", "-accept", s.address(), "-rev", "-"+test.version,
				"-cert", s.file("server.pem"), "-key", s.file("server.key"), "-CAfile", s.file("root.pem"),
				"-Verify", "2", "-verify_return_error", "-client_sigalgs", test.accepts)
			c := newTLSClient(t, s.roots)
			version := map[string]uint16{"tls1_2": tls.VersionTLS12, "tls1_3": tls.VersionTLS13}[test.version]
			echo, err := exchangeLine(s, c.config(version))
			stop()
			if test.signature == "" {
				require.Error(t, err)
				assert.ErrorIs(t, c.Explain(err), mtls.ErrNoCertificate, "%v", err)
				assert.Zero(t, soft.PINs())
				return
			}
			require.NoError(t, err, "%v", output)
			assert.Equal(t, "olleh", echo)
			assert.Contains(t, output.String(), "Verification: OK")
			assert.Contains(t, output.String(), "Hash used: "+test.hash+"\n")
			assert.Contains(t, output.String(), "Signature type: "+test.signature+"\n")
			assert.Contains(t, output.String(), "CN = alice")
			assert.Equal(t, 1, soft.KeyUses())
		})
	}
}

// exchangeLine connects to s_server -rev, which sends a line back in reverse.
func exchangeLine(s *tlsServer, config *tls.Config) (string, error) {
	conn, err := tls.Dial("tcp", s.address(), config)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		return "", err
	}
	line := make([]byte, 6)
	if _, err := io.ReadFull(conn, line); err != nil {
		return "", err
	}
	return strings.TrimSpace(string(line)), nil
}

// TestRenegotiation has a server that requests the certificate after the handshake.
func TestRenegotiation(t *testing.T) {
	interop.Require(t, pcscd)
	path := interop.Program(t, "openssl", "openssl", "version")
	for name, allowed := range map[string]tls.RenegotiationSupport{"refused": tls.RenegotiateNever, "allowed": tls.RenegotiateOnceAsClient} {
		t.Run(name, func(t *testing.T) {
			soft := issue(cardtest.PIV(), "9A", cardtest.Key(cardtest.P256, 0))
			insert(t, soft)
			s := newTLSServer(t)
			keyboard, commands := io.Pipe()
			defer commands.Close()
			output := new(buffer)
			start(t, s.address(), keyboard, output, path, "s_server", "-accept", s.address(), "-tls1_2",
				"-cert", s.file("server.pem"), "-key", s.file("server.key"), "-CAfile", s.file("root.pem"), "-verify_return_error")
			c := newTLSClient(t, s.roots)
			config := c.config(tls.VersionTLS12)
			config.Renegotiation = allowed
			conn, err := tls.Dial("tcp", s.address(), config)
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
			assert.Zero(t, c.asked.Load())
			_, err = io.WriteString(commands, "R\n")
			require.NoError(t, err)
			if allowed == tls.RenegotiateNever {
				_, err = conn.Read(make([]byte, 1))
				require.Error(t, err)
				assert.ErrorIs(t, c.Explain(err), mtls.ErrRenegotiation, "%v", err)
				assert.Zero(t, soft.PINs())
				return
			}
			// s_server takes a line for a part of the command if it comes too early.
			done, wrote := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(wrote)
				tick := time.NewTicker(100 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						_, _ = io.WriteString(commands, "hello\n") // it may have ended
					case <-done:
						return
					}
				}
			}()
			line := make([]byte, 6)
			_, err = io.ReadFull(conn, line)
			close(done)
			<-wrote
			require.NoError(t, err, "%v", output)
			assert.Equal(t, "hello\n", string(line))
			assert.EqualValues(t, 1, c.asked.Load())
			assert.Equal(t, 1, soft.KeyUses())
		})
	}
}
