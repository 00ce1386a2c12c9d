package cba

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// How long state is valid.
const (
	contextValid     = 30 * time.Minute // to find the card and the PIN
	certificateValid = 5 * time.Minute
	codeValid        = time.Minute
)

// maxForm is the size of the largest request body.
const maxForm = 128 << 10

// A Service is a sign-in service. Instances of one service have the same settings,
// and the same keys in Seal and Tokens.
type Service struct {
	Tenant   string
	Login    string // URL of the login host, without a slash at the end
	CertAuth string // URL of the certauth host
	Judge    *Judge
	Seal     *Sealer
	Once     Once
	Tokens   *Tokens
	Log      *slog.Logger
}

// The purposes of sealed texts.
const (
	forContext     = "context"
	forFlow        = "flow"
	forCertificate = "certificate"
	forCode        = "code"
	forApp         = "app"
)

// A request is what the client asked for. It travels as ctx.
type request struct {
	ID        string
	Browser   string // hash of the cookie of the browser that began
	Client    string
	Redirect  string
	Scope     string
	State     string
	Nonce     string
	Challenge string
	Fragment  bool // response_mode=fragment
}

// A flow is the user name that was typed for a request. It travels as flowToken.
type flow struct{ Request, Name string }

// A proof is a certificate whose key TLS has proven on the certauth host. It travels
// as certificatetoken.
type proof struct {
	Request, Name string
	DER           []byte
}

// cookie is the name of the cookie that binds a login to a browser. Its prefix makes
// browsers accept it from this host over TLS only.
const cookie = "__Host-login"

// LoginHandler returns the handler of the login host.
func (s *Service) LoginHandler() http.Handler {
	m := http.NewServeMux()
	tenant := "/" + s.Tenant
	m.HandleFunc("GET "+tenant+"/v2.0/.well-known/openid-configuration", s.discovery)
	m.HandleFunc("GET "+tenant+"/discovery/v2.0/keys", s.keys)
	m.HandleFunc("GET "+tenant+"/oauth2/v2.0/authorize", s.page(s.authorize))
	m.HandleFunc("POST "+tenant+"/GetCredentialType", s.credentialType)
	m.HandleFunc("POST "+tenant+"/credential", s.page(s.credential))
	m.HandleFunc("POST "+tenant+"/login", s.page(s.login))
	m.HandleFunc("POST "+tenant+"/oauth2/v2.0/token", s.token)
	m.HandleFunc("POST "+tenant+"/oauth2/token", s.joinedToken)
	m.HandleFunc("GET /{$}", s.page(s.appStart))
	m.HandleFunc("GET /app", s.page(s.appResult))
	m.HandleFunc("GET /style.css", style)
	return secure(m)
}

// CertAuthHandler returns the handler of the certauth host.
func (s *Service) CertAuthHandler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /"+s.Tenant+"/certauth", s.page(s.certAuth))
	m.HandleFunc("GET /style.css", style)
	return secure(m)
}

// CertAuthServer configures the server of the certauth host.
//
// A certificate is requested in each handshake and not checked there, so that a
// missing or expired one gets a page and not a TLS alert. No connection is used for a
// second login: a resumed session and a connection that stays open would present the
// certificate of the user before.
func (s *Service) CertAuthServer(server *http.Server, certificate tls.Certificate) {
	server.Handler = s.CertAuthHandler()
	server.TLSConfig = &tls.Config{
		Certificates:           []tls.Certificate{certificate},
		MinVersion:             tls.VersionTLS12,
		ClientAuth:             tls.RequestClientCert,
		ClientCAs:              s.Judge.Policy.hints(),
		SessionTicketsDisabled: true,
		NextProtos:             []string{"http/1.1"},
	}
	server.SetKeepAlivesEnabled(false)
}

// secure limits requests and sets headers for every response.
func secure(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'")
		header.Set("Cache-Control", "no-store")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Strict-Transport-Security", "max-age=3600")
		h.ServeHTTP(w, r)
	})
}

// page makes a handler of f, whose error gets the page of a refusal.
func (s *Service) page(f func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			s.refuse(w, r, err)
		}
	}
}

// refuse writes the reason to the log and the code to the page.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code := s.logRefusal(r, err)
	text := code.String() + ": The sign-in was refused."
	render(w, http.StatusForbidden, "refused", pageData{Code: code.String(), Action: s.Login + "/", Config: config(map[string]string{"strServiceExceptionMessage": text})})
}

