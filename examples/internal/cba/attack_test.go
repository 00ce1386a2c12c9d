package cba_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cba"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A browser submits the forms of pages, as a user does.
type browser struct {
	t      testing.TB
	f      *fixture
	plain  *http.Client // for the login host
	client *http.Client // for the certauth host
}

func (f *fixture) browser(c certificate) *browser {
	b := &browser{t: f.t, f: f, plain: f.httpClient()}
	b.client = f.httpClient(func(config *tls.Config) {
		config.GetClientCertificate = c.get
		config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	})
	return b
}

// A response is a page or a redirect.
type response struct {
	status   int
	location string
	page     string
}

func read(t testing.TB, r *http.Response, err error) response {
	t.Helper()
	require.NoError(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return response{r.StatusCode, r.Header.Get("Location"), string(body)}
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// form returns the hidden fields of a page.
func (a response) form() url.Values {
	v := make(url.Values)
	for _, m := range hidden.FindAllStringSubmatch(a.page, -1) {
		v.Set(m[1], html.UnescapeString(m[2]))
	}
	return v
}

// code returns the code on the page of a refusal, "" on another page.
func (a response) code() string { return string(regexp.MustCompile(`AADSTS\d+`).Find([]byte(a.page))) }

const verifier = "a verifier of the client, of at least forty-three characters"

func authorizeQuery() url.Values {
	challenge := sha256.Sum256([]byte(verifier))
	return url.Values{"client_id": {clientID}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid"}, "state": {"state1"}, "nonce": {"nonce1"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"}}
}

func (b *browser) authorize(edit ...func(url.Values)) response {
	q := authorizeQuery()
	for _, e := range edit {
		e(q)
	}
	r, err := b.plain.Get(loginURL + "/" + tenant + "/oauth2/v2.0/authorize?" + q.Encode())
	return read(b.t, r, err)
}

func (b *browser) post(path string, form url.Values) response {
	client, to := b.plain, loginURL
	if path == "/certauth" {
		client, to = b.client, certAuthURL
	}
	r, err := client.PostForm(to+"/"+tenant+path, form)
	return read(b.t, r, err)
}

// certificate goes as far as the page of the certauth host.
func (b *browser) certificate(name string) response {
	b.t.Helper()
	form := b.authorize().form()
	form.Set("username", name)
	method := b.post("/credential", form)
	require.Contains(b.t, method.page, "Use a certificate or smart card")
	page := b.post("/certauth", method.form())
	require.Equal(b.t, http.StatusOK, page.status, page.page)
	return page
}

// login goes as far as the redirect, and returns the code.
func (b *browser) login(name string) (response, string) {
	b.t.Helper()
	a := b.post("/login", b.certificate(name).form())
	require.Equal(b.t, http.StatusFound, a.status, "%s\n%s", a.page, b.f.log.String())
	u, err := url.Parse(a.location)
	require.NoError(b.t, err)
	return a, u.Query().Get("code")
}

// redeem exchanges a code, and returns the code of the error.
func (b *browser) redeem(code string, edit ...func(url.Values)) (status int, body map[string]any) {
	b.t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {clientID}, "redirect_uri": {redirect}, "code": {code}, "code_verifier": {verifier}}
	for _, e := range edit {
		e(form)
	}
	a := b.post("/oauth2/v2.0/token", form)
	require.NoError(b.t, json.Unmarshal([]byte(a.page), &body))
	return a.status, body
}

func bobs() certificate { return issue(cardtest.Leaf{UPNs: []string{bob}}) }

func TestBrowser(t *testing.T) {
	f := newFixture(t)
	b := f.browser(bobs())
	a, code := b.login(bob)
	assert.True(t, strings.HasPrefix(a.location, redirect+"?"))
	assert.Contains(t, a.location, "state=state1")
	status, body := b.redeem(code)
	assert.Equal(t, http.StatusOK, status)
	assert.NotEmpty(t, body["id_token"])

	// A login hint skips the first page.
	page := b.authorize(func(q url.Values) { q.Set("login_hint", bob) })
	assert.Contains(t, page.page, "Use a certificate or smart card")
}

// TestResultPage signs in at the client that the service has itself.
func TestResultPage(t *testing.T) {
	f := newFixture(t)
	b := f.browser(bobs())
	r, err := b.plain.Get(loginURL + "/?login_hint=" + bob)
	start := read(t, r, err)
	require.Equal(t, http.StatusSeeOther, start.status)
	r, err = b.plain.Get(start.location)
	method := read(t, r, err)
	a := b.post("/login", b.post("/certauth", method.form()).form())
	require.Equal(t, http.StatusFound, a.status, f.log.String())
	r, err = b.plain.Get(a.location)
	result := read(t, r, err)
	for _, want := range []string{"<title>Signed in</title>", "Bob Builder", bob, "multi-factor", "X509:&lt;PN&gt;" + bob, "validity", "eku"} {
		assert.Contains(t, result.page, want)
	}
	r, err = b.plain.Get(a.location)
	assert.Equal(t, "AADSTS50089", read(t, r, err).code(), "the page is shown once")
}

