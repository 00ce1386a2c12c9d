package entra

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/upn"
)

// maxPage is the size in bytes of the largest page or message that is read.
const maxPage = 1 << 20

// A Client signs users in with a certificate.
type Client struct {
	// Authority is the URL of the tenant at the login host, without a slash at
	// the end: https://login.microsoftonline.com/TENANT. It must be https. It is
	// trusted: it names the certauth host, which gets the certificate.
	Authority string

	ClientID    string // of the registered application
	RedirectURI string // of the application; it is not requested
	Scopes      []string

	// Certificate returns the certificate for the certauth host, as
	// GetClientCertificate of a [tls.Config]. The names of authorities in the
	// request are the issuer hints of the tenant; without hints there are none.
	Certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// HTTP makes the requests. Its Transport must be an *http.Transport or nil.
	// Its Jar keeps the cookies; nil means one for each SignIn. Nil means the
	// default transport.
	HTTP *http.Client
}

// Tokens are the result of a sign-in.
type Tokens struct {
	ID, Access, Refresh string
	Scope               string
	Expires             time.Duration
	Claims              Claims // of ID
}

// String returns no secrets.
func (t Tokens) String() string { return "tokens of " + strconv.Quote(t.Claims.Username) }

// GoString returns no secrets.
func (t Tokens) GoString() string { return t.String() }

// Claims are those of an ID token that concern the sign-in. All has every claim.
type Claims struct {
	Username string   // preferred_username, else upn
	Methods  []string // amr: mfa if the sign-in counts as multi-factor
	All      map[string]any
}

// MultiFactor reports whether the sign-in counts as multi-factor authentication.
func (c Claims) MultiFactor() bool { return slices.Contains(c.Methods, "mfa") }

// SignIn signs in a user and returns the tokens. name is the result of a
// [upn.SignIn]; it selects the account.
//
// The ID token comes from the token endpoint over TLS, so its signature is not
// verified (OpenID Connect Core 1.0, 3.1.3.7); audience, nonce and expiry are. A
// program that passes the token on must have its receiver verify it.
//
// The error wraps an [*Error] if the service refuses, with its code, or
// [ErrNoCertificateSignIn], or [ErrFlow].
func (c *Client) SignIn(ctx context.Context, name upn.Name) (*Tokens, error) {
	s, err := c.begin(name)
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	defer s.close()
	tokens, err := s.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	return tokens, nil
}

// A session is one sign-in.
type session struct {
	*Client
	name            string
	login, certAuth *http.Client
	verifier        string
	state, nonce    string
	transports      []*http.Transport
}

func (c *Client) begin(name upn.Name) (*session, error) {
	authority, err := url.Parse(c.Authority)
	switch {
	case err != nil || authority.Scheme != "https" || authority.Host == "":
		return nil, fmt.Errorf("authority %.200q is not an https URL", c.Authority)
	case c.Certificate == nil:
		return nil, errors.New("client has no certificate")
	case name.Value == "":
		return nil, errors.New("sign-in name is empty")
	}
	base, jar := http.DefaultTransport, http.CookieJar(nil)
	var timeout time.Duration
	if c.HTTP != nil {
		if c.HTTP.Transport != nil {
			base = c.HTTP.Transport
		}
		jar, timeout = c.HTTP.Jar, c.HTTP.Timeout
	}
	transport, ok := base.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("transport is a %T, not an *http.Transport", base)
	}
	if jar == nil {
		if jar, err = cookiejar.New(nil); err != nil {
			return nil, err
		}
	}
	plain, withCertificate := transport.Clone(), transport.Clone()
	withCertificate.TLSClientConfig = withCertificate.TLSClientConfig.Clone()
	if withCertificate.TLSClientConfig == nil {
		withCertificate.TLSClientConfig = new(tls.Config)
	}
	withCertificate.TLSClientConfig.GetClientCertificate = c.Certificate
	// The next user must not meet the certificate of this one.
	withCertificate.TLSClientConfig.ClientSessionCache = nil
	withCertificate.DisableKeepAlives = true
	// The handshake includes the user's PIN prompt; ctx bounds it.
	withCertificate.TLSHandshakeTimeout = 0
	client := func(t *http.Transport) *http.Client {
		return &http.Client{Transport: t, Jar: jar, Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &session{
		Client: c, name: name.Value, login: client(plain), certAuth: client(withCertificate),
		verifier: rand.Text() + rand.Text(), state: rand.Text(), nonce: rand.Text(),
		transports: []*http.Transport{plain, withCertificate},
	}, nil
}

func (s *session) close() {
	for _, t := range s.transports {
		t.CloseIdleConnections()
	}
}

func (s *session) run(ctx context.Context) (*Tokens, error) {
	page, err := s.authorize(ctx)
	if err != nil {
		return nil, fmt.Errorf("authorize: %w", err)
	}
	address, flow, err := s.credentialType(ctx, page)
	if err != nil {
		return nil, fmt.Errorf("credential type: %w", err)
	}
	form, err := s.present(ctx, address, page.Context, flow)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	code, err := s.finish(ctx, form)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	tokens, err := s.exchange(ctx, code)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return tokens, nil
}

// reply is a response whose body was read.
type reply struct {
	status   int
	location *url.URL // of a redirect
	body     []byte
}

func send(client *http.Client, r *http.Request) (reply, error) {
	response, err := client.Do(r)
	if err != nil {
		var named *url.Error
		if errors.As(err, &named) {
			err = named.Err // the URL may have state
		}
		return reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPage+1))
	if err != nil {
		return reply{}, err
	}
	if len(body) > maxPage {
		return reply{}, fmt.Errorf("%w: more than %d bytes", ErrFlow, maxPage)
	}
	location, err := response.Location()
	if err != nil {
		location = nil
	}
	return reply{response.StatusCode, location, body}, nil
}

