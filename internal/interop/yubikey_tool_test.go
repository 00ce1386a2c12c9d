//go:build linux

package interop_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const yubiReader = "Yubico YubiKey OTP+FIDO+CCID 00 00"

// A yubico runs yubico-piv-tool on a software YubiKey.
type yubico struct {
	t            *testing.T
	tool, socket string
	dir          string
}

func newYubico(t *testing.T, socket string) yubico {
	return yubico{t, interop.Program(t, "yubico-piv-tool", "yubico-piv-tool", "--version"), socket, t.TempDir()}
}

func (y yubico) do(args ...string) string {
	y.t.Helper()
	return mustRunOn(y.t, y.socket, y.tool, args...)
}

func (y yubico) file(name string) string { return filepath.Join(y.dir, name) }

// certify writes a certificate for a public key, both in files. This version of
// the tool cannot sign one with OpenSSL 3 (its issue 388).
func (y yubico) certify(public, certificate string, upn string) {
	y.t.Helper()
	text, err := os.ReadFile(public)
	require.NoError(y.t, err)
	block, _ := pem.Decode(text)
	require.NotNil(y.t, block)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(y.t, err)
	y.write(certificate, issueFor(key, upn))
}

// issueFor returns a certificate for a public key.
func issueFor(public crypto.PublicKey, upn string) []byte {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: publicHalf{public: public}, UPNs: []string{upn}})
	return der
}

