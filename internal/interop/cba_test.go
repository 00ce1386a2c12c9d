//go:build linux

package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A signInService is examples/cba.
type signInService struct {
	t                  *testing.T
	dir, url, certAuth string
	log                *os.File
}

// startService runs examples/cba until the end of the test. It trusts the software
// cards.
func startService(t *testing.T) *signInService {
	t.Helper()
	s := &signInService{t: t, dir: t.TempDir()}
	var err error
	s.log, err = os.Create(filepath.Join(s.dir, "log"))
	require.NoError(t, err)
	cmd := exec.Command(buildExample(t, "cba", false), "-dir", s.dir, "-softcard", "-login-port", "0", "-certauth-port", "0")
	cmd.Stderr = s.log
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_, _ = io.Copy(io.Discard, out)
		assert.NoError(t, cmd.Wait())
		assert.NoError(t, s.log.Close())
	})
	for lines := bufio.NewScanner(out); s.url == "" && lines.Scan(); {
		if u, ok := strings.CutPrefix(lines.Text(), "sign in: "); ok {
			s.url = strings.TrimSuffix(u, "/")
		}
	}
	require.NotEmpty(t, s.url)
	return s
}

var (
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	formAction  = regexp.MustCompile(`<form method="(?:post|POST)" action="(https:[^"]+)">`)
)

// fields returns the hidden fields of a page as arguments for curl.
func fields(page string) (args []string) {
	for _, m := range hiddenField.FindAllStringSubmatch(page, -1) {
		args = append(args, "--data-urlencode", m[1]+"="+html.UnescapeString(m[2]))
	}
	return args
}

const pkceVerifier = "a-verifier-of-the-client-of-at-least-forty-three-characters"

// authorizeURL has the challenge of pkceVerifier, as base64url(sha256).
func (s *signInService) authorizeURL(challenge string) string {
	return s.url + "/contoso/oauth2/v2.0/authorize?" + url.Values{"client_id": {"example-client"}, "redirect_uri": {"http://127.0.0.1/callback"}, "response_type": {"code"},
		"scope": {"openid"}, "state": {"s"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}, "login_hint": {who}}.Encode()
}

// curl runs curl with the cookies of the service.
func (s *signInService) curl(socket, program string, args ...string) (string, error) {
	jar := filepath.Join(s.dir, "cookies")
	common := []string{"-sS", "--cacert", filepath.Join(s.dir, "server-ca.crt"), "-b", jar, "-c", jar}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(common, args...)...)
	cmd.Env = append(environment(s.t, socket), "PKCS11_MODULE_PATH="+openSCModule)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.String())
	}
	return string(out), err
}

const (
	openSCModule = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"
	engineFile   = "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so"
)

// requireFile skips the test if a package is not installed.
func requireFile(t *testing.T, path, pkg string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		interop.Missing(t, pkg)
	}
}

// challengeOf computes the code challenge with openssl.
func challengeOf(t *testing.T, openssl string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), openssl, "dgst", "-sha256", "-binary")
	cmd.Stdin = strings.NewReader(pkceVerifier)
	sum, err := cmd.Output()
	require.NoError(t, err)
	cmd = exec.CommandContext(t.Context(), openssl, "base64", "-A")
	cmd.Stdin = strings.NewReader(string(sum))
	text, err := cmd.Output()
	require.NoError(t, err)
	return strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(strings.TrimSpace(string(text)))
}

// signIn drives the flow with curl. certificate are the arguments that present it.
func (s *signInService) signIn(socket, curl, openssl string, certificate ...string) map[string]any {
	s.t.Helper()
	page, err := s.curl(socket, curl, s.authorizeURL(challengeOf(s.t, openssl)))
	require.NoError(s.t, err)
	action := formAction.FindStringSubmatch(page)
	require.NotNil(s.t, action, page)
	s.certAuth = action[1]
	page, err = s.curl(socket, curl, append(append(fields(page), certificate...), s.certAuth)...)
	require.NoError(s.t, err)
	require.Contains(s.t, page, "Certificate read")
	headers, err := s.curl(socket, curl, append(fields(page), "-o", os.DevNull, "-w", "%{redirect_url}", s.url+"/contoso/login")...)
	require.NoError(s.t, err)
	back, err := url.Parse(headers)
	require.NoError(s.t, err)
	log, _ := os.ReadFile(s.log.Name())
	require.NotEmpty(s.t, back.Query().Get("code"), "%s", log)
	tokens, err := s.curl(socket, curl, "-d", "grant_type=authorization_code", "-d", "client_id=example-client", "--data-urlencode", "redirect_uri=http://127.0.0.1/callback",
		"--data-urlencode", "code="+back.Query().Get("code"), "-d", "code_verifier="+pkceVerifier, s.url+"/contoso/oauth2/v2.0/token")
	require.NoError(s.t, err)
	var body map[string]any
	require.NoError(s.t, json.Unmarshal([]byte(tokens), &body))
	return body
}

