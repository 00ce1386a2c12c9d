package entra

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // the hash of RSA-OAEP (RFC 7518, 4.3)
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/upn"
)

const (
	// brokerID is the client that asks for a primary refresh token (MS-OAPXBC,
	// note 4).
	brokerID = "38aa3b87-a06d-4817-b275-7a316988d93b"

	grantJWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

	// assertionValid is how long an assertion of a user is valid.
	assertionValid = 5 * time.Minute

	sessionKeyLength = 32
	contextLength    = 24
)

// Assertion returns the message by which a user authenticates with a certificate
// (MS-OAPXBC 3.2.5.1.2.1.4), by document, not proven against Entra ID. chain is DER,
// the certificate of the key first. user is the name of a [upn.SignIn], audience the
// issuer identifier of the server, from the client's own configuration.
//
// The message has no nonce: it can be replayed until it expires after five minutes,
// except that it counts only in a request of a joined machine.
func Assertion(key crypto.Signer, chain [][]byte, user, audience string, now time.Time) (string, error) {
	if key == nil {
		return "", errors.New("entra: assertion: no key")
	}
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return "", fmt.Errorf("entra: assertion: %w", ErrRS256)
	}
	if len(chain) > 0 {
		c, err := x509.ParseCertificate(chain[0])
		if err != nil {
			return "", fmt.Errorf("entra: assertion: %w", err)
		}
		if !public.Equal(c.PublicKey) {
			return "", errors.New("entra: assertion: key is not the certificate's")
		}
	}
	claims := struct {
		Issuer   string `json:"iss"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
		Audience string `json:"aud"`
	}{user, now.Unix(), now.Add(assertionValid).Unix(), audience}
	text, err := signRS256(key, public, x5cHeader{Type: "JWT", Algorithm: "RS256", X5C: chain}, claims)
	if err != nil {
		return "", fmt.Errorf("entra: assertion: %w", err)
	}
	return text, nil
}

// A Device is a joined machine: its certificate, in DER, and its keys. Both keys are
// RSA.
type Device struct {
	Certificate []byte
	Key         crypto.Signer    // of the certificate
	Transport   crypto.Decrypter // decrypts session keys
}

// Request returns the request for a primary refresh token (MS-OAPXBC 3.2.5.1.2.1),
// by document, not proven against Entra ID: it is signed by the machine and has the
// user's assertion. kdf is the version of key derivation that the server shall use
// (see [DeriveKey]).
func (d *Device) Request(nonce, assertion string, kdf int) (string, error) {
	if d.Key == nil {
		return "", errors.New("entra: request of the machine: no key")
	}
	public, ok := d.Key.Public().(*rsa.PublicKey)
	if !ok {
		return "", fmt.Errorf("entra: request of the machine: %w", ErrRS256)
	}
	header := x5cHeader{Type: "JWT", Algorithm: "RS256", X5C: [][]byte{d.Certificate}}
	if kdf == 2 {
		header.KDF = 2
	}
	claims := struct {
		ClientID  string `json:"client_id"`
		Scope     string `json:"scope"`
		Nonce     string `json:"request_nonce"`
		Grant     string `json:"grant_type"`
		Assertion string `json:"assertion"`
	}{brokerID, "openid aza", nonce, grantJWT, assertion}
	text, err := signRS256(d.Key, public, header, claims)
	if err != nil {
		return "", fmt.Errorf("entra: request of the machine: %w", err)
	}
	return text, nil
}

// SessionKey returns the session key in the session_key_jwe of a response. Only the
// encrypted key of the JWE counts.
func (d *Device) SessionKey(text string) ([]byte, error) {
	if d.Transport == nil {
		return nil, errors.New("entra: session key: machine has no transport key")
	}
	j, err := parseJWE(text)
	if err != nil {
		return nil, fmt.Errorf("entra: session key: %w", err)
	}
	if j.header.Algorithm != "RSA-OAEP" {
		return nil, fmt.Errorf("entra: session key: %w: algorithm %.32q", ErrFlow, j.header.Algorithm)
	}
	key, err := d.Transport.Decrypt(rand.Reader, j.encryptedKey, &rsa.OAEPOptions{Hash: crypto.SHA1})
	if err != nil {
		return nil, fmt.Errorf("entra: session key: %w", err)
	}
	if len(key) != sessionKeyLength {
		return nil, fmt.Errorf("entra: session key: %w: %d bytes", ErrFlow, len(key))
	}
	return key, nil
}

// DeriveKey derives the key of one message from a session key (NIST SP 800-108,
// counter mode, HMAC-SHA256, label AzureAD-SecureConversation). nonce is the ctx of
// the message's header. In version 2 the payload of the JWT is part of the
// derivation; version 1 does not use it.
func DeriveKey(session, nonce, payload []byte, version int) ([]byte, error) {
	switch {
	case len(session) != sessionKeyLength:
		return nil, fmt.Errorf("entra: session key has %d bytes, not %d", len(session), sessionKeyLength)
	case len(nonce) == 0:
		return nil, errors.New("entra: key derivation has no nonce")
	case version == 2:
		sum := sha256.Sum256(append(append([]byte(nil), nonce...), payload...))
		nonce = sum[:]
	case version != 1:
		return nil, fmt.Errorf("entra: unsupported key derivation version %d", version)
	}
	mac := hmac.New(sha256.New, session)
	// Counter, label, a zero byte, context, and the length of the key in bits.
	mac.Write([]byte{0, 0, 0, 1})
	mac.Write([]byte("AzureAD-SecureConversation\x00"))
	mac.Write(nonce)
	mac.Write(binary.BigEndian.AppendUint32(nil, 8*sha256.Size))
	return mac.Sum(nil), nil
}

// A Session is a primary refresh token with its session key, by document, not proven
// against Entra ID.
type Session struct {
	RefreshToken string
	Key          []byte // secret
	KDF          int    // version of key derivation, 1 or 2
	Expires      time.Duration
	Claims       Claims // of the ID token, which is not verified
}

// String returns no secrets.
func (s Session) String() string {
	return "primary refresh token of " + strconv.Quote(s.Claims.Username)
}

// GoString returns no secrets.
func (s Session) GoString() string { return s.String() }

// sessionHeader is the header of a message that is signed with a derived key.
type sessionHeader struct {
	Type      string `json:"typ"`
	Algorithm string `json:"alg"`
	Context   []byte `json:"ctx"`
	KDF       int    `json:"kdf_ver,omitempty"`
}

func (s *Session) sign(claims any) (string, error) {
	header := sessionHeader{Type: "JWT", Algorithm: "HS256", Context: make([]byte, contextLength)}
	if _, err := rand.Read(header.Context); err != nil {
		return "", err
	}
	if s.KDF == 2 {
		header.KDF = 2
	}
	input, payload, err := signingInput(header, claims)
	if err != nil {
		return "", err
	}
	key, err := DeriveKey(s.Key, header.Context, payload, s.KDF)
	if err != nil {
		return "", err
	}
	return signHS256(key, input), nil
}

// Cookie returns the value of the header x-ms-RefreshTokenCredential, with which a
// browser signs in by the primary refresh token (MS-OAPXBC 3.2.5.2.1.1.1). nonce is
// of [Client.RequestNonce].
func (s *Session) Cookie(nonce string) (string, error) {
	return s.sign(struct {
		RefreshToken string `json:"refresh_token"`
		Nonce        string `json:"request_nonce"`
	}{s.RefreshToken, nonce})
}

// Request returns the request for tokens for a client (MS-OAPXBC 3.2.5.1.3).
func (s *Session) Request(clientID, scope string, now time.Time) (string, error) {
	return s.sign(struct {
		ClientID     string `json:"client_id"`
		Scope        string `json:"scope"`
		IssuedAt     int64  `json:"iat"`
		Expires      int64  `json:"exp"`
		Grant        string `json:"grant_type"`
		RefreshToken string `json:"refresh_token"`
	}{clientID, scope, now.Unix(), now.Add(assertionValid).Unix(), "refresh_token", s.RefreshToken})
}

// Open decrypts the response to a Request.
func (s *Session) Open(text string) ([]byte, error) {
	j, err := parseJWE(text)
	if err != nil {
		return nil, fmt.Errorf("entra: response: %w", err)
	}
	if j.header.Algorithm != "dir" || len(j.encryptedKey) > 0 {
		return nil, fmt.Errorf("entra: response: %w: algorithm %.32q", ErrFlow, j.header.Algorithm)
	}
	key, err := DeriveKey(s.Key, j.header.Context, nil, 1)
	if err != nil {
		return nil, err
	}
	plain, err := j.open(key)
	if err != nil {
		return nil, fmt.Errorf("entra: response: %w", err)
	}
	return plain, nil
}

// http returns the client for the messages of joined machines.
func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return http.DefaultClient
}

// postV1 posts to the token endpoint of version 1.0. Its response may be JSON or a JWE.
func (c *Client) postV1(ctx context.Context, form url.Values) (reply, error) {
	authority, err := url.Parse(c.Authority)
	if err != nil || authority.Scheme != "https" || authority.Host == "" {
		return reply{}, fmt.Errorf("authority %.200q is not an https URL", c.Authority)
	}
	return post(ctx, c.http(), c.Authority+"/oauth2/token", form)
}

// RequestNonce requests a nonce (MS-OAPXBC 3.2.5.1.1).
func (c *Client) RequestNonce(ctx context.Context) (string, error) {
	response, err := c.postV1(ctx, url.Values{"grant_type": {"srv_challenge"}})
	if err != nil {
		return "", fmt.Errorf("entra: nonce: %w", err)
	}
	var n struct{ Nonce string }
	if err := json.Unmarshal(response.body, &n); err != nil || response.status != http.StatusOK || n.Nonce == "" {
		return "", fmt.Errorf("entra: nonce: %w", response.refusedJSON())
	}
	return n.Nonce, nil
}

// PrimaryRefreshToken requests the primary refresh token of a user with a certificate at a joined
// machine, by document, not proven against Entra ID. key and chain are those of
// [Assertion]; issuer is the issuer identifier of the server.
func (c *Client) PrimaryRefreshToken(ctx context.Context, d *Device, key crypto.Signer, chain [][]byte, name upn.Name, issuer string, kdf int) (*Session, error) {
	nonce, err := c.RequestNonce(ctx)
	if err != nil {
		return nil, err
	}
	assertion, err := Assertion(key, chain, name.Value, issuer, time.Now())
	if err != nil {
		return nil, err
	}
	request, err := d.Request(nonce, assertion, kdf)
	if err != nil {
		return nil, err
	}
	response, err := c.postV1(ctx, url.Values{"grant_type": {grantJWT}, "request": {request}})
	if err != nil {
		return nil, fmt.Errorf("entra: primary refresh token: %w", err)
	}
	var t struct {
		Type    string `json:"token_type"`
		Refresh string `json:"refresh_token"`
		Expires int64  `json:"refresh_token_expires_in"`
		Key     string `json:"session_key_jwe"`
		ID      string `json:"id_token"`
	}
	if response.status != http.StatusOK {
		return nil, fmt.Errorf("entra: primary refresh token: %w", response.refusedJSON())
	}
	if err := json.Unmarshal(response.body, &t); err != nil || t.Type != "pop" || t.Refresh == "" {
		return nil, fmt.Errorf("entra: primary refresh token: %w: no token", ErrFlow)
	}
	s := &Session{RefreshToken: t.Refresh, KDF: max(kdf, 1), Expires: time.Duration(min(max(t.Expires, 0), 1<<30)) * time.Second}
	if s.Key, err = d.SessionKey(t.Key); err != nil {
		return nil, err
	}
	if all, err := parsePayload(t.ID); err == nil {
		s.Claims = claimsOf(all)
	}
	return s, nil
}

// Tokens requests tokens for c by the primary refresh token.
func (c *Client) Tokens(ctx context.Context, s *Session) (*Tokens, error) {
	request, err := s.Request(c.ClientID, strings.Join(c.Scopes, " "), time.Now())
	if err != nil {
		return nil, err
	}
	response, err := c.postV1(ctx, url.Values{"grant_type": {grantJWT}, "request": {request}})
	if err != nil {
		return nil, fmt.Errorf("entra: tokens: %w", err)
	}
	if response.status != http.StatusOK {
		return nil, fmt.Errorf("entra: tokens: %w", response.refusedJSON())
	}
	plain, err := s.Open(string(response.body))
	if err != nil {
		return nil, err
	}
	t, err := parseTokens(plain)
	if err != nil {
		return nil, fmt.Errorf("entra: tokens: %w", err)
	}
	if all, err := parsePayload(t.ID); err == nil {
		t.Claims = claimsOf(all)
	}
	return t, nil
}
