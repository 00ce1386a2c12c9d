package cba_test

import (
	"crypto/rsa"
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/entra"
	"github.com/smartlogon/smartlogon/examples/internal/cba"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// join returns a registered machine and a fixture that knows it.
func join(t testing.TB, change ...func(*fixture)) (*fixture, *entra.Device) {
	t.Helper()
	key, transport := cardtest.Key(cardtest.RSA2048, 1), cardtest.Key(cardtest.RSA2048, 2).(*rsa.PrivateKey)
	machine := issue(cardtest.Leaf{Key: key, Subject: markupName("machine 1")})
	d := &entra.Device{Certificate: machine.der, Key: key, Transport: transport}
	f := newFixture(t, append(change, func(f *fixture) {
		f.policy.Devices = []cba.Device{{ID: "machine 1", Certificate: machine.parsed(t), TransportKey: &transport.PublicKey}}
	})...)
	return f, d
}

// TestPrimaryRefreshToken signs in at a joined machine with a key on a card, and then
// in a browser and in a program without the card.
func TestPrimaryRefreshToken(t *testing.T) {
	for _, kdf := range []int{1, 2} {
		f, d := join(t, func(f *fixture) { f.policy.Clients[0].Require.MultiFactor = true })
		c := bobs()
		software := cardtest.PIV().Put("9A", c.key, c.der)
		service := cardtest.NewService(software)
		defer service.Close()
		finder := enumerate.Finder{Service: service}
		credentials, err := finder.Offered(t.Context())
		require.NoError(t, err)
		key, err := credentials[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		defer key.Close()
		name, err := upn.SignIn{}.Name(credentials[0].Names)
		require.NoError(t, err)

		client := f.client(c)
		session, err := client.PrimaryRefreshToken(t.Context(), d, key, [][]byte{c.der}, name, issuer, kdf)
		require.NoError(t, err, f.log.String())
		assert.True(t, session.Claims.MultiFactor())
		assert.Equal(t, bob, session.Claims.Username)
		assert.Equal(t, 14*24*time.Hour, session.Expires)
		require.NoError(t, key.Close())

		tokens, err := client.Tokens(t.Context(), session)
		require.NoError(t, err, f.log.String())
		assert.True(t, tokens.Claims.MultiFactor())
		assert.Equal(t, bob, tokens.Claims.Username)

		b := f.browser(c)
		a := f.withCookie(b, client, session)
		require.Equal(t, http.StatusFound, a.status, f.log.String())
		u, err := url.Parse(a.location)
		require.NoError(t, err)
		status, _ := b.redeem(u.Query().Get("code"))
		assert.Equal(t, http.StatusOK, status)
	}
}

// withCookie requests the sign-in page with the header of a joined machine's browser.
func (f *fixture) withCookie(b *browser, client *entra.Client, s *entra.Session) response {
	f.t.Helper()
	nonce, err := client.RequestNonce(f.t.Context())
	require.NoError(f.t, err)
	text, err := s.Cookie(nonce)
	require.NoError(f.t, err)
	return b.authorizeWith(text)
}

func (b *browser) authorizeWith(text string) response {
	r, err := http.NewRequest(http.MethodGet, loginURL+"/"+tenant+"/oauth2/v2.0/authorize?"+authorizeQuery().Encode(), nil)
	require.NoError(b.t, err)
	r.Header.Set("x-ms-RefreshTokenCredential", text)
	response, err := b.plain.Do(r)
	return read(b.t, response, err)
}

func TestJoinedRefuses(t *testing.T) {
	c := bobs()
	name := hint(t, bob)
	join1 := func(f *fixture, d *entra.Device, c certificate, name upn.Name, issuer string) error {
		_, err := f.client(c).PrimaryRefreshToken(t.Context(), d, c.key, [][]byte{c.der}, name, issuer, 2)
		return err
	}
	f, d := join(t)
	require.NoError(t, join1(f, d, c, name, issuer))

	assert.Equal(t, 50034, code(t, join1(f, d, c, hint(t, "alice@contoso.com"), issuer)), "another user")
	assert.Equal(t, 900144, code(t, join1(f, d, c, name, "https://other.example")), "another audience")
	stranger := *d
	stranger.Certificate = issue(cardtest.Leaf{Key: d.Key, Subject: markupName("machine 2")}).der
	assert.Equal(t, 900144, code(t, join1(f, &stranger, c, name, issuer)), "a machine that is not registered")
	thief := *d
	thief.Key = cardtest.Key(cardtest.RSA2048, 0)
	assert.Equal(t, 900144, code(t, join1(f, &thief, c, name, issuer)), "the certificate of a machine without its key")
	curve := issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{bob}})
	assert.ErrorIs(t, join1(f, d, curve, name, issuer), entra.ErrRS256)
	f.wait(25 * time.Hour)
	f.revoke(c.parsed(t).SerialNumber)
	assert.NotZero(t, code(t, join1(f, d, c, name, issuer)), "revoked")
}