func (s *Service) logRefusal(r *http.Request, err error) Code {
	refusal := refuse(invalidCertificate, err)
	errors.As(err, &refusal)
	s.Log.Warn("sign-in refused", "path", r.URL.Path, "code", refusal.Code.String(), "reason", fmt.Sprint(refusal.Err))
	return refusal.Code
}

// browser returns the hash of the cookie, "" without one.
func browser(r *http.Request) string {
	c, err := r.Cookie(cookie)
	if err != nil || c.Value == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(c.Value))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorize begins a login (RFC 6749, 4.1.1, with PKCE, RFC 7636).
func (s *Service) authorize(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	client, ok := s.Judge.Policy.client(q.Get("client_id"), q.Get("redirect_uri"))
	switch {
	case !ok:
		return refuse(badClient, fmt.Errorf("client %.64q with redirect %.200q", q.Get("client_id"), q.Get("redirect_uri")))
	case q.Get("response_type") != "code":
		return refuse(badRequest, fmt.Errorf("response type %.64q", q.Get("response_type")))
	case q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43:
		return refuse(badRequest, errors.New("no code challenge with S256"))
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		return refuse(badRequest, fmt.Errorf("scope %.200q", q.Get("scope")))
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query" && q.Get("response_mode") != "fragment":
		return refuse(badRequest, fmt.Errorf("response mode %.64q", q.Get("response_mode")))
	}
	req := request{
		ID: rand.Text(), Browser: browser(r), Client: client.ID, Redirect: q.Get("redirect_uri"), Scope: q.Get("scope"),
		State: q.Get("state"), Nonce: q.Get("nonce"), Challenge: q.Get("code_challenge"), Fragment: q.Get("response_mode") == "fragment",
	}
	if text := r.Header.Get(cookieHeader); text != "" {
		return s.byCookie(w, r, req, text)
	}
	if req.Browser == "" {
		c := &http.Cookie{Name: cookie, Value: rand.Text(), Path: "/", Secure: true, HttpOnly: true,
			// The certauth host is another site, and its page posts to this one.
			SameSite: http.SameSiteNoneMode}
		http.SetCookie(w, c)
		r.Header.Set("Cookie", c.Name+"="+c.Value)
		req.Browser = browser(r)
	}
	ctx, _ := s.Seal.Seal(forContext, req, contextValid)
	flowToken, _ := s.Seal.Seal(forFlow, flow{Request: req.ID}, contextValid)
	data := pageData{Tenant: s.Tenant, Context: ctx, Flow: flowToken,
		Config: config(map[string]string{"sCtx": ctx, "sFT": flowToken, "canary": ""})}
	if name := q.Get("login_hint"); name != "" {
		return s.choose(w, data, req, name)
	}
	render(w, http.StatusOK, "name", data)
	return nil
}

// choose shows the page with the ways to sign in. It does not say whether the account
// exists.
func (s *Service) choose(w http.ResponseWriter, data pageData, req request, name string) error {
	data.Flow, _ = s.Seal.Seal(forFlow, flow{req.ID, name}, contextValid)
	data.Name, data.Action = name, s.certAuthURL()
	render(w, http.StatusOK, "method", data)
	return nil
}

func (s *Service) certAuthURL() string { return s.CertAuth + "/" + s.Tenant + "/certauth" }

// open opens ctx and flowToken, which must belong together.
func (s *Service) open(ctx, flowToken string) (req request, f flow, err error) {
	if _, err := s.Seal.Open(forContext, ctx, &req); err != nil {
		return req, f, refuse(noState, fmt.Errorf("ctx: %w", err))
	}
	if _, err := s.Seal.Open(forFlow, flowToken, &f); err != nil {
		return req, f, refuse(noState, fmt.Errorf("flow token: %w", err))
	}
	if f.Request != req.ID {
		return req, f, refuse(noState, errors.New("flow token is of another login"))
	}
	return req, f, nil
}

// credential takes the user name from the page.
func (s *Service) credential(w http.ResponseWriter, r *http.Request) error {
	ctx := r.PostFormValue("ctx")
	req, _, err := s.open(ctx, r.PostFormValue("flowToken"))
	if err != nil {
		return err
	}
	name := strings.TrimSpace(r.PostFormValue("username"))
	if name == "" {
		return refuse(badRequest, errors.New("no user name"))
	}
	return s.choose(w, pageData{Tenant: s.Tenant, Context: ctx}, req, name)
}

