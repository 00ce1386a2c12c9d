package entra_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/entra"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	clientID = "00001111-aaaa-2222-bbbb-3333cccc4444"
	redirect = "http://127.0.0.1/callback"
)

var ana = upn.Name{Value: "ana@contoso.test", Source: upn.FromHint}

// A service is the pages of a service. Each field replaces one.
type service struct {
	*httptest.Server
	authorize, credential, certAuth, login, kmsi, token func(w http.ResponseWriter, r *http.Request, s *service)

	request      url.Values // of authorize
	certificates map[string]int
}

func page(w http.ResponseWriter, config map[string]string) {
	b, _ := json.Marshal(config)
	fmt.Fprintf(w, "<html><script>//<![CDATA[\n$Config=%s;\n//]]></script></html>", b)
}

func form(w http.ResponseWriter, values map[string]string) {
	for name, value := range values {
		fmt.Fprintf(w, "<INPUT type='hidden' value=\"%s\"\n name=%s />", html.EscapeString(value), name)
	}
}

// idToken returns a token without a valid signature.
func idToken(claims map[string]any) string {
	b, _ := json.Marshal(claims)
	return "e30." + base64.RawURLEncoding.EncodeToString(b) + ".AA"
}

func (s *service) claims() map[string]any {
	return map[string]any{"aud": clientID, "nonce": s.request.Get("nonce"), "exp": time.Now().Add(time.Hour).Unix(), "preferred_username": ana.Value, "amr": []string{"rsa", "mfa"}}
}

// newService returns a service that responds as Entra ID's pages do.
func newService(t testing.TB) *service {
	t.Helper()
	s := &service{certificates: make(map[string]int)}
	s.authorize = func(w http.ResponseWriter, r *http.Request, s *service) {
		page(w, map[string]string{"sCtx": "ctx & <1>", "sFT": "flow1", "canary": "bird"})
	}
	s.credential = func(w http.ResponseWriter, r *http.Request, s *service) {
		fmt.Fprintf(w, `{"FlowToken":"flow2","Credentials":{"HasCertAuth":true,"CertAuthParams":{"CertAuthUrl":"%s/certauth"}}}`, s.URL)
	}
	s.certAuth = func(w http.ResponseWriter, r *http.Request, s *service) {
		form(w, map[string]string{"ctx": r.FormValue("ctx"), "flowtoken": r.FormValue("flowToken"), "certificatetoken": "proof"})
	}
	s.login = func(w http.ResponseWriter, r *http.Request, s *service) {
		if r.FormValue("ctx") != "ctx & <1>" || r.FormValue("flowtoken") != "flow2" || r.FormValue("certificatetoken") != "proof" {
			http.Error(w, "form", http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, redirect+"?"+url.Values{"code": {"code1"}, "state": {s.request.Get("state")}}.Encode(), http.StatusFound)
	}
	s.kmsi = func(w http.ResponseWriter, r *http.Request, s *service) { http.NotFound(w, r) }
	s.token = func(w http.ResponseWriter, r *http.Request, s *service) {
		_ = json.NewEncoder(w).Encode(map[string]any{"id_token": idToken(s.claims()), "access_token": "access", "refresh_token": "refresh", "expires_in": 3600, "scope": "openid"})
	}
	m := http.NewServeMux()
	handle := func(pattern string, f *func(http.ResponseWriter, *http.Request, *service)) {
		m.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.certificates[r.URL.Path] += len(r.TLS.PeerCertificates)
			(*f)(w, r, s)
		})
	}
	handle("POST /t/GetCredentialType", &s.credential)
	handle("POST /certauth", &s.certAuth)
	handle("POST /t/login", &s.login)
	handle("POST /kmsi", &s.kmsi)
	handle("POST /t/oauth2/v2.0/token", &s.token)
	m.HandleFunc("GET /t/oauth2/v2.0/authorize", func(w http.ResponseWriter, r *http.Request) {
		s.request = r.URL.Query()
		s.certificates[r.URL.Path] += len(r.TLS.PeerCertificates)
		s.authorize(w, r, s)
	})
	s.Server = httptest.NewUnstartedServer(m)
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that a test ends
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *service) client(t testing.TB) *entra.Client {
	key := testkeys.RSA(2048, 0)
	pair := tls.Certificate{Certificate: [][]byte{selfSigned(t, key)}, PrivateKey: key}
	return &entra.Client{Authority: s.URL + "/t", ClientID: clientID, RedirectURI: redirect, Scopes: []string{"profile"}, HTTP: s.Client(),
		Certificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }}
}