// TestCertificateToken has the attacks on the token of the certauth host.
func TestCertificateToken(t *testing.T) {
	for name, test := range map[string]struct {
		form func(f *fixture, b *browser) url.Values
		log  string
	}{
		"replayed": {func(f *fixture, b *browser) url.Values {
			form := b.certificate(bob).form()
			require.Equal(t, http.StatusFound, b.post("/login", form).status)
			return form
		}, "used before"},
		"of another login, same browser": {func(f *fixture, b *browser) url.Values {
			first, second := b.certificate(bob).form(), b.certificate(bob).form()
			second.Set("certificatetoken", first.Get("certificatetoken"))
			return second
		}, "certificate token is of another login"},
		"with the flow token of another login": {func(f *fixture, b *browser) url.Values {
			first, second := b.certificate(bob).form(), b.certificate(bob).form()
			first.Set("flowtoken", second.Get("flowtoken"))
			return first
		}, "flow token is of another login"},
		"for another user of the same login": {func(f *fixture, b *browser) url.Values {
			ctx := b.authorize().form()
			ctx.Set("username", bob)
			form := b.post("/certauth", b.post("/credential", ctx).form()).form()
			ctx.Set("username", "alice@contoso.com")
			form.Set("flowtoken", b.post("/credential", ctx).form().Get("flowToken"))
			return form
		}, "certificate token is of another login"},
		"in another browser": {func(f *fixture, b *browser) url.Values {
			victim := f.browser(bobs())
			victim.authorize() // has a cookie of its own
			form := b.certificate(bob).form()
			b.plain = victim.plain
			return form
		}, "login began in another browser"},
		"in a browser without a cookie": {func(f *fixture, b *browser) url.Values {
			form := b.certificate(bob).form()
			b.plain = f.httpClient()
			return form
		}, "login began in another browser"},
		"forged": {func(f *fixture, b *browser) url.Values {
			form := b.certificate(bob).form()
			token := []byte(form.Get("certificatetoken"))
			token[40] ^= 1
			form.Set("certificatetoken", string(token))
			return form
		}, "certificate token: sealed text"},
		"a ctx in its place": {func(f *fixture, b *browser) url.Values {
			form := b.certificate(bob).form()
			form.Set("certificatetoken", form.Get("ctx"))
			return form
		}, "certificate token: sealed text"},
		"forged ctx": {func(f *fixture, b *browser) url.Values {
			form := b.certificate(bob).form()
			form.Set("ctx", "A"+form.Get("ctx")[1:])
			form.Set("ctx", form.Get("ctx")[:len(form.Get("ctx"))-8]+"AAAAAAAA")
			return form
		}, "ctx: sealed text"},
		"of another service": {func(f *fixture, b *browser) url.Values {
			other := newFixture(t, func(f *fixture) { f.sealKey = []byte("a key of 32 bytes of an attacker") })
			form := b.certificate(bob).form()
			form.Set("certificatetoken", other.browser(bobs()).certificate(bob).form().Get("certificatetoken"))
			return form
		}, "certificate token: sealed text"},
		"old certificate token": {func(f *fixture, b *browser) url.Values {
			form := b.certificate(bob).form()
			f.wait(5*time.Minute + time.Second)
			return form
		}, "certificate token: sealed text"},
		"old ctx": {func(f *fixture, b *browser) url.Values {
			form := b.certificate(bob).form()
			f.wait(30*time.Minute + time.Second)
			return form
		}, "ctx: sealed text"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			b := f.browser(bobs())
			a := b.post("/login", test.form(f, b))
			assert.Equal(t, http.StatusForbidden, a.status)
			assert.Equal(t, "AADSTS50089", a.code())
			assert.Contains(t, f.log.String(), test.log)
			assert.NotContains(t, a.page, test.log, "the reason is for the log")
		})
	}
}

