package entra_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/entra"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var clock = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

func selfSigned(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Ana"}, NotBefore: clock, NotAfter: clock.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return der
}

// part decodes a part of a token as JSON.
func part(t testing.TB, token string, i int) (value map[string]any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &value))
	return value
}

// verified checks an RS256 signature by what RFC 7515, appendix A.2 describes.
func verified(t testing.TB, token string, key *rsa.PublicKey) {
	t.Helper()
	i := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	require.NoError(t, err)
	digest := sha256.Sum256([]byte(token[:i]))
	assert.NoError(t, rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature))
}

func TestAssertion(t *testing.T) {
	key := testkeys.RSA(2048, 0)
	der := selfSigned(t, key)
	token, err := entra.Assertion(key, [][]byte{der}, "ana@contoso.test", "https://sts.example/adfs", clock)
	require.NoError(t, err)
	verified(t, token, &key.PublicKey)
	assert.Equal(t, map[string]any{"typ": "JWT", "alg": "RS256", "x5c": []any{base64.StdEncoding.EncodeToString(der)}}, part(t, token, 0))
	assert.Equal(t, map[string]any{"iss": "ana@contoso.test", "aud": "https://sts.example/adfs", "iat": float64(clock.Unix()), "exp": float64(clock.Unix() + 300)}, part(t, token, 1))
}

// otherKey signs with another key than its public one.
type otherKey struct{ public, private *rsa.PrivateKey }

func (k otherKey) Public() crypto.PublicKey { return &k.public.PublicKey }
func (k otherKey) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return k.private.Sign(r, digest, o)
}

func TestAssertionRefuses(t *testing.T) {
	key, curve := testkeys.RSA(2048, 0), testkeys.ECDSA(elliptic.P256(), 0)
	_, err := entra.Assertion(curve, [][]byte{selfSigned(t, curve)}, "a@b", "c", clock)
	assert.ErrorIs(t, err, entra.ErrRS256)
	assert.EqualError(t, err, "entra: assertion: key is not RSA, and messages of joined machines are signed with RS256 only")
	assert.NotEmpty(t, card.Hint(err))

	_, err = entra.Assertion(key, nil, "a@b", "c", clock)
	assert.ErrorContains(t, err, "chain is empty")
	_, err = entra.Assertion(key, [][]byte{selfSigned(t, testkeys.RSA(2048, 1))}, "a@b", "c", clock)
	assert.ErrorContains(t, err, "key is not the certificate's")
	_, err = entra.Assertion(key, [][]byte{{1}}, "a@b", "c", clock)
	assert.ErrorContains(t, err, "malformed certificate")
	_, err = entra.Assertion(otherKey{key, testkeys.RSA(2048, 1)}, [][]byte{selfSigned(t, key)}, "a@b", "c", clock)
	assert.ErrorContains(t, err, "signature is not of the certificate's key")
}

