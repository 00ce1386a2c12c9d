package pkinit

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func openssl(t *testing.T, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).Output()
	require.NoError(t, err, "openssl %q", args)
	return out
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.pem")
	require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return name
}

var cmsKeys = []cardtest.KeyKind{cardtest.RSA2048, cardtest.RSA4096, cardtest.P256, cardtest.P384, cardtest.P521}

// TestOpenSSLVerifies has openssl verify what the package signs.
func TestOpenSSLVerifies(t *testing.T) {
	root := writePEM(t, "CERTIFICATE", cardtest.TestCA().Certificate())
	for _, kind := range cmsKeys {
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			key, leaf := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(kind, 0), UPNs: []string{"alice@example.com"}})
			s, err := newSigner(key, [][]byte{leaf, cardtest.TestCA().Certificate()}, hash)
			require.NoError(t, err)
			signed, err := s.sign(oidAuthData, []byte("content"))
			require.NoError(t, err)
			file := filepath.Join(t.TempDir(), "cms")
			require.NoError(t, os.WriteFile(file, signed, 0o600))
			out := openssl(t, "cms", "-verify", "-inform", "DER", "-in", file, "-CAfile", root, "-purpose", "any", "-binary")
			assert.Equal(t, "content", string(out), "%v with %v", kind, hash)
		}
	}
}

// TestOpenSSLSigns verifies what openssl signs.
func TestOpenSSLSigns(t *testing.T) {
	content := filepath.Join(t.TempDir(), "content")
	require.NoError(t, os.WriteFile(content, []byte("content"), 0o600))
	for _, kind := range cmsKeys {
		key, leaf := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(kind, 0), Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 14}, Value: octets([]byte("identifier"))}}})
		private, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		args := []string{"cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-econtent_type", "1.3.6.1.5.2.3.2", "-in", content,
			"-signer", writePEM(t, "CERTIFICATE", leaf), "-inkey", writePEM(t, "PRIVATE KEY", private)}
		for _, more := range [][]string{{"-md", "sha256"}, {"-md", "sha512"}, {"-md", "sha384", "-keyid"}, {"-md", "sha1"}, {"-md", "sha256", "-nocerts"}} {
			m, err := parseCMS(openssl(t, append(args, more...)...))
			require.NoError(t, err, "%v %v", kind, more)
			signer, err := m.verify(oidDHKeyData, false)
			switch more[len(more)-1] {
			case "sha1":
				require.ErrorIs(t, err, ErrWeak)
				signer, err = m.verify(oidDHKeyData, true)
			case "-nocerts":
				require.ErrorIs(t, err, ErrSignature)
				continue
			}
			require.NoError(t, err, "%v %v", kind, more)
			assert.Equal(t, leaf, signer.Raw)
			assert.Equal(t, "content", string(m.content))
			_, err = m.verify(oidAuthData, true)
			assert.ErrorIs(t, err, ErrMalformed, "another content type")
		}
	}
	t.Run("two signers", func(t *testing.T) {
		args := []string{"cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-econtent_type", "1.3.6.1.5.2.3.2", "-in", content}
		for n := range 2 {
			key, leaf := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, n)})
			private, err := x509.MarshalPKCS8PrivateKey(key)
			require.NoError(t, err)
			args = append(args, "-signer", writePEM(t, "CERTIFICATE", leaf), "-inkey", writePEM(t, "PRIVATE KEY", private))
		}
		_, err := parseCMS(openssl(t, args...))
		assert.Error(t, err)
	})
}