// TestCurlSignsIn signs in to examples/cba with curl: with the software card by the
// PKCS #11 engine, and with a PKCS #12 file.
func TestCurlSignsIn(t *testing.T) {
	socket := softcard(t)
	requireFile(t, engineFile, "libengine-pkcs11-openssl")
	requireFile(t, openSCModule, "opensc-pkcs11")
	curl := interop.Program(t, "curl", "curl", "--version")
	openssl := interop.Program(t, "openssl", "openssl", "version")
	s := startService(t)
	t.Run("card", func(t *testing.T) {
		s.t = t
		body := s.signIn(socket, curl, openssl, "--engine", "pkcs11", "--cert", "pkcs11:id=%01;pin-value="+cardtest.PIN)
		assert.NotEmpty(t, body["id_token"])
		log, err := os.ReadFile(s.log.Name())
		require.NoError(t, err)
		assert.Contains(t, string(log), "multi-factor")
	})
	t.Run("wrong PIN", func(t *testing.T) {
		s.t = t
		_, err := s.curl(socket, curl, "--engine", "pkcs11", "--cert", "pkcs11:id=%01;pin-value=000000", s.certAuth)
		assert.ErrorContains(t, err, "exit status 58")
	})
	t.Run("PKCS #12", func(t *testing.T) {
		s.t = t
		p12 := filepath.Join(s.dir, "alice.p12")
		out, err := exec.CommandContext(t.Context(), openssl, "pkcs12", "-export", "-in", filepath.Join(s.dir, "alice.pem"), "-out", p12, "-passout", "pass:secret").CombinedOutput()
		require.NoError(t, err, "%s", out)
		body := s.signIn(socket, curl, openssl, "--cert-type", "P12", "--cert", p12+":secret")
		assert.NotEmpty(t, body["id_token"])
	})
}

// TestOpenSSLClient presents the software card to the certauth host with openssl
// s_client, over each version of TLS.
func TestOpenSSLClient(t *testing.T) {
	socket := softcard(t)
	requireFile(t, engineFile, "libengine-pkcs11-openssl")
	requireFile(t, openSCModule, "opensc-pkcs11")
	curl := interop.Program(t, "curl", "curl", "--version")
	openssl := interop.Program(t, "openssl", "openssl", "version")
	tool := interop.Program(t, "pkcs11-tool", "opensc-tool", "-i")
	s := startService(t)
	der := filepath.Join(s.dir, "card.der")
	mustRunOn(t, socket, tool, "--read-object", "--type", "cert", "--id", "01", "--output-file", der)
	content, err := os.ReadFile(der)
	require.NoError(t, err)
	certificate := filepath.Join(s.dir, "card.pem")
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: content}), 0o600))
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			s.t = t
			page, err := s.curl(socket, curl, s.authorizeURL(challengeOf(t, openssl)))
			require.NoError(t, err)
			action := formAction.FindStringSubmatch(page)
			require.NotNil(t, action, page)
			to, err := url.Parse(action[1])
			require.NoError(t, err)
			form := make(url.Values)
			for _, m := range hiddenField.FindAllStringSubmatch(page, -1) {
				form.Set(m[1], html.UnescapeString(m[2]))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, openssl, "s_client", version, "-quiet", "-ign_eof", "-verify_return_error", "-CAfile", filepath.Join(s.dir, "server-ca.crt"),
				"-connect", "127.0.0.1:"+to.Port(), "-servername", to.Hostname(), "-cert", certificate,
				"-engine", "pkcs11", "-keyform", "engine", "-key", "pkcs11:id=%01;type=private;pin-value="+cardtest.PIN)
			cmd.Env = append(environment(t, socket), "PKCS11_MODULE_PATH="+openSCModule)
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			cmd.Stdin = strings.NewReader(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
				to.Path, to.Host, len(form.Encode()), form.Encode()))
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.Contains(t, string(out), "Certificate read")
			assert.Contains(t, string(out), "CN=alice")
		})
	}
}