// TestCode has the attacks on the code.
func TestCode(t *testing.T) {
	set := func(name, value string) func(url.Values) {
		return func(v url.Values) { v.Set(name, value) }
	}
	for name, test := range map[string]struct {
		edit func(url.Values)
		wait time.Duration
		want float64
	}{
		"wrong verifier":        {edit: set("code_verifier", "another verifier, of at least forty-three characters"), want: 501481},
		"no verifier":           {edit: func(v url.Values) { v.Del("code_verifier") }, want: 501481},
		"another client":        {edit: set("client_id", cba.AppID), want: 50011},
		"another redirect":      {edit: set("redirect_uri", "http://127.0.0.1/other"), want: 50011},
		"forged":                {edit: set("code", "AAAA"), want: 70008},
		"another grant type":    {edit: set("grant_type", "password"), want: 900144},
		"a minute and a second": {edit: func(url.Values) {}, wait: 61 * time.Second, want: 70008},
	} {
		f := newFixture(t)
		b := f.browser(bobs())
		_, code := b.login(bob)
		f.wait(test.wait)
		status, body := b.redeem(code, test.edit)
		assert.Equal(t, http.StatusBadRequest, status, name)
		assert.Equal(t, []any{test.want}, body["error_codes"], name)
	}

	f := newFixture(t)
	b := f.browser(bobs())
	_, code := b.login(bob)
	status, _ := b.redeem(code)
	require.Equal(t, http.StatusOK, status)
	_, body := b.redeem(code)
	assert.Equal(t, []any{54005.0}, body["error_codes"], "used twice")

	_, code = b.login(bob)
	_, _ = b.redeem(code, set("code_verifier", "stolen"))
	_, body = b.redeem(code)
	assert.Equal(t, []any{54005.0}, body["error_codes"], "a wrong verifier spends the code")
}

func TestAuthorizeRefuses(t *testing.T) {
	set := func(name, value string) func(url.Values) {
		return func(v url.Values) { v.Set(name, value) }
	}
	f := newFixture(t)
	for name, edit := range map[string]func(url.Values){
		"unknown client":               set("client_id", "other"),
		"redirect of another client":   set("redirect_uri", loginURL+"/app"),
		"redirect with another path":   set("redirect_uri", redirect+"/x"),
		"redirect with a user":         set("redirect_uri", "http://x@127.0.0.1/callback"),
		"redirect to another host":     set("redirect_uri", "http://127.0.0.1.evil.example/callback"),
		"implicit flow":                set("response_type", "id_token"),
		"no challenge":                 set("code_challenge", ""),
		"plain challenge":              set("code_challenge_method", "plain"),
		"no openid":                    set("scope", "profile"),
		"form_post, which is not here": set("response_mode", "form_post"),
	} {
		a := f.browser(bobs()).authorize(edit)
		assert.Equal(t, http.StatusForbidden, a.status, name)
		assert.NotEmpty(t, a.code(), name)
		assert.Empty(t, a.location, name)
	}
	a := f.browser(bobs()).authorize(set("redirect_uri", "http://127.0.0.1:8123/callback"))
	assert.Equal(t, http.StatusOK, a.status, "any port of a loopback address")
}

// TestConnectionIsNotReused signs in two users by one TLS client with a session cache
// and one connection pool: the second must not meet the certificate of the first.
func TestConnectionIsNotReused(t *testing.T) {
	f := newFixture(t)
	b := f.browser(bobs())
	current := bobs()
	b.client = f.httpClient(func(config *tls.Config) {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		config.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) { return current.get(r) }
	})
	b.login(bob)
	current = issue(cardtest.Leaf{UPNs: []string{"alice@contoso.com"}})
	b.login("alice@contoso.com")
	a := b.post("/login", b.certificate(bob).form())
	assert.Equal(t, "AADSTS50034", a.code(), "alice's certificate does not sign in bob")
}

