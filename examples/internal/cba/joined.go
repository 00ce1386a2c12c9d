package cba

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/smartlogon/smartlogon/enumerate/entra"
)

// cookieHeader has the primary refresh token of a joined machine's browser (MS-OAPXBC
// 3.2.5.2.1.1.1).
const cookieHeader = "x-ms-RefreshTokenCredential"

const (
	grantJWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

	forNonce   = "nonce"
	forRefresh = "refresh"

	nonceValid     = 10 * time.Minute // as AD FS (note 5)
	refreshValid   = 14 * 24 * time.Hour
	assertionValid = 10 * time.Minute
	clockSkew      = time.Minute
)

// A joinedSession is a primary refresh token. Its key travels in it, sealed.
type joinedSession struct {
	Device string
	Key    []byte
	Claims claims
}

// joinedToken serves the messages of joined machines, by document.
func (s *Service) joinedToken(w http.ResponseWriter, r *http.Request) {
	switch grant := r.PostFormValue("grant_type"); grant {
	case "srv_challenge":
		nonce, _ := s.Seal.Seal(forNonce, "", nonceValid)
		writeJSON(w, http.StatusOK, map[string]string{"Nonce": nonce})
	case grantJWT:
		text := r.PostFormValue("request")
		header, err := readHeader(text)
		if err == nil && header.Algorithm == "HS256" {
			err = s.tokensByRefresh(w, text)
		} else if err == nil {
			err = s.primaryRefreshToken(w, r, text, header)
		}
		if err != nil {
			s.refuseJSON(w, r, "invalid_grant", err)
		}
	default:
		s.refuseJSON(w, r, "unsupported_grant_type", refuse(badRequest, fmt.Errorf("grant type %.64q", grant)))
	}
}

// A header is that of a JWT before its signature is verified.
type header struct {
	Algorithm string   `json:"alg"`
	X5C       [][]byte `json:"x5c"`
	Context   []byte   `json:"ctx"`
	KDF       int      `json:"kdf_ver"`
}

func readHeader(text string) (h header, err error) {
	first, _, _ := strings.Cut(text, ".")
	b, err := base64.RawURLEncoding.DecodeString(first)
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil {
		return h, refuse(badRequest, fmt.Errorf("header of a token: %w", err))
	}
	return h, nil
}

// verifyRS256 verifies a token with the key of a certificate and reads its claims.
func verifyRS256(text string, c *x509.Certificate, claims any) error {
	if _, ok := c.PublicKey.(*rsa.PublicKey); !ok {
		return refuse(badRequest, errors.New("certificate of a token has no RSA key"))
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256})
	if err == nil {
		err = token.Claims(c.PublicKey, claims)
	}
	if err != nil {
		return refuse(badRequest, fmt.Errorf("token: %w", err))
	}
	return nil
}

// useNonce takes a nonce out of circulation.
func (s *Service) useNonce(text string) error {
	var none string
	opened, err := s.Seal.Open(forNonce, text, &none)
	if err != nil {
		return refuse(noState, fmt.Errorf("nonce: %w", err))
	}
	return s.use(opened, noState)
}

