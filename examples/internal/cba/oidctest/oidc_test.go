// Package oidctest signs in to the service of the examples with a standard OpenID
// Connect client. It is a module of its own, so that the library does not require
// that client.
package oidctest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/smartlogon/smartlogon/examples/internal/cba"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

// browser returns an HTTP client with a certificate, which trusts the hosts of the
// service. Names below localhost are this machine.
func browser(t *testing.T, r *cba.Running) *http.Client {
	t.Helper()
	text, err := os.ReadFile(r.ServerCA)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	pair, err := tls.LoadX509KeyPair(r.UserFile, r.UserFile)
	require.NoError(t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "127.0.0.1" { // the client's redirect URI
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

var (
	action = regexp.MustCompile(`<form method="(?:post|POST)" action="([^"]+)">`)
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
)

// submit submits the form of a page and returns the next page or redirect.
func submit(t *testing.T, c *http.Client, r *http.Response, extra url.Values) *http.Response {
	t.Helper()
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	m := action.FindSubmatch(body)
	require.NotNil(t, m, "%s", body)
	form := url.Values{}
	for _, f := range hidden.FindAllSubmatch(body, -1) {
		form.Set(string(f[1]), html.UnescapeString(string(f[2])))
	}
	for name := range extra {
		form.Set(name, extra.Get(name))
	}
	to, err := r.Request.URL.Parse(html.UnescapeString(string(m[1])))
	require.NoError(t, err)
	next, err := c.PostForm(to.String(), form)
	require.NoError(t, err)
	return next
}

func TestStandardClient(t *testing.T) {
	running, err := cba.Start(cba.Options{Dir: cba.Dir(t.TempDir()), Log: io.Discard})
	require.NoError(t, err)
	stop, cancel := context.WithCancel(context.Background())
	defer func() {
		cancel()
		assert.NoError(t, running.Wait(stop))
	}()
	client := browser(t, running)
	ctx := oidc.ClientContext(t.Context(), client)
	provider, err := oidc.NewProvider(ctx, running.URL+"contoso/v2.0")
	require.NoError(t, err)
	config := oauth2.Config{ClientID: "example-client", RedirectURL: "http://127.0.0.1/callback", Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID}}
	verifier := oauth2.GenerateVerifier()
	r, err := client.Get(config.AuthCodeURL("state1", oidc.Nonce("nonce1"), oauth2.S256ChallengeOption(verifier)))
	require.NoError(t, err)
	r = submit(t, client, r, url.Values{"username": {"alice@example.com"}})
	r = submit(t, client, r, nil)
	r = submit(t, client, r, nil)
	require.NoError(t, r.Body.Close())
	back, err := r.Location()
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(back.String(), config.RedirectURL))
	assert.Equal(t, "state1", back.Query().Get("state"))

	token, err := config.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(verifier))
	require.NoError(t, err)
	text, ok := token.Extra("id_token").(string)
	require.True(t, ok)
	id, err := provider.Verifier(&oidc.Config{ClientID: config.ClientID}).Verify(ctx, text)
	require.NoError(t, err)
	assert.Equal(t, "nonce1", id.Nonce)
	var claims struct {
		Username string   `json:"preferred_username"`
		AMR      []string `json:"amr"`
	}
	require.NoError(t, id.Claims(&claims))
	assert.Equal(t, "alice@example.com", claims.Username)
	assert.Equal(t, []string{"rsa", "mfa"}, claims.AMR)

	_, err = provider.Verifier(&oidc.Config{ClientID: "another-client"}).Verify(ctx, text)
	assert.Error(t, err)
	_, err = config.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(verifier))
	assert.Error(t, err, "the code is used")
	changed := []byte(text)
	changed[len(changed)-10] ^= 1
	_, err = provider.Verifier(&oidc.Config{ClientID: config.ClientID}).Verify(ctx, string(changed))
	assert.Error(t, err)
}
