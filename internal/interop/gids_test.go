//go:build linux

package interop_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An opensc runs OpenSC's programs on a software GIDS card.
type opensc struct {
	t                        *testing.T
	socket, dir              string
	setUp, init, list, token string
}

func newOpenSC(t *testing.T, socket string) opensc {
	return opensc{
		t: t, socket: socket, dir: t.TempDir(),
		setUp: interop.Program(t, "gids-tool", "opensc-tool", "-i"),
		init:  interop.Program(t, "pkcs15-init", "opensc-tool", "-i"),
		list:  interop.Program(t, "pkcs15-tool", "opensc-tool", "-i"),
		token: interop.Program(t, "pkcs11-tool", "opensc-tool", "-i"),
	}
}

func (o opensc) do(program string, args ...string) string {
	o.t.Helper()
	return mustRunOn(o.t, o.socket, program, args...)
}

// initialize creates the file system of the card.
func (o opensc) initialize() {
	o.t.Helper()
	o.do(o.setUp, "-X", "--pin", "env:TEST_PIN",
		"--admin-key", "010203040506070801020304050607080102030405060708", "--serial-number", "00112233445566778899aabbccddeeff")
}

// write runs pkcs15-init with the PIN.
func (o opensc) write(args ...string) {
	o.t.Helper()
	o.do(o.init, append([]string{"--verify-pin", "--auth-id", "80", "--pin", cardtest.PIN}, args...)...)
}

// file writes a PEM file.
func (o opensc) file(name, kind string, der []byte) string {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	require.NoError(o.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// generate generates a key on the card and stores a certificate for it.
func (o opensc) generate(id, algorithm, upn string) {
	o.t.Helper()
	o.write("--generate-key", algorithm, "--key-usage", "sign,decrypt", "--id", id, "--label", "generated "+id)
	block, _ := pem.Decode([]byte(o.do(o.list, "--read-public-key", id)))
	require.NotNil(o.t, block)
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(o.t, err)
	o.write("--store-certificate", o.file("certificate", "CERTIFICATE", issueFor(public, upn)), "--id", id)
}

// store imports a key and its certificate.
func (o opensc) store(id, usage string, key crypto.Signer, upn string) {
	o.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(o.t, err)
	o.write("--store-private-key", o.file("key", "PRIVATE KEY", der), "--key-usage", usage, "--id", id, "--label", "imported "+id)
	o.write("--store-certificate", o.file("certificate", "CERTIFICATE", issueFor(key.Public(), upn)), "--id", id)
}

// TestOpenSCProvisionsGIDS has OpenSC initialize the software card, generate and
// import keys, and use them. This module reads and uses what OpenSC wrote.
func TestOpenSCProvisionsGIDS(t *testing.T) {
	socket := softcard(t, "-app", "gids-blank")
	o := newOpenSC(t, socket)
	s := pcsc.Socket(socket, nil)
	defer s.Close()
	find := enumerate.Finder{Service: s}
	assert.Contains(t, o.do(interop.Program(t, "opensc-tool", "opensc-tool", "-i"), "-n"), "GIDS")
	assert.Empty(t, listUPNs(t, &find), "the card is not initialized")

	o.initialize()
	assert.Empty(t, listUPNs(t, &find))
	o.generate("00", "rsa/2048", "generated@example.com")
	assert.Equal(t, map[string]string{"kxc00": "generated@example.com"}, listUPNs(t, &find))
	o.store("01", "sign,decrypt", cardtest.Key(cardtest.RSA2048, 0), "imported@example.com")
	o.store("02", "sign", cardtest.Key(cardtest.RSA2048, 1), "signs@example.com")
	all := map[string]string{"kxc00": "generated@example.com", "kxc01": "imported@example.com", "ksc02": "signs@example.com"}
	assert.Equal(t, all, listUPNs(t, &find), "changes are listed")

	exchanges := 0
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(string, card.Command, []byte, time.Duration) { exchanges++ }})
	for _, err := range find.All(ctx) {
		require.NoError(t, err)
	}
	assert.LessOrEqual(t, exchanges, 3, "nothing was read again")

	out := o.do(o.list, "-D")
	for _, label := range []string{"generated 00", "imported 01", "imported 02"} {
		assert.Contains(t, out, "Private RSA Key ["+label+"]")
		assert.Contains(t, out, "X.509 Certificate ["+label+"]")
	}
	assert.NotRegexp(t, `(?i)error|fail|invalid`, out)
	out, err := runOn(t, socket, o.token, "--test", "--login", "--pin", "env:TEST_PIN")
	if err != nil {
		out = err.Error()
	}
	assert.Regexp(t, `(?m)^1 errors$`, out)
	assert.Contains(t, out, "ERR: C_GenerateRandom failed", "the card has no random generator")
	assert.Regexp(t, `Decryption.*\n.*generated 00.*\n +RSA-PKCS: OK`, out)

	for container, upn := range all {
		signByLibrary(t, socket, softReader, container, upn)
	}
	for c, err := range find.All(t.Context()) {
		require.NoError(t, err)
		if c.Container == "ksc02" {
			assert.False(t, c.Findings.Offered(), "a signature key")
			continue
		}
		decryptByLibrary(t, c)
	}
	status, err := pinStatus(t, &find)
	require.NoError(t, err)
	assert.Equal(t, card.PINStatus{Retries: 3}, status)
}