func (y yubico) write(file string, der []byte) {
	y.t.Helper()
	require.NoError(y.t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
}

// A publicHalf is a crypto.Signer that cannot sign.
type publicHalf struct {
	crypto.Signer
	public crypto.PublicKey
}

func (p publicHalf) Public() crypto.PublicKey { return p.public }

func TestYubicoToolProvisions(t *testing.T) {
	socket := softcard(t, "-app", "yubikey-5.4.3")
	y := newYubico(t, socket)
	assert.Regexp(t, `Version:\s+5\.4\.3`, y.do("-a", "status"))
	for _, algorithm := range []string{"RSA1024", "RSA2048", "ECCP256", "ECCP384"} {
		for _, slot := range []string{"9a", "9d"} {
			public, certificate := y.file("public"), y.file("certificate")
			y.do("-s", slot, "-A", algorithm, "-a", "generate", "-o", public)
			y.certify(public, certificate, who)
			y.do("-s", slot, "-a", "import-certificate", "-i", certificate)
			if slot == "9a" {
				assert.Contains(t, y.do("-s", slot, "-P", cardtest.PIN, "-a", "verify-pin", "-a", "test-signature", "-i", certificate), "Successful")
			} else {
				assert.Contains(t, y.do("-s", slot, "-P", cardtest.PIN, "-a", "verify-pin", "-a", "test-decipher", "-i", certificate), "Successful")
			}
		}
	}
	signByLibrary(t, socket, yubiReader, "9A", who)

	attestation := y.file("attestation")
	y.do("-s", "9a", "-a", "attest", "-o", attestation)
	text, err := os.ReadFile(attestation)
	require.NoError(t, err)
	assert.Contains(t, string(text), "BEGIN CERTIFICATE")

	// An imported key.
	key := cardtest.Key(cardtest.RSA2048, 1)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(y.file("key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	y.do("-s", "9c", "-a", "import-key", "-i", y.file("key"))
	y.write(y.file("certificate"), issueFor(key.Public(), "bob@example.com"))
	y.do("-s", "9c", "-a", "import-certificate", "-i", y.file("certificate"))
	signByLibrary(t, socket, yubiReader, "9C", "bob@example.com")

	y.do("-a", "set-chuid", "-a", "set-ccc")
	y.do("-a", "change-pin", "-P", cardtest.PIN, "-N", "654321")
	y.do("-a", "change-puk", "-P", cardtest.PUK, "-N", "87654321")
	y.do("-a", "unblock-pin", "-P", "87654321", "-N", cardtest.PIN)
	assert.Contains(t, y.do("-a", "verify-pin", "-P", cardtest.PIN), "Successful")

	for range 3 { // reset needs a blocked PIN and PUK
		_, err := runOn(t, socket, y.tool, "-a", "verify-pin", "-P", "999999")
		assert.Error(t, err)
		_, err = runOn(t, socket, y.tool, "-a", "change-puk", "-P", "00000000", "-N", "11111111")
		assert.Error(t, err)
	}
	_, err = runOn(t, socket, y.tool, "-a", "verify-pin", "-P", cardtest.PIN)
	assert.Error(t, err, "the PIN is blocked")
	assert.Contains(t, y.do("-a", "reset"), "Successful")
	out := y.do("-a", "status")
	assert.NotContains(t, out, "Slot 9a")
	assert.Regexp(t, `PIN tries left:\s+3`, out)
}

// signByLibrary lists a credential of a card and signs with it.
func signByLibrary(t *testing.T, socket, reader, container, upn string) {
	t.Helper()
	s := pcsc.Socket(socket, nil)
	defer s.Close()
	find := enumerate.Finder{Service: s}
	for c, err := range find.All(t.Context()) {
		require.NoError(t, err)
		if c.Container != container {
			continue
		}
		assert.Equal(t, reader, c.Reader)
		assert.Equal(t, []string{upn}, c.Names.UPNs)
		key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err)
		defer key.Close()
		const server = "https://example.com"
		_, err = challenge.Respond(key, c.Raw, challenge.New("interop", server), server)
		assert.NoError(t, err)
		return
	}
	assert.Fail(t, "not found", "%s", container)
}

// TestProvisionedCardInForeignPrograms has foreign programs use keys and certificates
// that package piv put on the card.
func TestProvisionedCardInForeignPrograms(t *testing.T) {
	socket := softcard(t, "-app", "yubikey-5.7.1")
	y := newYubico(t, socket)
	admin := newAdmin(t, socket, yubiReader, piv.AES192)
	for slot, algorithm := range map[piv.Slot]piv.Algorithm{piv.Authentication: piv.RSA2048, piv.KeyManagement: piv.P256} {
		public, err := admin.Generate(t.Context(), slot, algorithm, nil)
		require.NoError(t, err)
		require.NoError(t, admin.PutCertificate(t.Context(), slot, issueFor(public, who)))
	}
	signByLibrary(t, socket, yubiReader, "9A", who)

	certificate := y.file("certificate")
	y.do("-s", "9a", "-a", "read-certificate", "-o", certificate)
	assert.Contains(t, y.do("-s", "9a", "-P", cardtest.PIN, "-a", "verify-pin", "-a", "test-signature", "-i", certificate), "Successful")
	y.do("-s", "9d", "-a", "read-certificate", "-o", certificate)
	assert.Contains(t, y.do("-s", "9d", "-P", cardtest.PIN, "-a", "verify-pin", "-a", "test-decipher", "-i", certificate), "Successful")

	tool := interop.Program(t, "pkcs11-tool", "opensc-tool", "-i")
	assertOnlyRandomMissing(t, socket, tool)
}

// assertOnlyRandomMissing runs OpenSC's test of a card. Its only error may be that a
// YubiKey has no random generator.
func assertOnlyRandomMissing(t *testing.T, socket, tool string) {
	t.Helper()
	out, err := runOn(t, socket, tool, "--test", "--login", "--pin", "env:TEST_PIN")
	if err != nil {
		require.ErrorContains(t, err, "exit status 1")
	}
	assert.Contains(t, out, "Decryption")
	if !strings.Contains(out, "No errors") {
		assert.Contains(t, out, "ERR: C_GenerateRandom failed")
		assert.Contains(t, out, "\n1 errors")
	}
	assert.Equal(t, strings.Contains(out, "C_GenerateRandom failed"), strings.Contains(out, "ERR"), out)
}

// TestOpenSCStoresCertificates has OpenSC authenticate with the management key of a
// PIV card and store certificates. Package piv generates the keys, since this version
// of piv-tool cannot write public keys with OpenSSL 3.
func TestOpenSCStoresCertificates(t *testing.T) {
	for _, algorithm := range []piv.Algorithm{piv.RSA2048, piv.P256, piv.P384} {
		t.Run(algorithm.String(), func(t *testing.T) {
			socket := softcard(t)
			tool := interop.Program(t, "piv-tool", "opensc-tool", "-i")
			test := interop.Program(t, "pkcs11-tool", "opensc-tool", "-i")
			public, err := newAdmin(t, socket, softReader, piv.TripleDES).Generate(t.Context(), piv.Authentication, algorithm, nil)
			require.NoError(t, err)

			dir := t.TempDir()
			t.Setenv("PIV_EXT_AUTH_KEY", filepath.Join(dir, "management"))
			customary := strings.TrimSuffix(strings.Repeat("01:02:03:04:05:06:07:08:", 3), ":")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "management"), []byte(customary), 0o600))
			certificate := filepath.Join(dir, "certificate")
			require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issueFor(public, "carol@example.com")}), 0o600))
			// The exit status is the number of bytes written.
			out, _ := runOn(t, socket, tool, "-A", "M:9B:03", "-C", "9A", "-i", certificate)
			assert.NotRegexp(t, `(?i)fail|error`, out)
			assertOnlyRandomMissing(t, socket, test)
			signByLibrary(t, socket, softReader, "9A", "carol@example.com")
		})
	}
}

