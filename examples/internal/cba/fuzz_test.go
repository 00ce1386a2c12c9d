package cba_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/entra"
	"github.com/stretchr/testify/require"
)

// FuzzRequests asserts that no body of a request signs in or is an internal error. The
// corpus has bodies that would, if their nonce were not used.
func FuzzRequests(f *testing.F) {
	fix, d := join(f)
	c := bobs()
	client := fix.client(c)
	session, err := client.PrimaryRefreshToken(f.Context(), d, c.key, [][]byte{c.der}, hint(f, bob), issuer, 2)
	require.NoError(f, err)
	cookie, err := session.Cookie("used")
	require.NoError(f, err)
	assertion, err := entra.Assertion(c.key, [][]byte{c.der}, bob, issuer, fix.now())
	require.NoError(f, err)
	request, err := d.Request("used", assertion, 2)
	require.NoError(f, err)
	handler := fix.service.LoginHandler()
	paths := []string{"/GetCredentialType", "/credential", "/login", "/oauth2/v2.0/token", "/oauth2/token"}
	f.Add(uint8(0), `{"username":"`+bob+`","flowToken":"x","originalRequest":"y"}`, "")
	f.Add(uint8(1), "ctx=x&flowToken=y&username=z", "")
	f.Add(uint8(2), "ctx=x&flowtoken=y&certificatetoken=z", "")
	f.Add(uint8(3), "grant_type=authorization_code&client_id="+clientID+"&code=x&code_verifier=y", "")
	f.Add(uint8(4), url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "request": {request}}.Encode(), "")
	f.Add(uint8(4), url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "request": {cookie}}.Encode(), "")
	f.Add(uint8(5), authorizeQuery().Encode(), cookie)
	f.Fuzz(func(t *testing.T, path uint8, body, cookie string) {
		i := int(path) % (len(paths) + 1)
		r := httptest.NewRequest(http.MethodGet, "/"+tenant+"/oauth2/v2.0/authorize", nil)
		if i < len(paths) {
			r = httptest.NewRequest(http.MethodPost, "/"+tenant+paths[i], strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		} else {
			r.URL.RawQuery = body
		}
		r.Header["X-Ms-Refreshtokencredential"] = []string{cookie}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		nonce := strings.Contains(w.Body.String(), `"Nonce"`) && strings.Contains(body, "srv_challenge")
		page := i == len(paths) && cookie == "" && w.Code == http.StatusOK
		if !nonce && !page && (w.Code < 400 || w.Code >= 500) {
			t.Fatalf("%s: status %d: %s", r.URL.Path, w.Code, w.Body)
		}
	})
}
