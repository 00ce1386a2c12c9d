package cba

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// AppID is the client of the page that shows the result.
const AppID = "result-page"

// AppRedirect returns the redirect URI of that client.
func (s *Service) AppRedirect() string { return s.Login + "/app" }

// appState is kept in a cookie while the user signs in.
type appState struct{ State, Nonce, Verifier string }

const appCookie = "__Host-app"

// appStart sends the user to the sign-in page, as any client does.
func (s *Service) appStart(w http.ResponseWriter, r *http.Request) error {
	a := appState{rand.Text(), rand.Text(), rand.Text() + rand.Text()}
	text, _ := s.Seal.Seal(forApp, a, contextValid)
	http.SetCookie(w, &http.Cookie{Name: appCookie, Value: text, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode, MaxAge: int(contextValid / time.Second)})
	challenge := sha256.Sum256([]byte(a.Verifier))
	q := url.Values{
		"client_id": {AppID}, "redirect_uri": {s.AppRedirect()}, "response_type": {"code"}, "scope": {"openid"}, "state": {a.State}, "nonce": {a.Nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	if hint := r.URL.Query().Get("login_hint"); hint != "" {
		q.Set("login_hint", hint)
	}
	http.Redirect(w, r, s.Login+"/"+s.Tenant+"/oauth2/v2.0/authorize?"+q.Encode(), http.StatusSeeOther)
	return nil
}

// appResult shows who signed in.
func (s *Service) appResult(w http.ResponseWriter, r *http.Request) error {
	var a appState
	c, err := r.Cookie(appCookie)
	if err == nil {
		_, err = s.Seal.Open(forApp, c.Value, &a)
	}
	if err != nil {
		return refuse(noState, fmt.Errorf("cookie of the result page: %w", err))
	}
	http.SetCookie(w, &http.Cookie{Name: appCookie, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode, MaxAge: -1})
	if r.URL.Query().Get("state") != a.State {
		return refuse(noState, errors.New("state of the result page is of another login"))
	}
	g, err := s.redeem(r.URL.Query().Get("code"), AppID, s.AppRedirect(), a.Verifier)
	if err != nil {
		return err
	}
	if g.Nonce != a.Nonce {
		return refuse(noState, errors.New("nonce of the result page is of another login"))
	}
	render(w, http.StatusOK, "result", pageData{Claims: g.Claims})
	return nil
}
