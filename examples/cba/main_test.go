package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/entra"
	"github.com/smartlogon/smartlogon/internal/leak"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { leak.Main(m) }

// start runs the program until the end of the test and returns the URL.
func start(t *testing.T, args ...string) (url string) {
	t.Helper()
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append(args, "-login-port", "0", "-certauth-port", "0"), write, io.Discard)
		write.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "sign in: "); ok {
			return strings.TrimSuffix(url, "/")
		}
	}
	require.NoError(t, lines.Err())
	t.Fatal("no URL")
	return ""
}

// client returns a program that signs in. Hosts below localhost are this machine.
func client(t *testing.T, dir, url string, pair tls.Certificate) *entra.Client {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "server-ca.crt"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &entra.Client{Authority: url + "/contoso", ClientID: "example-client", RedirectURI: "http://127.0.0.1/callback", HTTP: &http.Client{Transport: transport},
		Certificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }}
}

var alice = upn.Name{Value: "alice@example.com"}

func TestExampleUser(t *testing.T) {
	dir := t.TempDir()
	url := start(t, "-dir", dir)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "alice.pem"), filepath.Join(dir, "alice.pem"))
	require.NoError(t, err)
	c := client(t, dir, url, pair)
	tokens, err := c.SignIn(t.Context(), alice)
	require.NoError(t, err)
	assert.True(t, tokens.Claims.MultiFactor())

	_, err = c.SignIn(t.Context(), upn.Name{Value: "bob@example.com"})
	var refusal *entra.Error
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, 50034, refusal.Code)
}

// TestSoftwareCard: the test authority signs in only with -softcard, also in a folder
// that was used with it.
func TestSoftwareCard(t *testing.T) {
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{alice.Value}})
	dir := t.TempDir()
	for _, args := range [][]string{{"-softcard"}, nil} {
		url := start(t, append(args, "-dir", dir)...)
		_, err := client(t, dir, url, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}).SignIn(t.Context(), alice)
		var refusal *entra.Error
		if args == nil {
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, 500176, refusal.Code)
		} else {
			assert.NoError(t, err)
		}
	}
}

// TestRevoked revokes a certificate before its first use.
func TestRevoked(t *testing.T) {
	dir := t.TempDir()
	url := start(t, "-dir", dir)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "alice.pem"), filepath.Join(dir, "alice.pem"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "revoked.txt"), []byte("# lost\n"+pair.Leaf.SerialNumber.Text(16)+"\n"), 0o600))
	_, err = client(t, dir, url, pair).SignIn(t.Context(), alice)
	var refusal *entra.Error
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, 500171, refusal.Code)
}

func TestUsage(t *testing.T) {
	var out bytes.Buffer
	assert.ErrorContains(t, run(t.Context(), []string{"extra"}, &out, io.Discard), "unexpected argument")
	assert.Error(t, run(t.Context(), []string{"-dir", t.TempDir(), "-login-port", "-1"}, &out, io.Discard))
	assert.Empty(t, out.String())
}

// TestOwnFolder: without -dir the folder is removed at the end.
func TestOwnFolder(t *testing.T) {
	temp := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP"} { // the second on Windows
		t.Setenv(name, temp)
	}
	t.Run("run", func(t *testing.T) {
		start(t)
		entries, err := os.ReadDir(temp)
		require.NoError(t, err)
		assert.Len(t, entries, 1)
	})
	entries, err := os.ReadDir(temp)
	require.NoError(t, err)
	assert.Empty(t, entries)
}