// primaryRefreshToken serves 3.2.5.1.2.1.4.
func (s *Service) primaryRefreshToken(w http.ResponseWriter, r *http.Request, text string, h header) error {
	if len(h.X5C) == 0 {
		return refuse(badRequest, errors.New("request of a machine has no certificate"))
	}
	i := slices.IndexFunc(s.Judge.Policy.Devices, func(d Device) bool { return string(d.Certificate.Raw) == string(h.X5C[0]) })
	if i < 0 {
		return refuse(badRequest, errors.New("machine is not registered"))
	}
	device := s.Judge.Policy.Devices[i]
	var request struct {
		Nonce     string `json:"request_nonce"`
		Grant     string `json:"grant_type"`
		Assertion string `json:"assertion"`
	}
	if err := verifyRS256(text, device.Certificate, &request); err != nil {
		return err
	}
	if err := s.useNonce(request.Nonce); err != nil {
		return err
	}
	if request.Grant != grantJWT {
		return refuse(badRequest, fmt.Errorf("grant type %.64q in the request of a machine", request.Grant))
	}
	result, err := s.byAssertion(r.Context(), request.Assertion)
	if err != nil {
		return err
	}
	session := joinedSession{Device: device.ID, Key: make([]byte, 32), Claims: s.Tokens.describe(result)}
	if _, err := rand.Read(session.Key); err != nil {
		return refuse(invalidCertificate, err)
	}
	refresh, _ := s.Seal.Seal(forRefresh, session, refreshValid)
	wrapped, err := wrapKey(device.TransportKey, session.Key)
	if err != nil {
		return refuse(invalidCertificate, err)
	}
	id, err := s.Tokens.sign("38aa3b87-a06d-4817-b275-7a316988d93b", "", session.Claims)
	if err != nil {
		return refuse(invalidCertificate, err)
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"token_type": "pop", "refresh_token": refresh, "refresh_token_expires_in": int(refreshValid.Seconds()), "session_key_jwe": wrapped, "id_token": id,
	})
	return nil
}

