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

// An opensc runs programs of OpenSC on a software GIDS card.
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
	return ranOn(o.t, o.socket, program, args...)
}

// initialize sets the card up.
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

// generate has the card make a key, and stores a certificate for it.
func (o opensc) generate(id, algorithm, upn string) {
	o.t.Helper()
	o.write("--generate-key", algorithm, "--key-usage", "sign,decrypt", "--id", id, "--label", "made "+id)
	block, _ := pem.Decode([]byte(o.do(o.list, "--read-public-key", id)))
	require.NotNil(o.t, block)
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(o.t, err)
	o.write("--store-certificate", o.file("certificate", "CERTIFICATE", certified(public, upn)), "--id", id)
}

// store brings a key and its certificate onto the card.
func (o opensc) store(id, usage string, key crypto.Signer, upn string) {
	o.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(o.t, err)
	o.write("--store-private-key", o.file("key", "PRIVATE KEY", der), "--key-usage", usage, "--id", id, "--label", "brought "+id)
	o.write("--store-certificate", o.file("certificate", "CERTIFICATE", certified(key.Public(), upn)), "--id", id)
}

// Unmodified OpenSC sets the software card up, makes keys on it, brings keys and
// certificates onto it, and uses them; this module reads what OpenSC wrote.
func TestOpenSCOnTheGIDSCard(t *testing.T) {
	socket := softcard(t, "-app", "gids-blank")
	o := newOpenSC(t, socket)
	s := pcsc.Socket(socket, nil)
	defer s.Close()
	find := enumerate.Finder{Service: s}
	assert.Contains(t, o.do(interop.Program(t, "opensc-tool", "opensc-tool", "-i"), "-n"), "GIDS")
	assert.Empty(t, listed(t, &find), "nobody has set it up")

	o.initialize()
	assert.Empty(t, listed(t, &find))
	o.generate("00", "rsa/2048", "made@example.com")
	assert.Equal(t, map[string]string{"kxc00": "made@example.com"}, listed(t, &find))
	o.store("01", "sign,decrypt", cardtest.Key(cardtest.RSA2048, 0), "brought@example.com")
	o.store("02", "sign", cardtest.Key(cardtest.RSA2048, 1), "signs@example.com")
	all := map[string]string{"kxc00": "made@example.com", "kxc01": "brought@example.com", "ksc02": "signs@example.com"}
	assert.Equal(t, all, listed(t, &find), "what was changed is seen")

	exchanges := 0
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(string, card.Command, []byte, time.Duration) { exchanges++ }})
	for _, err := range find.All(ctx) {
		require.NoError(t, err)
	}
	assert.LessOrEqual(t, exchanges, 3, "nothing has changed since")

	out := o.do(o.list, "-D")
	for _, label := range []string{"made 00", "brought 01", "brought 02"} {
		assert.Contains(t, out, "Private RSA Key ["+label+"]")
		assert.Contains(t, out, "X.509 Certificate ["+label+"]")
	}
	assert.NotRegexp(t, `(?i)error|fail|invalid`, out)
	out, err := runOn(t, socket, o.token, "--test", "--login", "--pin", "env:TEST_PIN")
	if err != nil {
		out = err.Error()
	}
	assert.Regexp(t, `(?m)^1 errors$`, out)
	assert.Contains(t, out, "ERR: C_GenerateRandom failed", "there is no random generator, and no other error")
	assert.Regexp(t, `Decryption.*\n.*made 00.*\n +RSA-PKCS: OK`, out)

	for container, upn := range all {
		signedByOurs(t, socket, softReader, container, upn)
	}
	for c, err := range find.All(t.Context()) {
		require.NoError(t, err)
		if c.Container == "ksc02" {
			assert.False(t, c.Findings.Offered(), "a signature key")
			continue
		}
		decryptedByOurs(t, c)
	}
	status, err := pinStatus(t, &find)
	require.NoError(t, err)
	assert.Equal(t, card.PINStatus{Retries: 3}, status)
}

// OpenSC numbers certificates with hexadecimal digits.
func TestManyContainersOfOpenSC(t *testing.T) {
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
	assert.Equal(t, want, listed(t, &enumerate.Finder{Service: s}))
	signedByOurs(t, socket, softReader, "kxc0B", "n0B@example.com")
}

// listed are the certificates that a Finder finds, and whom they name.
func listed(t *testing.T, f *enumerate.Finder) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for c, err := range f.All(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, enumerate.GIDS, c.Application)
		require.Len(t, c.Names.UPNs, 1)
		found[c.Container] = c.Names.UPNs[0]
	}
	return found
}

func decryptedByOurs(t *testing.T, c *enumerate.Credential) {
	t.Helper()
	key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, key.Public().(*rsa.PublicKey), []byte("secret"))
	require.NoError(t, err)
	plain, err := key.Decrypt(rand.Reader, sealed, nil)
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

// virtualCard is a virtual smart card with which alice signs in.
func virtualCard() *cardtest.Card {
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{who}})
	return cardtest.TPM().Put("kxc00", key, certificate)
}

// The main job on a GIDS card: on our socket without cgo, on the real service with
// libpcsclite and without.
func TestSignInWithAGIDSCard(t *testing.T) {
	judge := func(t *testing.T, signin, explain, socket, reader string) {
		t.Helper()
		said := ranOn(t, socket, signin, "-pcsc", "-pin-env", "TEST_PIN")
		assert.Contains(t, said, `in "`+reader+`", container kxc00`)
		assert.Contains(t, said, "Challenge signed")
		assert.Contains(t, said, "Name to send: "+who)
		said = ranOn(t, socket, explain)
		assert.Contains(t, said, reader+": GIDS kxc00")
		assert.Contains(t, said, `UPN        "`+who+`"`)
		assert.Contains(t, said, "GIDS application; PIN retries left: 3")
		assert.Contains(t, said, `container  "5a17106f-0000-4000-8000-000000000000"`)
		assert.Contains(t, said, "Windows would offer it.")
	}
	t.Run("our socket, without cgo", func(t *testing.T) {
		for _, app := range []string{"gids", "tpm", "piv+gids"} {
			judge(t, built(t, "signin", false), built(t, "explain", false), softcard(t, "-app", app), softReader)
		}
	})
	for how, cgo := range map[string]bool{"pcscd with libpcsclite": true, "pcscd without cgo": false} {
		t.Run(how, func(t *testing.T) {
			interop.Require(t, pcscd)
			signin, explain := built(t, "signin", cgo), built(t, "explain", cgo)
			c := virtualCard()
			insert(t, c)
			judge(t, signin, explain, pcscd.Socket, first)
			assert.Zero(t, c.Writes()+c.Spent())
			assert.False(t, c.Verified(), "the card was left unlocked")
			assert.Contains(t, ran(t, interop.Program(t, "opensc-tool", "opensc-tool", "-i"), "-n"), "GIDS")
		})
	}
}