// TestResumedConnection reaches the handler by a server that resumes sessions.
func TestResumedConnection(t *testing.T) {
	f := newFixture(t)
	handler := f.service.CertAuthHandler()
	b := f.browser(bobs())
	form := b.authorize(func(q url.Values) { q.Set("login_hint", bob) }).form()
	r, err := http.NewRequest(http.MethodPost, certAuthURL+"/"+tenant+"/certauth", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.TLS = &tls.ConnectionState{DidResume: true}
	w := newRecorder()
	handler.ServeHTTP(w, r)
	assert.Equal(t, http.StatusForbidden, w.status)
	assert.Contains(t, f.log.String(), "connection is resumed")
}

type recorder struct {
	header http.Header
	status int
	strings.Builder
}

func newRecorder() *recorder { return &recorder{header: make(http.Header)} }

func (r *recorder) Header() http.Header    { return r.header }
func (r *recorder) WriteHeader(status int) { r.status = status }

// TestTwoTabs has two logins in one browser, which end in the other order, each with
// its own state.
func TestTwoTabs(t *testing.T) {
	f := newFixture(t)
	b := f.browser(bobs())
	first := b.certificate(bob).form()
	second := b.authorize(func(q url.Values) { q.Set("state", "state2"); q.Set("login_hint", bob) })
	secondForm := b.post("/certauth", second.form()).form()
	a := b.post("/login", secondForm)
	assert.Contains(t, a.location, "state=state2")
	a = b.post("/login", first)
	assert.Contains(t, a.location, "state=state1")
}

// TestMarkupInNames puts markup into every name that a page shows.
func TestMarkupInNames(t *testing.T) {
	const markup = `<script>alert(1)</script>"'&--><!--`
	f := newFixture(t, func(f *fixture) { f.directory[0].Name = markup })
	b := f.browser(issue(cardtest.Leaf{UPNs: []string{bob}, Subject: markupName(markup)}))
	form := b.authorize().form()
	form.Set("username", markup+"@contoso.com")
	pages := map[string]string{"method": b.post("/credential", form).page}
	pages["hint"] = b.authorize(func(q url.Values) { q.Set("login_hint", markup) }).page
	certificatePage := b.certificate(bob)
	pages["certificate"] = certificatePage.page
	pages["refused"] = b.authorize(func(q url.Values) { q.Set("client_id", markup) }).page

	r, err := b.plain.Get(loginURL + "/?login_hint=" + bob)
	r, err = b.plain.Get(read(t, r, err).location)
	a := b.post("/login", b.post("/certauth", read(t, r, err).form()).form())
	r, err = b.plain.Get(a.location)
	pages["result"] = read(t, r, err).page
	for name, page := range pages {
		assert.NotContains(t, page, "<script", name)
		assert.NotContains(t, strings.ReplaceAll(strings.ReplaceAll(page, "<!--\n$Config=", ""), ";\n-->", ""), "-->", name)
		if name != "refused" {
			assert.Contains(t, page, "&lt;", name)
		}
	}
}

// TestHeaders checks that pages have no scripts and cannot be framed or kept.
func TestHeaders(t *testing.T) {
	f := newFixture(t)
	r, err := f.httpClient().Get(loginURL + "/" + tenant + "/oauth2/v2.0/authorize?" + authorizeQuery().Encode())
	require.NoError(t, err)
	defer r.Body.Close()
	assert.Equal(t, "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'", r.Header.Get("Content-Security-Policy"))
	assert.Equal(t, "no-store", r.Header.Get("Cache-Control"))
	assert.Equal(t, "no-referrer", r.Header.Get("Referrer-Policy"))
	c := r.Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-login=", "Path=/", "Secure", "HttpOnly", "SameSite=None"} {
		assert.Contains(t, c, want)
	}
}

// TestTwoInstances lets each step of a login meet another instance.
func TestTwoInstances(t *testing.T) {
	for name, once := range map[string]func(t *testing.T) func() cba.Once{
		"memory": func(*testing.T) func() cba.Once {
			m := cba.NewMemory(time.Now)
			return func() cba.Once { return m }
		},
		"folder": func(t *testing.T) func() cba.Once {
			dir := t.TempDir()
			return func() cba.Once { return cba.Folder(dir) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			shared := once(t)
			f := newFixture(t, func(f *fixture) { f.once = shared() })
			f.once = shared()
			f.start("login2.cba.test", "certauth2.cba.test")
			addresses := map[string][2]string{}
			for _, host := range []string{"login", "certauth"} {
				one, two := f.servers["login.cba.test"], f.servers["login2.cba.test"]
				if host == "certauth" {
					one, two = f.servers["certauth.login.cba.test"], f.servers["certauth2.cba.test"]
				}
				addresses[host] = [2]string{one, two}
			}
			instance := 0
			next := func(b *browser) {
				b.plain.CloseIdleConnections() // so that the next request dials
				instance = 1 - instance
				f.servers["login.cba.test"], f.servers["certauth.login.cba.test"] = addresses["login"][instance], addresses["certauth"][instance]
			}
			b := f.browser(bobs())
			form := b.authorize().form()
			form.Set("username", bob)
			next(b)
			method := b.post("/credential", form)
			next(b)
			proof := b.post("/certauth", method.form())
			next(b)
			a := b.post("/login", proof.form())
			require.Equal(t, http.StatusFound, a.status, f.log.String())
			next(b)
			again := b.post("/login", proof.form())
			assert.Equal(t, "AADSTS50089", again.code(), "used at the other instance")
			u, err := url.Parse(a.location)
			require.NoError(t, err)
			status, _ := b.redeem(u.Query().Get("code"))
			assert.Equal(t, http.StatusOK, status)
			next(b)
			_, body := b.redeem(u.Query().Get("code"))
			assert.Equal(t, []any{54005.0}, body["error_codes"], "redeemed at the other instance")
		})
	}
}

// TestUnknownUserIsNotTold compares the pages for a user and for no user.
func TestUnknownUserIsNotTold(t *testing.T) {
	f := newFixture(t)
	b := f.browser(bobs())
	form := b.authorize().form()
	form.Set("username", "carol@contoso.com")
	assert.Contains(t, b.post("/credential", form).page, "Use a certificate or smart card")
	assert.Equal(t, "AADSTS50034", b.post("/login", b.certificate("carol@contoso.com").form()).code())
	form.Set("username", " ")
	assert.Equal(t, "AADSTS900144", b.post("/credential", form).code())
}