// certAuth reads the certificate of the connection.
func (s *Service) certAuth(w http.ResponseWriter, r *http.Request) error {
	ctx := r.PostFormValue("ctx")
	req, f, err := s.open(ctx, r.PostFormValue("flowToken"))
	if err != nil {
		return err
	}
	switch {
	case r.TLS == nil || r.TLS.DidResume:
		return refuse(invalidCertificate, errors.New("connection is resumed or without TLS"))
	case len(r.TLS.PeerCertificates) == 0:
		return refuse(invalidCertificate, errors.New("no certificate in the handshake"))
	case f.Name == "":
		return refuse(badRequest, errors.New("no user name"))
	}
	leaf := r.TLS.PeerCertificates[0]
	s.Log.Info("certificate read", "tls", tls.VersionName(r.TLS.Version), "subject", leaf.Subject.String())
	token, _ := s.Seal.Seal(forCertificate, proof{req.ID, f.Name, leaf.Raw}, certificateValid)
	flowToken, _ := s.Seal.Seal(forFlow, f, contextValid)
	render(w, http.StatusOK, "certificate", pageData{
		Name: f.Name, Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(),
		Action: s.Login + "/" + s.Tenant + "/login", Context: ctx, Flow: flowToken, Certificate: token,
	})
	return nil
}

// login judges the certificate and redirects to the client with a code.
func (s *Service) login(w http.ResponseWriter, r *http.Request) error {
	req, f, err := s.open(r.PostFormValue("ctx"), r.PostFormValue("flowtoken"))
	if err != nil {
		return err
	}
	if b := browser(r); b == "" || subtle.ConstantTimeCompare([]byte(req.Browser), []byte(b)) == 0 {
		return refuse(noState, errors.New("login began in another browser"))
	}
	var p proof
	opened, err := s.Seal.Open(forCertificate, r.PostFormValue("certificatetoken"), &p)
	if err != nil {
		return refuse(noState, fmt.Errorf("certificate token: %w", err))
	}
	if p.Request != req.ID || p.Name != f.Name {
		return refuse(noState, errors.New("certificate token is of another login"))
	}
	if err := s.use(opened, noState); err != nil {
		return err
	}
	result, err := s.Judge.SignIn(r.Context(), f.Name, p.DER)
	if err != nil {
		return err
	}
	return s.grant(w, r, req, s.Tokens.describe(result), result)
}

// use takes a sealed text out of circulation.
func (s *Service) use(o Opened, code Code) error {
	first, err := s.Once.First(o.ID, o.Expires)
	if err != nil {
		return refuse(code, err)
	}
	if !first {
		return refuse(code, errors.New("sealed text was used before"))
	}
	return nil
}

// A grant is what a code is worth.
type grant struct {
	Client, Redirect, Scope, Nonce, Challenge string
	Claims                                    claims
}

// grant redirects to the client with a code, if the sign-in is strong enough. result
// is nil for a sign-in by a primary refresh token.
func (s *Service) grant(w http.ResponseWriter, r *http.Request, req request, c claims, result *SignIn) error {
	client, ok := s.Judge.Policy.client(req.Client, req.Redirect)
	if !ok {
		return refuse(badClient, fmt.Errorf("client %.64q", req.Client))
	}
	if err := s.strongEnough(client.Require, c, result); err != nil {
		return err
	}
	code, _ := s.Seal.Seal(forCode, grant{req.Client, req.Redirect, req.Scope, req.Nonce, req.Challenge, c}, codeValid)
	back, err := url.Parse(req.Redirect)
	if err != nil {
		return refuse(badClient, err)
	}
	response := url.Values{"code": {code}}
	if req.State != "" {
		response.Set("state", req.State)
	}
	if req.Fragment {
		back.Fragment = ""
		w.Header().Set("Location", back.String()+"#"+response.Encode())
	} else {
		q := back.Query()
		for name := range response {
			q.Set(name, response.Get(name))
		}
		back.RawQuery = q.Encode()
		w.Header().Set("Location", back.String())
	}
	s.Log.Info("signed in", "user", c.UPN, "client", req.Client, "binding", c.Binding, "strength", c.Strength)
	w.WriteHeader(http.StatusFound)
	return nil
}

func (s *Service) strongEnough(require Require, c claims, result *SignIn) error {
	if require.MultiFactor && !slices.Contains(c.AMR, "mfa") {
		return refuse(needsMultiFactor, fmt.Errorf("client requires multi-factor, %.64q signed in with %s", c.UPN, c.Strength))
	}
	if result == nil {
		if len(require.IssuerSKIs) > 0 || len(require.Policies) > 0 {
			return refuse(needsStrength, errors.New("client requires a certificate, and the sign-in is by a primary refresh token"))
		}
		return nil
	}
	if !require.satisfied(result.Strength, result.Chain[0]) {
		return refuse(needsStrength, errors.New("client requires other issuers or policies"))
	}
	return nil
}
