package cba

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// tokenValid is how long tokens are valid.
const tokenValid = time.Hour

// Tokens signs tokens.
type Tokens struct {
	issuer string
	signer jose.Signer
	keys   jose.JSONWebKeySet
	now    func() time.Time
}

// NewTokens returns the Tokens of an issuer, signed with RS256.
func NewTokens(issuer string, key *rsa.PrivateKey, now func() time.Time) (*Tokens, error) {
	public := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	id := base64.RawURLEncoding.EncodeToString(public[:12])
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", id))
	if err != nil {
		return nil, fmt.Errorf("cba: %w", err)
	}
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: id, Algorithm: "RS256", Use: "sig"}}}
	return &Tokens{issuer, signer, keys, now}, nil
}

// claims say who signed in, and how.
type claims struct {
	Subject  string    `json:"sub"`
	UPN      string    `json:"upn"`
	Username string    `json:"preferred_username"`
	Name     string    `json:"name,omitempty"`
	AMR      []string  `json:"amr"`
	Binding  string    `json:"binding,omitempty"`
	Strength string    `json:"strength,omitempty"`
	Findings []finding `json:"findings,omitempty"`
	AuthTime int64     `json:"auth_time,omitempty"`
}

// A finding is the verdict of a rule of Windows on the certificate.
type finding struct {
	Rule    string `json:"rule"`
	Verdict string `json:"verdict"`
	Detail  string `json:"detail"`
}

// describe returns the claims of a sign-in.
func (t *Tokens) describe(s *SignIn) claims {
	subject := sha256.Sum256([]byte(t.issuer + "\x00" + s.User.UPN))
	c := claims{
		Subject: base64.RawURLEncoding.EncodeToString(subject[:]), UPN: s.User.UPN, Username: s.User.UPN, Name: s.User.Name,
		AMR: s.methods(), Binding: s.Binding.String(), Strength: s.Strength.String(), AuthTime: t.now().Unix(),
	}
	for _, f := range s.Findings {
		c.Findings = append(c.Findings, finding{string(f.Rule), string(f.Verdict), f.Detail()})
	}
	return c
}

// sign signs a token for an audience.
func (t *Tokens) sign(audience, nonce string, c claims) (string, error) {
	now := t.now()
	return jwt.Signed(t.signer).Claims(c).Claims(struct {
		Issuer   string `json:"iss"`
		Audience string `json:"aud"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
		Nonce    string `json:"nonce,omitempty"`
	}{t.issuer, audience, now.Unix(), now.Add(tokenValid).Unix(), nonce}).Serialize()
}

// discovery serves the provider's metadata (OpenID Connect Discovery 1.0, 3).
func (s *Service) discovery(w http.ResponseWriter, _ *http.Request) {
	base := s.Login + "/" + s.Tenant
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                s.Tokens.issuer,
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query", "fragment"},
		"grant_types_supported":                 []string{"authorization_code"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"code_challenge_methods_supported":      []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"none"},
		"scopes_supported":                      []string{"openid", "profile"},
		"capabilities":                          []string{"kdf_ver2"},
	})
}

func (s *Service) keys(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Tokens.keys)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// credentialType is for programs what the page for the user name is for people.
func (s *Service) credentialType(w http.ResponseWriter, r *http.Request) {
	var q struct{ Username, FlowToken, OriginalRequest string }
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		s.refuseJSON(w, r, "invalid_request", refuse(badRequest, err))
		return
	}
	req, _, err := s.open(q.OriginalRequest, q.FlowToken)
	if err == nil && q.Username == "" {
		err = refuse(badRequest, errors.New("no user name"))
	}
	if err != nil {
		s.refuseJSON(w, r, "invalid_request", err)
		return
	}
	flowToken, _ := s.Seal.Seal(forFlow, flow{req.ID, q.Username}, contextValid)
	writeJSON(w, http.StatusOK, map[string]any{
		"Username": q.Username, "FlowToken": flowToken,
		"Credentials": map[string]any{
			"HasPassword": false, "HasCertAuth": true,
			"CertAuthParams": map[string]string{"CertAuthUrl": s.certAuthURL()},
		},
	})
}

// refuseJSON is refuse for programs (RFC 6749, 5.2).
func (s *Service) refuseJSON(w http.ResponseWriter, r *http.Request, kind string, err error) {
	code := s.logRefusal(r, err)
	writeJSON(w, http.StatusBadRequest, map[string]any{
		"error": kind, "error_description": code.String() + ": The request was refused.", "error_codes": []int{int(code)},
	})
}

// token exchanges a code (RFC 6749, 4.1.3, and RFC 7636, 4.6).
func (s *Service) token(w http.ResponseWriter, r *http.Request) {
	if grant := r.PostFormValue("grant_type"); grant != "authorization_code" {
		s.refuseJSON(w, r, "unsupported_grant_type", refuse(badRequest, fmt.Errorf("grant type %.64q", grant)))
		return
	}
	if r.PostFormValue("client_id") == "" {
		// Some clients first try to authenticate in a header (RFC 6749, 2.3.1), and
		// then send the code again.
		s.refuseJSON(w, r, "invalid_client", refuse(badRequest, errors.New("no client_id")))
		return
	}
	g, err := s.redeem(r.PostFormValue("code"), r.PostFormValue("client_id"), r.PostFormValue("redirect_uri"), r.PostFormValue("code_verifier"))
	if err != nil {
		s.refuseJSON(w, r, "invalid_grant", err)
		return
	}
	s.issue(w, r, g)
}

func (s *Service) issue(w http.ResponseWriter, r *http.Request, g grant) {
	id, err := s.Tokens.sign(g.Client, g.Nonce, g.Claims)
	access := ""
	if err == nil {
		access, err = s.Tokens.sign("api://"+g.Client, "", g.Claims)
	}
	if err != nil {
		s.refuseJSON(w, r, "server_error", refuse(invalidCertificate, err))
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": int(tokenValid.Seconds()), "scope": g.Scope, "id_token": id, "access_token": access,
	})
}

// redeem takes a code out of circulation and checks that the client is the one that
// it was issued to. The code is spent even if the client is another one: a code that
// comes without its verifier was stolen.
func (s *Service) redeem(code, client, redirect, verifier string) (g grant, err error) {
	opened, err := s.Seal.Open(forCode, code, &g)
	if err != nil {
		return g, refuse(codeExpired, fmt.Errorf("code: %w", err))
	}
	if err := s.use(opened, codeUsed); err != nil {
		return g, err
	}
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case client != g.Client || redirect != g.Redirect:
		return g, refuse(badClient, fmt.Errorf("client %.64q, redirect %.200q", client, redirect))
	case subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(g.Challenge)) == 0:
		return g, refuse(wrongVerifier, errors.New("code verifier is not that of the challenge"))
	}
	return g, nil
}
