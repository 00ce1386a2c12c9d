package cba_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cba"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func noFile(string) ([]byte, error) { return nil, fs.ErrNotExist }

const strengths = `"authenticationBinding":{"default":"single-factor","requireHighAffinity":false,"rules":[]}`

func TestParsePolicyRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                      "unexpected EOF",
		`{"requireCRLs":true}`:   "unknown field",
		`{` + strengths + `} {}`: "text after the value",
		`{"authenticationBinding":{"default":"two"}}`:                                                                 "neither single-factor nor multi-factor",
		`{"authenticationBinding":{"default":"single-factor","rules":[{"issuer":"CN=x","strength":"three"}]}}`:        "neither single-factor nor multi-factor",
		`{"authenticationBinding":{"default":"single-factor","rules":[{"strength":"multi-factor"}]}}`:                 "neither issuer nor policyOID",
		`{"usernameBindings":[{"x509CertificateField":"Name","userProperty":"userPrincipalName"}],` + strengths + `}`: `binding of "Name"`,
		`{"usernameBindings":[{"x509CertificateField":"Subject","userProperty":"mail"}],` + strengths + `}`:           `to "mail"`,
		`{"authorities":[{"file":"ca.crt"}],` + strengths + `}`:                                                       "file does not exist",
		`{"devices":[{"id":"1","certificate":"m.crt"}],` + strengths + `}`:                                            "file does not exist",
	} {
		_, err := cba.ParsePolicy([]byte(text), noFile)
		assert.ErrorContains(t, err, want, text)
	}
	_, err := cba.ParsePolicy([]byte(`{"authorities":[{"file":"ca.crt"}],`+strengths+`}`), func(string) ([]byte, error) { return []byte("x"), nil })
	assert.ErrorContains(t, err, `"ca.crt" has no certificate`)
	_, err = cba.ParseDirectory([]byte(`[{"upn":"a@b"}]`))
	assert.ErrorContains(t, err, "unknown field")
}

// TestStartMakesFiles starts two instances with one folder.
func TestStartMakesFiles(t *testing.T) {
	dir := t.TempDir()
	log := new(lockedBuffer)
	for range 2 {
		r, err := cba.Start(cba.Options{Dir: cba.Dir(dir), Log: log, TestCards: true})
		require.NoError(t, err)
		assert.Contains(t, r.URL, "https://localhost:")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.NoError(t, r.Wait(ctx))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		if runtime.GOOS != "windows" { // has no permission bits
			assert.Zero(t, info.Mode().Perm()&0o077, "%s is for the user only", e.Name())
		}
		names = append(names, e.Name())
	}
	assert.Subset(t, names, []string{"alice.pem", "hosts.pem", "policy.json", "seal.key", "server-ca.crt", "server-ca.pem", "token.key", "user-ca.pem", "users.json"})

	var users []map[string]any
	text, err := os.ReadFile(filepath.Join(dir, "users.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &users))
	assert.Equal(t, "alice@example.com", users[0]["userPrincipalName"])

	for name, content := range map[string]string{"policy.json": "{", "users.json": "{", "seal.key": "short", "token.key": "x", "user-ca.pem": "x"} {
		old, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		_, err = cba.Start(cba.Options{Dir: cba.Dir(dir), Log: log})
		assert.Error(t, err, name)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), old, 0o600))
	}
}

func TestSealer(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, err := cba.NewSealer(make([]byte, 32), func() time.Time { return now })
	require.NoError(t, err)
	text, id := s.Seal("a", []string{"x"}, time.Minute)
	again, other := s.Seal("a", []string{"x"}, time.Minute)
	assert.NotEqual(t, text, again)
	assert.NotEqual(t, id, other)
	var got []string
	opened, err := s.Open("a", text, &got)
	require.NoError(t, err)
	assert.Equal(t, id, opened.ID)
	assert.Equal(t, []string{"x"}, got)
	_, err = s.Open("b", text, &got)
	assert.Error(t, err, "another purpose")
	for i := range text {
		changed := []byte(text)
		changed[i] ^= 2
		_, err := s.Open("a", string(changed), &got)
		assert.Error(t, err)
	}
	_, err = s.Open("a", strings.Repeat("A", 1<<20), &got)
	assert.Error(t, err)
	now = now.Add(time.Minute)
	_, err = s.Open("a", text, &got)
	assert.Error(t, err, "expired")
	_, err = cba.NewSealer(nil, time.Now)
	assert.Error(t, err)
}

func TestOnce(t *testing.T) {
	dir := t.TempDir()
	for _, once := range []cba.Once{cba.NewMemory(time.Now), cba.Folder(dir)} {
		for _, want := range []bool{true, false} {
			first, err := once.First("a", time.Now().Add(time.Minute))
			require.NoError(t, err)
			assert.Equal(t, want, first)
		}
	}
	for _, id := range []string{"", "../x", "a/b", "."} {
		_, err := cba.Folder(dir).First(id, time.Now())
		assert.Error(t, err, id)
	}
	_, err := cba.Folder(dir).First("b", time.Now().Add(-time.Minute))
	require.NoError(t, err)
	require.NoError(t, cba.Folder(dir).Sweep(time.Now()))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.True(t, len(entries) == 1 && entries[0].Name() == "a")
	assert.Error(t, cba.Folder(filepath.Join(dir, "none")).Sweep(time.Now()))
	_, err = cba.Folder(filepath.Join(dir, "none")).First("a", time.Now())
	assert.True(t, errors.Is(err, fs.ErrNotExist))
}

func TestHintsCanBeOff(t *testing.T) {
	for _, hints := range []bool{true, false} {
		f := newFixture(t, func(f *fixture) { f.policy.IssuerHints = hints })
		seen := -1
		client := f.client(bobs())
		client.Certificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			seen = len(r.AcceptableCAs)
			return bobs().get(r)
		}
		_, err := client.SignIn(t.Context(), hint(t, bob))
		require.NoError(t, err)
		assert.Equal(t, hints, seen == 1)
	}
}

// FuzzSealed asserts that only texts of the Sealer are opened.
func FuzzSealed(f *testing.F) {
	s, err := cba.NewSealer(make([]byte, 32), time.Now)
	require.NoError(f, err)
	f.Add("", "context")
	f.Add(strings.Repeat("A", 200), "code")
	f.Fuzz(func(t *testing.T, text, purpose string) {
		var v any
		if _, err := s.Open(purpose, text, &v); err == nil {
			t.Fatalf("opened %q", text)
		}
	})
}

// FuzzSettings asserts that accounts keep to the limits and that a policy has bindings
// that are known.
func FuzzSettings(f *testing.F) {
	f.Add([]byte(`[{"userPrincipalName":"a@b","certificateUserIds":["X509:<SKI>00"],"groups":["g"]}]`))
	f.Add([]byte(`{"usernameBindings":[{"x509CertificateField":"PrincipalName","userProperty":"userPrincipalName","priority":1}],` + strengths + `}`))
	ca := cardtest.TestCA().Certificate()
	f.Fuzz(func(t *testing.T, text []byte) {
		if users, err := cba.ParseDirectory(text); err == nil && slices.ContainsFunc(users, func(u cba.User) bool { return u.UPN == "" || len(u.CertificateUserIDs) > 10 }) {
			t.Fatalf("%q", text)
		}
		if p, err := cba.ParsePolicy(text, func(string) ([]byte, error) { return ca, nil }); err == nil && p == nil {
			t.Fatalf("%q", text)
		}
	})
}