func post(ctx context.Context, client *http.Client, address string, form url.Values) (reply, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(client, r)
}

// refused returns the error that a page shows, or nil.
func (r reply) refused() error {
	c, ok := readConfig(r.body)
	switch {
	case ok && c.Exception != "":
		return refusal(c.Exception)
	case ok && c.ErrorText != "":
		return refusal(c.ErrorText)
	case ok && c.Message != "" && r.status >= 400:
		return refusal(c.Message)
	}
	return nil
}

// unexpected returns the error of a page that is not the expected one.
func (r reply) unexpected() error {
	if err := r.refused(); err != nil {
		return err
	}
	return fmt.Errorf("%w: HTTP status %d", ErrFlow, r.status)
}

// authorize requests the sign-in page (step 1).
func (s *session) authorize(ctx context.Context) (pageConfig, error) {
	challenge := sha256.Sum256([]byte(s.verifier))
	scopes := s.Scopes
	if !slices.Contains(scopes, "openid") {
		scopes = append([]string{"openid"}, scopes...)
	}
	q := url.Values{
		"client_id": {s.ClientID}, "response_type": {"code"}, "response_mode": {"query"}, "redirect_uri": {s.RedirectURI},
		"scope": {strings.Join(scopes, " ")}, "state": {s.state}, "nonce": {s.nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Authority+"/oauth2/v2.0/authorize?"+q.Encode(), nil)
	if err != nil {
		return pageConfig{}, err
	}
	response, err := send(s.login, r)
	if err != nil {
		return pageConfig{}, err
	}
	c, ok := readConfig(response.body)
	if !ok || c.Context == "" || c.Flow == "" {
		return c, response.unexpected()
	}
	return c, nil
}

// credentialType asks how the user signs in (step 2).
func (s *session) credentialType(ctx context.Context, page pageConfig) (address, flow string, err error) {
	body, err := json.Marshal(map[string]any{"username": s.name, "flowToken": page.Flow, "originalRequest": page.Context})
	if err != nil {
		return "", "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Authority+"/GetCredentialType?mkt=en-US", bytes.NewReader(body))
	if err != nil {
		return "", "", err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := send(s.login, r)
	if err != nil {
		return "", "", err
	}
	var result struct {
		FlowToken   string
		Credentials struct {
			HasCertAuth    bool
			CertAuthParams struct {
				CertAuthURL string `json:"CertAuthUrl"`
			}
		}
	}
	if err := json.Unmarshal(response.body, &result); err != nil || response.status != http.StatusOK {
		return "", "", response.refusedJSON()
	}
	if !result.Credentials.HasCertAuth {
		return "", "", ErrNoCertificateSignIn
	}
	u, err := url.Parse(result.Credentials.CertAuthParams.CertAuthURL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return "", "", fmt.Errorf("%w: certauth URL is not https", ErrFlow)
	}
	if result.FlowToken == "" {
		result.FlowToken = page.Flow
	}
	return u.String(), result.FlowToken, nil
}

// present sends the certificate (step 3) and returns the form for the login host.
func (s *session) present(ctx context.Context, address, pageContext, flow string) (url.Values, error) {
	response, err := post(ctx, s.certAuth, address, url.Values{"ctx": {pageContext}, "flowToken": {flow}})
	if err != nil {
		return nil, err
	}
	inputs := readInputs(response.body)
	form := make(url.Values)
	for _, name := range []string{"ctx", "flowtoken", "certificatetoken"} {
		if inputs[name] == "" {
			return nil, response.unexpected()
		}
		form.Set(name, inputs[name])
	}
	return form, nil
}

// finish returns to the login host (steps 4 and 5) and returns the code.
func (s *session) finish(ctx context.Context, form url.Values) (code string, err error) {
	response, err := post(ctx, s.login, s.Authority+"/login", form)
	if err != nil {
		return "", err
	}
	if code, err := s.code(response); code != "" || err != nil {
		return code, err
	}
	if err := response.refused(); err != nil {
		return "", err
	}
	// The page "Stay signed in?". The login host takes the reply at its root.
	page, ok := readConfig(response.body)
	if !ok || page.Context == "" || page.Flow == "" {
		return "", response.unexpected()
	}
	authority, err := url.Parse(s.Authority)
	if err != nil {
		return "", err
	}
	authority.Path = "/kmsi"
	response, err = post(ctx, s.login, authority.String(), url.Values{
		"LoginOptions": {"3"}, // do not stay signed in
		"type":         {"28"}, "ctx": {page.Context}, "flowToken": {page.Flow}, "canary": {page.Canary}, "hpgrequestid": {page.SessionID},
	})
	if err != nil {
		return "", err
	}
	if code, err := s.code(response); code != "" || err != nil {
		return code, err
	}
	return "", response.unexpected()
}

// code returns the code in a redirect to the client or in a form for it, "" if the
// response is neither.
func (s *session) code(response reply) (string, error) {
	var values url.Values
	if response.location != nil {
		if !s.isRedirect(response.location) {
			return "", fmt.Errorf("%w: redirect to another host", ErrFlow)
		}
		values = response.location.Query()
		if fragment, err := url.ParseQuery(response.location.Fragment); err == nil && fragment.Has("state") {
			values = fragment
		}
	} else if inputs := readInputs(response.body); inputs["code"] != "" || inputs["error"] != "" {
		values = make(url.Values)
		for name, value := range inputs {
			values.Set(name, value)
		}
	} else {
		return "", nil
	}
	switch {
	case values.Get("state") != s.state:
		return "", fmt.Errorf("%w: state is of another sign-in", ErrFlow)
	case values.Get("error") != "":
		return "", refusal(values.Get("error") + ": " + values.Get("error_description"))
	case values.Get("code") == "":
		return "", fmt.Errorf("%w: redirect has no code", ErrFlow)
	}
	return values.Get("code"), nil
}

// isRedirect reports whether u is RedirectURI with parameters.
func (s *session) isRedirect(u *url.URL) bool {
	registered, err := url.Parse(s.RedirectURI)
	return err == nil && u.Scheme == registered.Scheme && u.Host == registered.Host && strings.TrimSuffix(u.Path, "/") == strings.TrimSuffix(registered.Path, "/") && u.Opaque == registered.Opaque
}

// exchange exchanges the code for tokens (step 6).
func (s *session) exchange(ctx context.Context, code string) (*Tokens, error) {
	response, err := post(ctx, s.login, s.Authority+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {s.ClientID}, "redirect_uri": {s.RedirectURI}, "code": {code}, "code_verifier": {s.verifier},
	})
	if err != nil {
		return nil, err
	}
	tokens, err := response.tokens()
	if err != nil {
		return nil, err
	}
	if err := tokens.readClaims(s.ClientID, s.nonce, time.Now()); err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	return tokens, nil
}