// TestManyOpenSCContainers lists certificates that OpenSC numbered in hexadecimal.
func TestManyOpenSCContainers(t *testing.T) {
	socket := softcard(t, "-app", "gids-blank")
	o := newOpenSC(t, socket)
	o.initialize()
	key := cardtest.Key(cardtest.RSA1024, 0)
	want := make(map[string]string)
	for i := range 12 {
		id := fmt.Sprintf("%02X", i)
		o.store(id, "sign,decrypt", key, "n"+id+"@example.com")
		want["kxc"+id] = "n" + id + "@example.com"
	}
	s := pcsc.Socket(socket, nil)
	defer s.Close()
	assert.Equal(t, want, listUPNs(t, &enumerate.Finder{Service: s}))
	signByLibrary(t, socket, softReader, "kxc0B", "n0B@example.com")
}

// listUPNs returns the user name of each container.
func listUPNs(t *testing.T, f *enumerate.Finder) map[string]string {
	t.Helper()
	upns := make(map[string]string)
	for c, err := range f.All(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, enumerate.GIDS, c.Application)
		require.Len(t, c.Names.UPNs, 1)
		upns[c.Container] = c.Names.UPNs[0]
	}
	return upns
}

func decryptByLibrary(t *testing.T, c *enumerate.Credential) {
	t.Helper()
	key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	ciphertext, err := rsa.EncryptPKCS1v15(rand.Reader, key.Public().(*rsa.PublicKey), []byte("secret"))
	require.NoError(t, err)
	plain, err := key.Decrypt(rand.Reader, ciphertext, nil)
	require.NoError(t, err)
	assert.Equal(t, "secret", string(plain))
}

func pinStatus(t *testing.T, f *enumerate.Finder) (card.PINStatus, error) {
	t.Helper()
	for c, err := range f.All(t.Context()) {
		require.NoError(t, err)
		return c.PIN().Status(context.WithoutCancel(t.Context()))
	}
	return card.PINStatus{}, card.ErrNoCard
}

// newVirtualCard returns a TPM virtual smart card with a sign-in certificate.
func newVirtualCard() *cardtest.Card {
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{who}})
	return cardtest.TPM().Put("kxc00", key, certificate)
}

// TestSignInGIDS signs in with a GIDS card: on the socket of examples/softcard, and
// on the real service with libpcsclite and without.
func TestSignInGIDS(t *testing.T) {
	check := func(t *testing.T, signin, explain, socket, reader string) {
		t.Helper()
		said := mustRunOn(t, socket, signin, "-pcsc", "-pin-env", "TEST_PIN")
		assert.Contains(t, said, `in "`+reader+`", container kxc00`)
		assert.Contains(t, said, "Challenge signed")
		assert.Contains(t, said, "Name to send: "+who)
		said = mustRunOn(t, socket, explain)
		assert.Contains(t, said, reader+": GIDS kxc00")
		assert.Contains(t, said, `UPN        "`+who+`"`)
		assert.Contains(t, said, "GIDS application; PIN retries left: 3")
		assert.Contains(t, said, `container  "5a17106f-0000-4000-8000-000000000000"`)
		assert.Contains(t, said, "Windows would offer it.")
	}
	t.Run("software reader without cgo", func(t *testing.T) {
		for _, app := range []string{"gids", "tpm", "piv+gids"} {
			check(t, buildExample(t, "signin", false), buildExample(t, "explain", false), softcard(t, "-app", app), softReader)
		}
	})
	for name, cgo := range map[string]bool{"pcscd with libpcsclite": true, "pcscd without cgo": false} {
		t.Run(name, func(t *testing.T) {
			interop.Require(t, pcscd)
			signin, explain := buildExample(t, "signin", cgo), buildExample(t, "explain", cgo)
			c := newVirtualCard()
			insert(t, c)
			check(t, signin, explain, pcscd.Socket, first)
			assert.Zero(t, c.Writes()+c.Spent())
			assert.False(t, c.Verified(), "the PIN was left verified")
			assert.Contains(t, mustRun(t, interop.Program(t, "opensc-tool", "opensc-tool", "-i"), "-n"), "GIDS")
		})
	}
}
