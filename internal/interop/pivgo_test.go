//go:build linux && cgo && !pcsclite_go

package interop_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	pivgo "github.com/go-piv/piv-go/v2/piv"
	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/challenge"
	adapter "github.com/smartlogon/smartlogon/enumerate/pivgo"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPIVGoKeys uses keys that piv-go generated and opened as credentials. It is
// the only test here that uses the PC/SC library in its own process.
func TestPIVGoKeys(t *testing.T) {
	interop.Require(t, pcscd)
	socket := softcard(t, "-app", "yubikey-5.7.1")
	t.Setenv("PCSCLITE_CSOCK_NAME", socket)
	yk, err := pivgo.Open(yubiReader)
	require.NoError(t, err)
	open := true
	closeYubiKey := func() {
		if open {
			require.NoError(t, yk.Close())
		}
		open = false
	}
	defer closeYubiKey()

	slots := map[pivgo.Slot]pivgo.Algorithm{
		pivgo.SlotAuthentication:     pivgo.AlgorithmEC256,
		pivgo.SlotSignature:          pivgo.AlgorithmRSA2048,
		pivgo.SlotKeyManagement:      pivgo.AlgorithmRSA2048,
		pivgo.SlotCardAuthentication: pivgo.AlgorithmEd25519,
	}
	for slot, algorithm := range slots {
		policy := pivgo.PINPolicyOnce
		switch slot {
		case pivgo.SlotSignature:
			policy = pivgo.PINPolicyAlways
		case pivgo.SlotCardAuthentication:
			policy = pivgo.PINPolicyNever
		}
		public, err := yk.GenerateKey(pivgo.DefaultManagementKey, slot, pivgo.Key{Algorithm: algorithm, PINPolicy: policy, TouchPolicy: pivgo.TouchPolicyNever})
		require.NoError(t, err)
		der := issueFor(public, who)
		c := enumerate.New(der, nil)
		parsed, err := c.X509()
		require.NoError(t, err)
		require.NoError(t, yk.SetCertificate(pivgo.DefaultManagementKey, slot, parsed))
	}

	credentials, err := adapter.Credentials(yk, yubiReader)
	require.NoError(t, err)
	require.Len(t, credentials, 4)
	prompts := 0
	ask := func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		prompts++
		if r.Refused != nil {
			return card.PIN{}, r.Refused
		}
		return card.NewPIN([]byte(cardtest.PIN)), nil
	}

	// A wrong PIN is not sent again.
	_, err = credentials[0].Unlock(t.Context(), card.FixedPIN("999999"))
	assert.ErrorIs(t, err, card.ErrWrongPIN)
	assert.ErrorContains(t, err, "tries left: 2")
	_, err = credentials[0].Unlock(t.Context(), card.FixedPIN("999999"))
	assert.ErrorIs(t, err, card.ErrRefusedBefore)
	left, err := yk.Retries()
	require.NoError(t, err)
	assert.Equal(t, 2, left)

	for _, container := range []string{"9A", "9C", "9D", "9E"} {
		t.Run(container, func(t *testing.T) {
			for _, c := range credentials {
				if c.Container != container {
					continue
				}
				assert.Equal(t, []string{who}, c.Names.UPNs)
				assert.Equal(t, enumerate.PIV, c.Application)
				assert.Equal(t, container == "9A", c.Default)
				key, err := c.Unlock(t.Context(), ask)
				require.NoError(t, err)
				before := prompts
				for range 2 {
					const server = "https://example.com"
					_, err = challenge.Respond(key, c.Raw, challenge.New("interop", server), server)
					require.NoError(t, err)
				}
				if container == "9C" {
					assert.Equal(t, before+2, prompts, "one prompt for each signature")
				} else {
					assert.Equal(t, before, prompts)
				}
				if public, ok := key.Public().(*rsa.PublicKey); ok {
					ciphertext, err := rsa.EncryptPKCS1v15(rand.Reader, public, []byte("text"))
					require.NoError(t, err)
					plaintext, err := key.Decrypt(rand.Reader, ciphertext, nil)
					require.NoError(t, err)
					assert.Equal(t, "text", string(plaintext))
				}
				require.NoError(t, key.Close())
			}
		})
	}

	ctx, cancel := context.WithCancel(t.Context())
	key, err := credentials[3].Unlock(ctx, nil)
	require.NoError(t, err)
	cancel() // bounds Unlock alone
	_, err = key.Sign(rand.Reader, []byte("text"), crypto.Hash(0))
	assert.NoError(t, err)
	require.NoError(t, key.Close())
	_, err = key.Sign(rand.Reader, []byte("text"), crypto.Hash(0))
	assert.ErrorIs(t, err, enumerate.ErrKeyClosed)

	// This module uses what piv-go stored, after it disconnected, and the reverse.
	closeYubiKey()
	for _, container := range []string{"9A", "9C", "9E"} {
		signByLibrary(t, socket, yubiReader, container, who)
	}
	admin := newAdmin(t, socket, yubiReader, piv.AES192)
	public, err := admin.Generate(t.Context(), piv.Authentication, piv.RSA2048, nil)
	require.NoError(t, err)
	require.NoError(t, admin.PutCertificate(t.Context(), piv.Authentication, issueFor(public, "dave@example.com")))
	yk, err = pivgo.Open(yubiReader)
	require.NoError(t, err)
	open = true
	certificate, err := yk.Certificate(pivgo.SlotAuthentication)
	require.NoError(t, err)
	private, err := yk.PrivateKey(pivgo.SlotAuthentication, certificate.PublicKey, pivgo.KeyAuth{PIN: cardtest.PIN})
	require.NoError(t, err)
	_, err = private.(crypto.Signer).Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
	assert.NoError(t, err)
}

// TestYubiKeyExample runs examples/yubikey on a software YubiKey.
func TestYubiKeyExample(t *testing.T) {
	interop.Require(t, pcscd)
	out := mustRunOn(t, "", buildExample(t, "yubikey", true), "-soft")
	assert.Contains(t, out, "generated an RSA key in slot 9A")
	assert.Contains(t, out, "PIN policy: once")
	assert.Contains(t, out, "Stored a certificate for alice@example.com")
	assert.Contains(t, out, `send "alice@example.com"`)
	assert.Contains(t, out, `Challenge signed and verified: "alice@example.com".`)
	_, err := runOn(t, "", buildExample(t, "yubikey", true))
	assert.ErrorContains(t, err, "-overwrite", "a real YubiKey is changed on request only")
}