// newAdmin returns an Admin with the default management key.
func newAdmin(t *testing.T, socket, reader string, a piv.Algorithm) *piv.Admin {
	t.Helper()
	s := pcsc.Socket(socket, nil)
	t.Cleanup(func() { s.Close() })
	c, err := s.Card(t.Context(), reader)
	require.NoError(t, err)
	key, err := piv.NewManagementKey(a, bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3))
	require.NoError(t, err)
	return piv.New(c).Admin(key)
}

// TestYKCS11 lists, signs and decrypts with Yubico's PKCS #11 module.
func TestYKCS11(t *testing.T) {
	interop.Require(t, pcscd)
	const module = "/usr/lib/x86_64-linux-gnu/libykcs11.so.2"
	if _, err := os.Stat(module); err != nil {
		interop.Missing(t, "ykcs11")
	}
	socket := softcard(t, "-app", "yubikey-5.4.3")
	y := newYubico(t, socket)
	for _, slot := range []string{"9a", "9d"} {
		y.do("-s", slot, "-A", "RSA2048", "-a", "generate", "-o", y.file("public"+slot))
		y.certify(y.file("public"+slot), y.file("certificate"), who)
		y.do("-s", slot, "-a", "import-certificate", "-i", y.file("certificate"))
	}
	tool := interop.Program(t, "pkcs11-tool", "opensc-tool", "-i")
	pkcs11 := func(args ...string) string {
		t.Helper()
		return mustRunOn(t, socket, tool, append([]string{"--module", module, "--login", "--pin", "env:TEST_PIN"}, args...)...)
	}
	assert.Contains(t, pkcs11("-O"), "Private key for PIV Authentication")

	text := sha256.Sum256([]byte("text"))
	require.NoError(t, os.WriteFile(y.file("text"), text[:], 0o600))
	pkcs11("--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", "01", "-i", y.file("text"), "-o", y.file("signature"))
	openssl := interop.Program(t, "openssl", "openssl", "version")
	out := mustRunOn(t, socket, openssl, "dgst", "-sha256", "-verify", y.file("public9a"), "-signature", y.file("signature"), y.file("text"))
	assert.Contains(t, out, "Verified OK")

	mustRunOn(t, socket, openssl, "pkeyutl", "-encrypt", "-pubin", "-inkey", y.file("public9d"), "-in", y.file("text"), "-out", y.file("ciphertext"))
	pkcs11("--decrypt", "--mechanism", "RSA-PKCS", "--id", "03", "-i", y.file("ciphertext"), "-o", y.file("plaintext"))
	plaintext, err := os.ReadFile(y.file("plaintext"))
	require.NoError(t, err)
	assert.Equal(t, text[:], plaintext)
	fmt.Println("ran ykcs11 with", filepath.Base(module))
}
