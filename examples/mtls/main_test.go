package main

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/mtls"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/internal/leak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { leak.Main(m) }

// write writes a certificate to a PEM file.
func write(t *testing.T, name string, der []byte) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return name
}

// newServer starts a server that requires a certificate of Test CA.
func newServer(t *testing.T) (url, roots string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s.\n", r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: cardtest.TestCA().Pool()}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, write(t, "roots.pem", server.Certificate().Raw)
}

func TestPage(t *testing.T) {
	url, roots := newServer(t)
	intermediate := cardtest.TestCA().Intermediate("Sign-in CA")
	issuers := write(t, "issuers.pem", intermediate.Certificate())
	key, certificate := intermediate.Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{"bob@example.com"}})
	t.Setenv("TEST_PIN", cardtest.PIN)
	for _, test := range []struct {
		card *cardtest.Card
		args []string
		want string
		err  error
	}{
		{cardtest.Logon("alice@example.com"), nil, "Hello alice.\n", nil},
		{cardtest.PIV().Put("9A", key, certificate), []string{"-any", "-issuers", issuers}, "Hello bob.\n", nil},
		{cardtest.PIV().Put("9A", key, certificate), []string{"-any"}, "", mtls.ErrNoCertificate},
		{cardtest.PIV().Put("9A", key, certificate), []string{"-issuers", issuers}, "", mtls.ErrNoCertificate},
		{nil, nil, "", card.ErrNoCard},
		{cardtest.Logon("alice@example.com", cardtest.RetriesLeft(0)), nil, "", card.ErrPINBlocked},
	} {
		var stdout, stderr strings.Builder
		args := append(test.args, "-roots", roots, "-pin-env", "TEST_PIN", url)
		err := run(t.Context(), args, cardtest.NewService(test.card), &stdout, &stderr)
		assert.ErrorIs(t, err, test.err)
		assert.Equal(t, test.want, stdout.String())
		if test.err == nil {
			assert.Equal(t, "HTTP/2.0 200 OK\n", stderr.String())
		} else {
			assert.NotEmpty(t, card.Hint(err))
		}
		if test.card != nil {
			assert.False(t, test.card.Verified())
		}
	}
}

func TestInvalidArguments(t *testing.T) {
	var usage *cli.UsageError
	for _, args := range [][]string{nil, {"https://a.example", "https://b.example"}, {"-no-such-flag"}} {
		err := run(t.Context(), args, cardtest.NewService(), nil, nil)
		assert.ErrorAs(t, err, &usage, "%v", args)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	malformed := write(t, "malformed.pem", []byte{0x30, 0})
	for _, args := range [][]string{
		{"-roots", empty}, {"-issuers", empty}, {"-roots", malformed}, {"-roots", filepath.Join(t.TempDir(), "none")},
	} {
		assert.Error(t, run(t.Context(), append(args, "https://localhost:1"), cardtest.NewService(), nil, nil), "%v", args)
	}
	assert.Error(t, run(t.Context(), []string{":"}, cardtest.NewService(), nil, nil))
}