func TestDeviceRequest(t *testing.T) {
	key := testkeys.RSA(2048, 1)
	d := entra.Device{Certificate: selfSigned(t, key), Key: key}
	for version, want := range map[int]any{1: nil, 2: float64(2)} {
		token, err := d.Request("nonce", "assertion", version)
		require.NoError(t, err)
		verified(t, token, &key.PublicKey)
		assert.Equal(t, want, part(t, token, 0)["kdf_ver"])
		assert.Equal(t, map[string]any{"client_id": "38aa3b87-a06d-4817-b275-7a316988d93b", "scope": "openid aza", "request_nonce": "nonce",
			"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "assertion"}, part(t, token, 1))
	}
	curve := testkeys.ECDSA(elliptic.P256(), 0)
	_, err := (&entra.Device{Certificate: selfSigned(t, curve), Key: curve}).Request("nonce", "assertion", 1)
	assert.ErrorIs(t, err, entra.ErrRS256)
}

// The vectors are also in signin-protocols, where Go and Python agreed.
func TestDeriveKey(t *testing.T) {
	session, nonce := make([]byte, 32), bytes.Repeat([]byte{1}, 24)
	for version, want := range map[int]string{
		1: "2c6b3791133d45e4cf67b94c80519c9b954de993d182ef20aa5105cab8a72be0",
		2: "081c9a3c631376ac307325fccfaa92ec8bd4fa02304709bb199462265ba5fd53",
	} {
		key, err := entra.DeriveKey(session, nonce, []byte(`{"a":1}`), version)
		require.NoError(t, err)
		assert.Equal(t, want, hex.EncodeToString(key))
	}
	_, err := entra.DeriveKey(session[:31], nonce, nil, 1)
	assert.ErrorContains(t, err, "31 bytes")
	_, err = entra.DeriveKey(session, nil, nil, 1)
	assert.ErrorContains(t, err, "no nonce")
	_, err = entra.DeriveKey(session, nonce, nil, 3)
	assert.ErrorContains(t, err, "version 3")
}

func TestDeriveKeyWithOpenSSL(t *testing.T) {
	program, err := exec.LookPath("openssl")
	var version []byte
	if err == nil {
		version, err = exec.CommandContext(t.Context(), program, "version").Output()
	}
	if err != nil || !strings.HasPrefix(string(version), "OpenSSL 3") {
		fmt.Println("missing OpenSSL 3")
		t.Skip("OpenSSL 3 is missing")
	}
	for i := range 8 {
		session, nonce := make([]byte, 32), make([]byte, 24)
		_, _ = rand.Read(session)
		_, _ = rand.Read(nonce)
		payload := []byte(`{"n":` + string(rune('0'+i)) + `}`)
		for version, context := range map[int][]byte{1: nonce, 2: sum(nonce, payload)} {
			key, err := entra.DeriveKey(session, nonce, payload, version)
			require.NoError(t, err)
			out, err := exec.CommandContext(t.Context(), program, "kdf", "-keylen", "32", "-kdfopt", "mode:COUNTER", "-kdfopt", "mac:HMAC", "-kdfopt", "digest:SHA256",
				"-kdfopt", "hexkey:"+hex.EncodeToString(session), "-kdfopt", "salt:AzureAD-SecureConversation", "-kdfopt", "hexinfo:"+hex.EncodeToString(context), "KBKDF").Output()
			require.NoError(t, err)
			assert.Equal(t, hex.EncodeToString(key), strings.ToLower(strings.ReplaceAll(strings.TrimSpace(string(out)), ":", "")))
		}
	}
}

func sum(parts ...[]byte) []byte {
	h := sha256.Sum256(bytes.Join(parts, nil))
	return h[:]
}

func TestSessionSigns(t *testing.T) {
	for _, version := range []int{1, 2} {
		s := entra.Session{RefreshToken: "refresh", Key: bytes.Repeat([]byte{7}, 32), KDF: version}
		cookie, err := s.Cookie("nonce")
		require.NoError(t, err)
		assert.Equal(t, map[string]any{"refresh_token": "refresh", "request_nonce": "nonce"}, part(t, cookie, 1))
		request, err := s.Request("client", "openid", clock)
		require.NoError(t, err)
		assert.Equal(t, map[string]any{"client_id": "client", "scope": "openid", "grant_type": "refresh_token", "refresh_token": "refresh",
			"iat": float64(clock.Unix()), "exp": float64(clock.Unix() + 300)}, part(t, request, 1))
		for _, token := range []string{cookie, request} {
			header := part(t, token, 0)
			nonce, err := base64.StdEncoding.DecodeString(header["ctx"].(string))
			require.NoError(t, err)
			assert.Len(t, nonce, 24)
			i := strings.LastIndexByte(token, '.')
			payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
			require.NoError(t, err)
			key, err := entra.DeriveKey(s.Key, nonce, payload, version)
			require.NoError(t, err)
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(token[:i]))
			assert.Equal(t, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), token[i+1:])
		}
		again, err := s.Cookie("nonce")
		require.NoError(t, err)
		assert.NotEqual(t, cookie, again, "a fresh ctx for each message")
	}
	_, err := (&entra.Session{Key: make([]byte, 32)}).Cookie("nonce")
	assert.ErrorContains(t, err, "version 0")
}