// wrapKey returns a JWE whose content encryption key is the session key (RFC 7516, 7.1,
// with RSA-OAEP and A256GCM). Its content is empty. go-jose chooses that key itself.
func wrapKey(to *rsa.PublicKey, key []byte) (string, error) {
	encrypted, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, to, key, nil)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	protected := encode([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM"}`))
	tag := aead.Seal(nil, nonce, nil, []byte(protected))
	return strings.Join([]string{protected, encode(encrypted), encode(nonce), "", encode(tag)}, "."), nil
}

// byAssertion signs in the user of an assertion. An assertion counts once: it has no
// nonce of its own.
func (s *Service) byAssertion(ctx context.Context, text string) (*SignIn, error) {
	h, err := readHeader(text)
	if err != nil {
		return nil, err
	}
	if len(h.X5C) == 0 {
		return nil, refuse(badRequest, errors.New("assertion has no certificate"))
	}
	leaf, err := x509.ParseCertificate(h.X5C[0])
	if err != nil {
		return nil, refuse(invalidCertificate, err)
	}
	var a struct {
		Issuer   string `json:"iss"`
		Audience string `json:"aud"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}
	if err := verifyRS256(text, leaf, &a); err != nil {
		return nil, err
	}
	now, issued, expires := s.Tokens.now(), time.Unix(a.IssuedAt, 0), time.Unix(a.Expires, 0)
	switch {
	case a.Audience != s.Tokens.issuer:
		return nil, refuse(badRequest, fmt.Errorf("assertion is for %.200q", a.Audience))
	case issued.After(now.Add(clockSkew)) || !now.Before(expires) || expires.Sub(issued) > assertionValid:
		return nil, refuse(codeExpired, errors.New("assertion is not valid now"))
	}
	sum := sha256.Sum256([]byte(text))
	if err := s.use(Opened{base64.RawURLEncoding.EncodeToString(sum[:]), expires}, codeUsed); err != nil {
		return nil, err
	}
	return s.Judge.SignIn(ctx, a.Issuer, leaf.Raw)
}

// openRefresh verifies a token that is signed with a derived key, and reads its claims.
func (s *Service) openRefresh(text string, into any) (joinedSession, error) {
	var session joinedSession
	h, err := readHeader(text)
	if err != nil {
		return session, err
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 || h.Algorithm != "HS256" {
		return session, refuse(badRequest, errors.New("token is not HS256"))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return session, refuse(badRequest, err)
	}
	var named struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(payload, &named); err != nil {
		return session, refuse(badRequest, err)
	}
	if _, err := s.Seal.Open(forRefresh, named.RefreshToken, &session); err != nil {
		return session, refuse(codeExpired, fmt.Errorf("refresh token: %w", err))
	}
	if !slices.ContainsFunc(s.Judge.Policy.Devices, func(d Device) bool { return d.ID == session.Device }) {
		return session, refuse(badRequest, errors.New("machine is no longer registered"))
	}
	if user := s.Judge.Directory.Find(session.Claims.UPN); user == nil {
		return session, refuse(noUniqueUser, fmt.Errorf("no account %.64q", session.Claims.UPN))
	}
	key, err := entra.DeriveKey(session.Key, h.Context, payload, max(h.KDF, 1))
	if err != nil {
		return session, refuse(badRequest, err)
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.HS256})
	if err == nil {
		err = token.Claims(key, into)
	}
	if err != nil {
		return session, refuse(badRequest, fmt.Errorf("token: %w", err))
	}
	return session, nil
}

// tokensByRefresh serves 3.2.5.1.3.
func (s *Service) tokensByRefresh(w http.ResponseWriter, text string) error {
	var q struct {
		ClientID string `json:"client_id"`
		Scope    string `json:"scope"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
		Grant    string `json:"grant_type"`
	}
	session, err := s.openRefresh(text, &q)
	if err != nil {
		return err
	}
	now := s.Tokens.now()
	i := slices.IndexFunc(s.Judge.Policy.Clients, func(c Client) bool { return c.ID == q.ClientID })
	switch {
	case q.Grant != "refresh_token":
		return refuse(badRequest, fmt.Errorf("grant type %.64q in the request of a machine", q.Grant))
	case time.Unix(q.IssuedAt, 0).After(now.Add(clockSkew)) || !now.Before(time.Unix(q.Expires, 0)):
		return refuse(codeExpired, errors.New("request is not valid now"))
	case i < 0:
		return refuse(notSupported, fmt.Errorf("client %.64q", q.ClientID))
	}
	if err := s.strongEnough(s.Judge.Policy.Clients[i].Require, session.Claims, nil); err != nil {
		return err
	}
	id, err := s.Tokens.sign(q.ClientID, "", session.Claims)
	if err != nil {
		return refuse(invalidCertificate, err)
	}
	access, err := s.Tokens.sign("api://"+q.ClientID, "", session.Claims)
	if err != nil {
		return refuse(invalidCertificate, err)
	}
	response, err := json.Marshal(map[string]any{"token_type": "Bearer", "expires_in": int(tokenValid.Seconds()), "scope": q.Scope, "id_token": id, "access_token": access})
	if err != nil {
		return refuse(invalidCertificate, err)
	}
	encrypted, err := encryptResponse(session.Key, response)
	if err != nil {
		return refuse(invalidCertificate, err)
	}
	w.Header().Set("Content-Type", "application/jose")
	_, _ = w.Write([]byte(encrypted))
	return nil
}

// encryptResponse encrypts with a key that is derived for this response.
func encryptResponse(session, response []byte) (string, error) {
	nonce := make([]byte, 24)
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	key, err := entra.DeriveKey(session, nonce, nil, 1)
	if err != nil {
		return "", err
	}
	options := (&jose.EncrypterOptions{}).WithHeader("ctx", base64.StdEncoding.EncodeToString(nonce)).WithHeader("kid", "session")
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: key}, options)
	if err != nil {
		return "", err
	}
	j, err := encrypter.Encrypt(response)
	if err != nil {
		return "", err
	}
	return j.CompactSerialize()
}

// byCookie signs in by the primary refresh token of a joined machine's browser.
func (s *Service) byCookie(w http.ResponseWriter, r *http.Request, req request, text string) error {
	var q struct {
		Nonce string `json:"request_nonce"`
	}
	session, err := s.openRefresh(text, &q)
	if err != nil {
		return err
	}
	if err := s.useNonce(q.Nonce); err != nil {
		return err
	}
	return s.grant(w, r, req, session.Claims, nil)
}
