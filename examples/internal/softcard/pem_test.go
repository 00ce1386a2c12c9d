package softcard

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pemFiles writes the certificate of a user and its key to files.
func pemFiles(t *testing.T, kind cardtest.KeyKind, user string) (certificate, key string) {
	t.Helper()
	private := cardtest.Key(kind, 1)
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: private, UPNs: []string{user}})
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return writePEM(t, "CERTIFICATE", der), writePEM(t, "PRIVATE KEY", pkcs8)
}

func writePEM(t *testing.T, label string, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: content}), 0o600))
	return file
}

func TestCertAndKeyFlags(t *testing.T) {
	certificate, key := pemFiles(t, cardtest.RSA2048, "carol@example.com")
	for _, app := range []string{"piv", "gids", "yubikey"} {
		path, _ := serve(t, "-app", app, "-cert", certificate, "-key", key)
		assert.Equal(t, []string{"carol@example.com"}, signIn(t, path).Names.UPNs, app)
	}
}

func TestInvalidPEMFiles(t *testing.T) {
	certificate, key := pemFiles(t, cardtest.RSA2048, "carol@example.com")
	_, other := pemFiles(t, cardtest.P256, "carol@example.com")
	empty := writePEM(t, "DH PARAMETERS", nil)
	for text, args := range map[string][]string{
		"-cert and -key need each other": {"-cert", certificate},
		"not the key of the certificate": {"-cert", certificate, "-key", other},
		"no certificate":                 {"-cert", key, "-key", key},
		"no private key":                 {"-cert", certificate, "-key", certificate},
		"no such file":                   {"-cert", certificate, "-key", key + ".missing"},
		"the private key is encrypted":   {"-cert", certificate, "-key", writePEM(t, "ENCRYPTED PRIVATE KEY", []byte{0x30, 0})},
		"asn1":                           {"-cert", certificate, "-key", writePEM(t, "PRIVATE KEY", []byte{0x30, 0})},
		"x509":                           {"-cert", writePEM(t, "CERTIFICATE", []byte{0x30, 0}), "-key", key},
		"no PEM block":                   {"-cert", certificate, "-key", os.DevNull},
	} {
		err := run(t.Context(), args, io.Discard)
		require.Error(t, err, text)
		assert.ErrorContains(t, err, text)
	}
	err := run(t.Context(), []string{"-cert", certificate, "-key", empty}, io.Discard)
	assert.NotEmpty(t, card.Hint(err))
	var usage *cli.UsageError
	assert.ErrorAs(t, run(t.Context(), []string{"-key", key}, io.Discard), &usage)
}

// TestPKCS12 converts a file that OpenSSL writes by default, as the help says.
func TestPKCS12(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	certificate, key := pemFiles(t, cardtest.RSA2048, "carol@example.com")
	dir := t.TempDir()
	p12, text := filepath.Join(dir, "carol.p12"), filepath.Join(dir, "carol.pem")
	for _, args := range [][]string{
		{"pkcs12", "-export", "-in", certificate, "-inkey", key, "-passout", "pass:secret", "-out", p12},
		{"pkcs12", "-in", p12, "-nodes", "-passin", "pass:secret", "-out", text},
	} {
		out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	path, _ := serve(t, "-cert", text, "-key", text)
	assert.Equal(t, []string{"carol@example.com"}, signIn(t, path).Names.UPNs)
	assert.ErrorContains(t, run(t.Context(), []string{"-cert", p12, "-key", p12}, io.Discard), "no PEM block")
}