func TestSecretsAreNotPrinted(t *testing.T) {
	s := entra.Session{RefreshToken: "hidden", Key: []byte("hidden"), Claims: entra.Claims{Username: "ana"}}
	tokens := entra.Tokens{ID: "hidden", Access: "hidden", Refresh: "hidden", Claims: entra.Claims{Username: "ana"}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{s, &s, tokens, &tokens} {
			text := fmt.Sprintf(format, v)
			assert.NotContains(t, text, "hidden")
			assert.Contains(t, text, `"ana"`)
		}
	}
}

func TestMissingKeys(t *testing.T) {
	_, err := entra.Assertion(nil, nil, "a@b", "c", clock)
	assert.ErrorContains(t, err, "no key")
	_, err = new(entra.Device).Request("nonce", "assertion", 1)
	assert.ErrorContains(t, err, "no key")
	_, err = new(entra.Device).SessionKey("")
	assert.ErrorContains(t, err, "no transport key")
}

func TestSessionKey(t *testing.T) {
	transport := testkeys.RSA(2048, 2)
	d := entra.Device{Transport: transport}
	wrap := func(header string, key []byte) string {
		encrypted, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, &transport.PublicKey, key, nil)
		require.NoError(t, err)
		e := base64.RawURLEncoding.EncodeToString
		return strings.Join([]string{e([]byte(header)), e(encrypted), "", "", ""}, ".")
	}
	const header = `{"alg":"RSA-OAEP","enc":"A256GCM"}`
	want := bytes.Repeat([]byte{9}, 32)
	key, err := d.SessionKey(wrap(header, want))
	require.NoError(t, err)
	assert.Equal(t, want, key)
	for name, text := range map[string]string{
		"short key":         wrap(header, want[:16]),
		"another algorithm": wrap(`{"alg":"RSA1_5","enc":"A256GCM"}`, want),
		"no header":         wrap(``, want),
		"three parts":       "a.b.c",
		"not base64":        "!.!.!.!.!",
		"too long":          strings.Repeat("a", 2<<20),
	} {
		_, err := d.SessionKey(text)
		assert.ErrorIs(t, err, entra.ErrFlow, name)
	}
	_, err = d.SessionKey(strings.Join([]string{base64.RawURLEncoding.EncodeToString([]byte(header)), "AAAA", "", "", ""}, "."))
	assert.Error(t, err, "not encrypted to this machine")
}

// That Open decrypts is tested with go-jose, which the service of the examples uses.
func TestOpenRefuses(t *testing.T) {
	s := entra.Session{Key: make([]byte, 32), KDF: 1}
	e := base64.RawURLEncoding.EncodeToString
	for name, header := range map[string]string{
		"another algorithm":  `{"alg":"A256KW","enc":"A256GCM","ctx":"AAAA"}`,
		"another encryption": `{"alg":"dir","enc":"A128CBC-HS256","ctx":"AAAA"}`,
		"compressed":         `{"alg":"dir","enc":"A256GCM","ctx":"AAAA","zip":"DEF"}`,
		"forged":             `{"alg":"dir","enc":"A256GCM","ctx":"AAAA"}`,
	} {
		_, err := s.Open(strings.Join([]string{e([]byte(header)), "", e(make([]byte, 12)), e([]byte("x")), e(make([]byte, 16))}, "."))
		assert.ErrorIs(t, err, entra.ErrFlow, name)
	}
	_, err := s.Open(strings.Join([]string{e([]byte(`{"alg":"dir","enc":"A256GCM"}`)), "", "", "", ""}, "."))
	assert.ErrorContains(t, err, "no nonce")
}