// postV1 posts to the token endpoint of joined machines, and returns the log's new lines.
func (f *fixture) postV1(form url.Values) (status int, log string) {
	f.t.Helper()
	before := len(f.log.String())
	r, err := f.httpClient().PostForm(loginURL+"/"+tenant+"/oauth2/token", form)
	a := read(f.t, r, err)
	return a.status, f.log.String()[before:]
}

func TestJoinedReplays(t *testing.T) {
	f, d := join(t)
	c := bobs()
	client := f.client(c)
	request := func(nonce, assertion string) url.Values {
		text, err := d.Request(nonce, assertion, 2)
		require.NoError(t, err)
		return url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "request": {text}}
	}
	nonce := func() string {
		n, err := client.RequestNonce(t.Context())
		require.NoError(t, err)
		return n
	}
	assertion := func(now time.Time) string {
		text, err := entra.Assertion(c.key, [][]byte{c.der}, bob, issuer, now)
		require.NoError(t, err)
		return text
	}
	first := assertion(time.Now())
	used := nonce()
	status, log := f.postV1(request(used, first))
	require.Equal(t, http.StatusOK, status, log)
	for name, test := range map[string]struct {
		form url.Values
		log  string
	}{
		"nonce used before":      {request(used, assertion(time.Now().Add(-time.Second))), "used before"},
		"assertion used before":  {request(nonce(), first), "used before"},
		"no nonce":               {request("", assertion(time.Now().Add(-2*time.Second))), "nonce: sealed text"},
		"expired assertion":      {request(nonce(), assertion(time.Now().Add(-5*time.Minute))), "assertion is not valid now"},
		"assertion to come":      {request(nonce(), assertion(time.Now().Add(2*time.Minute))), "assertion is not valid now"},
		"no assertion":           {request(nonce(), ""), "header of a token"},
		"changed assertion":      {request(nonce(), first[:len(first)-4]+"AAAA"), "token: "},
		"another grant":          {url.Values{"grant_type": {"password"}}, "grant type"},
		"request is not a token": {url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "request": {"x"}}, "header of a token"},
	} {
		status, log := f.postV1(test.form)
		assert.Equal(t, http.StatusBadRequest, status, name)
		assert.Contains(t, log, test.log, name)
	}

	old := nonce()
	f.wait(10*time.Minute + time.Second)
	_, log = f.postV1(request(old, assertion(f.now())))
	assert.Contains(t, log, "nonce: sealed text", "ten minutes")
}

// TestCookieRefuses has the attacks on the header of a joined machine's browser.
func TestCookieRefuses(t *testing.T) {
	f, d := join(t)
	c := bobs()
	client := f.client(c)
	session, err := client.PrimaryRefreshToken(t.Context(), d, c.key, [][]byte{c.der}, hint(t, bob), issuer, 2)
	require.NoError(t, err)
	nonce, err := client.RequestNonce(t.Context())
	require.NoError(t, err)
	text, err := session.Cookie(nonce)
	require.NoError(t, err)
	b := f.browser(c)
	require.Equal(t, http.StatusFound, b.authorizeWith(text).status, f.log.String())
	assert.Equal(t, "AADSTS50089", b.authorizeWith(text).code(), "replayed")

	other := *session
	other.Key = make([]byte, 32)
	assert.Equal(t, "AADSTS900144", f.withCookie(b, client, &other).code(), "without the session key")
	other = *session
	other.RefreshToken = "x"
	assert.Equal(t, "AADSTS70008", f.withCookie(b, client, &other).code(), "without the refresh token")
	assert.Equal(t, "AADSTS900144", b.authorizeWith("x.y").code())

	// The requirements of a client hold for it, too.
	f.policy.Clients[0].Require.IssuerSKIs = []string{"00"}
	assert.Equal(t, "AADSTS53003", f.withCookie(b, client, session).code())
	f.wait(14*24*time.Hour + time.Second)
	assert.Equal(t, "AADSTS70008", f.withCookie(b, client, session).code(), "after two weeks")
}

// TestSingleFactor: a primary refresh token of a single-factor certificate has no
// multifactor claim.
func TestSingleFactor(t *testing.T) {
	f, d := join(t, func(f *fixture) { f.policy.Strength.Default = mapping.SingleFactor })
	c := bobs()
	session, err := f.client(c).PrimaryRefreshToken(t.Context(), d, c.key, [][]byte{c.der}, hint(t, bob), issuer, 1)
	require.NoError(t, err)
	assert.Equal(t, []string{"rsa"}, session.Claims.Methods)
}

// The certauth host takes certificates only; the login host asks for none.
func TestHostsAreApart(t *testing.T) {
	f := newFixture(t)
	asked := false
	client := f.httpClient(func(c *tls.Config) {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return new(tls.Certificate), nil
		}
	})
	for _, path := range []string{"/", "/" + tenant + "/v2.0/.well-known/openid-configuration"} {
		r, err := client.Get(loginURL + path)
		read(t, r, err)
	}
	assert.False(t, asked)
	r, err := client.Get(certAuthURL + "/" + tenant + "/oauth2/v2.0/authorize")
	assert.Equal(t, http.StatusNotFound, read(t, r, err).status)
	assert.True(t, asked)
	assert.False(t, strings.Contains(f.log.String(), "signed in"))
}