func TestSignIn(t *testing.T) {
	s := newService(t)
	tokens, err := s.client(t).SignIn(t.Context(), ana)
	require.NoError(t, err)
	assert.Equal(t, ana.Value, tokens.Claims.Username)
	assert.True(t, tokens.Claims.MultiFactor())
	assert.Equal(t, "access", tokens.Access)
	assert.Equal(t, "refresh", tokens.Refresh)
	assert.Equal(t, time.Hour, tokens.Expires)
	assert.Equal(t, "openid profile", s.request.Get("scope"))
	assert.Equal(t, "S256", s.request.Get("code_challenge_method"))
	for path, n := range s.certificates {
		assert.Equal(t, path == "/certauth", n == 1, "%s got %d certificates", path, n)
	}
}

// TestAnswersOfLogin has the ways in which a code comes back.
func TestAnswersOfLogin(t *testing.T) {
	kmsi := func(w http.ResponseWriter, _ *http.Request, _ *service) {
		page(w, map[string]string{"sCtx": "ctx3", "sFT": "flow3", "canary": "c", "sessionId": "id"})
	}
	for name, change := range map[string]func(s *service){
		"fragment": func(s *service) {
			s.login = func(w http.ResponseWriter, r *http.Request, s *service) {
				w.Header().Set("Location", redirect+"#code=c&state="+s.request.Get("state"))
				w.WriteHeader(http.StatusFound)
			}
		},
		"form": func(s *service) {
			s.login = func(w http.ResponseWriter, r *http.Request, s *service) {
				form(w, map[string]string{"code": "c", "state": s.request.Get("state")})
			}
		},
		"stay signed in, form": func(s *service) {
			s.login = kmsi
			s.kmsi = func(w http.ResponseWriter, r *http.Request, s *service) {
				if r.FormValue("ctx") == "ctx3" && r.FormValue("flowToken") == "flow3" && r.FormValue("canary") == "c" && r.FormValue("hpgrequestid") == "id" {
					form(w, map[string]string{"code": "c", "state": s.request.Get("state")})
				}
			}
		},
	} {
		s := newService(t)
		change(s)
		_, err := s.client(t).SignIn(t.Context(), ana)
		assert.NoError(t, err, name)
	}
}

