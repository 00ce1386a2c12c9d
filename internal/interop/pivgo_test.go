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

// Keys that piv-go makes and opens are credentials of ours. This is the one test
// here that uses the library of PC/SC in its own process.
func TestKeysOfPIVGo(t *testing.T) {
	interop.Require(t, pcscd)
	socket := softcard(t, "-app", "yubikey-5.7.1")
	t.Setenv("PCSCLITE_CSOCK_NAME", socket)
	yk, err := pivgo.Open(yubiReader)
	require.NoError(t, err)
	open := true
	closed := func() {
		if open {
			require.NoError(t, yk.Close())
		}
		open = false
	}
	defer closed()

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
		der := certified(public, who)
		c := enumerate.New(der, nil)
		parsed, err := c.X509()
		require.NoError(t, err)
		require.NoError(t, yk.SetCertificate(pivgo.DefaultManagementKey, slot, parsed))
	}

	credentials, err := adapter.Credentials(yk, yubiReader)
	require.NoError(t, err)
	require.Len(t, credentials, 4)
	asked := 0
	ask := func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		asked++
		if r.Refused != nil {
			return card.PIN{}, r.Refused
		}
		return card.NewPIN([]byte(cardtest.PIN)), nil
	}

	// A wrong PIN costs one try, and is not sent again.
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
				before := asked
				for range 2 {
					const server = "https://example.com"
					_, err = challenge.Respond(key, c.Raw, challenge.New("interop", server), server)
					require.NoError(t, err)
				}
				if container == "9C" {
					assert.Equal(t, before+2, asked, "the PIN is asked for each time")
				} else {
					assert.Equal(t, before, asked)
				}
				if public, ok := key.Public().(*rsa.PublicKey); ok {
					sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, []byte("text"))
					require.NoError(t, err)
					opened, err := key.Decrypt(rand.Reader, sealed, nil)
					require.NoError(t, err)
					assert.Equal(t, "text", string(opened))
				}
				require.NoError(t, key.Close())
			}
		})
	}

	ctx, cancel := context.WithCancel(t.Context())
	key, err := credentials[3].Unlock(ctx, nil)
	require.NoError(t, err)
	cancel()
	_, err = key.Sign(rand.Reader, []byte("text"), crypto.Hash(0))
	assert.ErrorIs(t, err, context.Canceled)

	// What it stored, ours reads and uses, once it lets go; and the other way round.
	closed()
	for _, container := range []string{"9A", "9C", "9E"} {
		signedByOurs(t, socket, yubiReader, container, who)
	}
	admin := administer(t, socket, yubiReader, piv.AES192)
	public, err := admin.Generate(t.Context(), piv.Authentication, piv.RSA2048, nil)
	require.NoError(t, err)
	require.NoError(t, admin.PutCertificate(t.Context(), piv.Authentication, certified(public, "dave@example.com")))
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

// The tutorial with piv-go runs on the software YubiKey.
func TestYubiKeyExample(t *testing.T) {
	interop.Require(t, pcscd)
	out := ranOn(t, "", built(t, "yubikey", true), "-soft")
	assert.Contains(t, out, "generated an RSA key in slot 9A")
	assert.Contains(t, out, "PIN policy: once")
	assert.Contains(t, out, "Stored a certificate for alice@example.com")
	assert.Contains(t, out, `send "alice@example.com"`)
	assert.Contains(t, out, `Challenge signed and verified: "alice@example.com".`)
	_, err := runOn(t, "", built(t, "yubikey", true))
	assert.ErrorContains(t, err, "-overwrite", "a real YubiKey is changed on request only")
}
