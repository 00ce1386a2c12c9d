package cardtest_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/piv"
)

// In FIPS-only mode cards sign. What takes SHA-1 or 3DES is an error, not a panic.
func TestFIPSOnly(t *testing.T) {
	const variable = "CARDTEST_FIPS"
	if os.Getenv(variable) == "" {
		again := exec.Command(os.Args[0], "-test.run=^TestFIPSOnly$", "-test.v")
		again.Env = append(os.Environ(), variable+"=1", "GODEBUG=fips140=only")
		out, err := again.CombinedOutput()
		assert.NoError(t, err, "%s", out)
		return
	}
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	for name, soft := range map[string]*cardtest.Card{
		"PIV":     cardtest.Logon("alice@example.com"),
		"YubiKey": cardtest.YubiKey("5.4.3").Put("9A", key, certificate),
		"GIDS":    cardtest.GIDS().Put("kxc00", key, certificate),
		"TPM":     cardtest.TPM().Put("kxc00", key, certificate),
	} {
		service := cardtest.NewService(soft)
		find := enumerate.Finder{Service: service}
		credentials, err := find.Offered(t.Context())
		require.NoError(t, err, name)
		unlocked, err := credentials[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
		require.NoError(t, err, name)
		digest := sha256.Sum256([]byte(name))
		_, err = unlocked.Sign(nil, digest[:], crypto.SHA256)
		require.NoError(t, err, name)
		require.NoError(t, unlocked.Close())
		if name == "PIV" {
			c, err := service.Card(t.Context(), credentials[0].Reader)
			require.NoError(t, err)
			management, err := piv.NewManagementKey(piv.TripleDES, make([]byte, 24))
			require.NoError(t, err)
			assert.Error(t, piv.New(c).Admin(management).Check(t.Context()))
		}
		if soft := credentials[0]; soft.Application == enumerate.GIDS {
			err := soft.PIN().UnblockByAdministrator(t.Context(), func(_ context.Context, challenge []byte) ([]byte, error) {
				return challenge, nil
			}, card.FixedPIN(cardtest.PIN))
			assert.Error(t, err)
		}
		require.NoError(t, service.Close())
	}
}
