package entra

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// refusedJSON returns the error in the JSON of a token endpoint (RFC 6749, 5.2).
func (r reply) refusedJSON() error {
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(r.body, &e) == nil && e.Error != "" {
		return refusal(e.Error + ": " + e.Description)
	}
	return r.unexpected()
}

// tokens reads the response of a token endpoint.
func (r reply) tokens() (*Tokens, error) {
	if r.status != http.StatusOK {
		return nil, r.refusedJSON()
	}
	return parseTokens(r.body)
}

func parseTokens(body []byte) (*Tokens, error) {
	var t struct {
		ID      string      `json:"id_token"`
		Access  string      `json:"access_token"`
		Refresh string      `json:"refresh_token"`
		Scope   string      `json:"scope"`
		Expires json.Number `json:"expires_in"` // the v1.0 endpoint has a string
	}
	if err := json.Unmarshal(body, &t); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFlow, err)
	}
	seconds, _ := t.Expires.Int64()
	if seconds < 0 || seconds > int64(100*365*24*time.Hour/time.Second) {
		seconds = 0
	}
	return &Tokens{ID: t.ID, Access: t.Access, Refresh: t.Refresh, Scope: t.Scope, Expires: time.Duration(seconds) * time.Second}, nil
}

// readClaims reads the ID token and checks whom it is for.
func (t *Tokens) readClaims(audience, nonce string, now time.Time) error {
	all, err := parsePayload(t.ID)
	if err != nil {
		return err
	}
	expires, _ := all["exp"].(float64)
	switch {
	case all["aud"] != audience:
		return fmt.Errorf("%w: audience is another client", ErrFlow)
	case all["nonce"] != nonce:
		return fmt.Errorf("%w: nonce is of another sign-in", ErrFlow)
	case expires <= float64(now.Unix()):
		return fmt.Errorf("%w: expired; check the clock", ErrFlow)
	}
	t.Claims = claimsOf(all)
	return nil
}

func claimsOf(all map[string]any) Claims {
	c := Claims{All: all}
	if c.Username, _ = all["preferred_username"].(string); c.Username == "" {
		c.Username, _ = all["upn"].(string)
	}
	methods, _ := all["amr"].([]any)
	for _, m := range methods {
		if text, ok := m.(string); ok {
			c.Methods = append(c.Methods, text)
		}
	}
	return c
}

// parsePayload returns the claims of a JWT in compact form (RFC 7519, 3), without
// verifying it.
func parsePayload(token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: token has %d parts", ErrFlow, len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFlow, err)
	}
	var all map[string]any
	if err := json.Unmarshal(payload, &all); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFlow, err)
	}
	return all, nil
}