func TestRefusals(t *testing.T) {
	text := func(text string) func(http.ResponseWriter, *http.Request, *service) {
		return func(w http.ResponseWriter, _ *http.Request, _ *service) { fmt.Fprint(w, text) }
	}
	exception := func(w http.ResponseWriter, _ *http.Request, _ *service) {
		page(w, map[string]string{"strMainMessage": "Sign in failed", "strServiceExceptionMessage": "AADSTS500171: The certificate has been revoked."})
	}
	location := func(to string) func(http.ResponseWriter, *http.Request, *service) {
		return func(w http.ResponseWriter, _ *http.Request, s *service) {
			w.Header().Set("Location", strings.ReplaceAll(to, "STATE", s.request.Get("state")))
			w.WriteHeader(http.StatusFound)
		}
	}
	claims := func(name string, value any) func(http.ResponseWriter, *http.Request, *service) {
		return func(w http.ResponseWriter, _ *http.Request, s *service) {
			c := s.claims()
			c[name] = value
			_ = json.NewEncoder(w).Encode(map[string]any{"id_token": idToken(c)})
		}
	}
	for _, test := range []struct {
		name   string
		change func(s *service)
		code   int
		is     error
	}{
		{"page without values", func(s *service) { s.authorize = text("hello") }, 0, entra.ErrFlow},
		{"page with other values", func(s *service) { s.authorize = text("$Config={\"a\":1};") }, 0, entra.ErrFlow},
		{"page that ends early", func(s *service) { s.authorize = text("$Config={\"sCtx\":") }, 0, entra.ErrFlow},
		{"page that is too large", func(s *service) { s.authorize = text(strings.Repeat("x", 2<<20)) }, 0, entra.ErrFlow},
		{"error instead of the page", func(s *service) { s.authorize = exception }, 500171, nil},
		{"no certificate sign-in", func(s *service) { s.credential = text(`{"Credentials":{"HasCertAuth":false}}`) }, 0, entra.ErrNoCertificateSignIn},
		{"credential type is not JSON", func(s *service) { s.credential = text(`<html>`) }, 0, entra.ErrFlow},
		{"certauth without TLS", func(s *service) {
			s.credential = text(`{"Credentials":{"HasCertAuth":true,"CertAuthParams":{"CertAuthUrl":"http://certauth.example/"}}}`)
		}, 0, entra.ErrFlow},
		{"certauth refuses", func(s *service) { s.certAuth = exception }, 500171, nil},
		{"certauth without a token", func(s *service) { s.certAuth = text(`<input name=ctx value=1><input name=flowtoken value=2>`) }, 0, entra.ErrFlow},
		{"login refuses", func(s *service) { s.login = exception }, 500171, nil},
		{"login with a code of another sign-in", func(s *service) { s.login = location(redirect + "?code=c&state=other") }, 0, entra.ErrFlow},
		{"login redirects elsewhere", func(s *service) { s.login = location("http://127.0.0.1:81/callback?code=c&state=STATE") }, 0, entra.ErrFlow},
		{"login redirects without a code", func(s *service) { s.login = location(redirect + "?state=STATE") }, 0, entra.ErrFlow},
		{"login redirects with an error", func(s *service) {
			s.login = location(redirect + "?error=access_denied&error_description=AADSTS53003:+blocked&state=STATE")
		}, 53003, nil},
		{"login without anything", func(s *service) { s.login = text("") }, 0, entra.ErrFlow},
		{"token refuses", func(s *service) {
			s.token = func(w http.ResponseWriter, _ *http.Request, _ *service) {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"error":"invalid_grant","error_description":"AADSTS54005: used"}`)
			}
		}, 54005, nil},
		{"token is not JSON", func(s *service) { s.token = text("x") }, 0, entra.ErrFlow},
		{"token for another client", func(s *service) { s.token = claims("aud", "other") }, 0, entra.ErrFlow},
		{"token of another sign-in", func(s *service) { s.token = claims("nonce", "other") }, 0, entra.ErrFlow},
		{"expired token", func(s *service) { s.token = claims("exp", time.Now().Unix()-1) }, 0, entra.ErrFlow},
		{"no ID token", func(s *service) { s.token = text(`{}`) }, 0, entra.ErrFlow},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newService(t)
			test.change(s)
			_, err := s.client(t).SignIn(t.Context(), ana)
			require.Error(t, err)
			assert.NotEmpty(t, card.Hint(err))
			if test.is != nil {
				assert.ErrorIs(t, err, test.is)
				return
			}
			var refusal *entra.Error
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, test.code, refusal.Code)
		})
	}
}

func TestErrorText(t *testing.T) {
	s := newService(t)
	s.login = func(w http.ResponseWriter, _ *http.Request, _ *service) {
		page(w, map[string]string{"strServiceExceptionMessage": "AADSTS500171: revoked"})
	}
	_, err := s.client(t).SignIn(t.Context(), ana)
	assert.EqualError(t, err, `entra: login: refused by the service: AADSTS500171: "AADSTS500171: revoked"`)
	assert.Equal(t, "Get a new certificate; this one is revoked.", card.Hint(err))
	long := &entra.Error{Text: "x"}
	assert.EqualError(t, long, `refused by the service: "x"`)
	assert.Empty(t, long.Hint())
}

func TestClientRefuses(t *testing.T) {
	s := newService(t)
	for want, change := range map[string]func(c *entra.Client){
		"is not an https URL":       func(c *entra.Client) { c.Authority = "http://login.example/t" },
		"client has no certificate": func(c *entra.Client) { c.Certificate = nil },
		"transport is a":            func(c *entra.Client) { c.HTTP = &http.Client{Transport: http.NewFileTransport(http.Dir("."))} },
	} {
		c := s.client(t)
		change(c)
		_, err := c.SignIn(t.Context(), ana)
		assert.ErrorContains(t, err, want)
	}
	_, err := s.client(t).SignIn(t.Context(), upn.Name{})
	assert.ErrorContains(t, err, "sign-in name is empty")
	assert.Empty(t, s.request)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.client(t).SignIn(ctx, ana)
	assert.ErrorIs(t, err, context.Canceled)
}

// An error of the certificate callback, such as a refused PIN, is the error of SignIn.
func TestErrorOfCertificate(t *testing.T) {
	s := newService(t)
	c := s.client(t)
	c.Certificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, card.ErrWrongPIN }
	_, err := c.SignIn(t.Context(), ana)
	assert.ErrorIs(t, err, card.ErrWrongPIN)
	assert.Zero(t, s.certificates["/certauth"])
}
