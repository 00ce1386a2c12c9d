package mapping_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFIPSOnly runs itself again in FIPS 140-only mode, in which SHA-1 panics.
func TestFIPSOnly(t *testing.T) {
	if !strings.Contains(os.Getenv("GODEBUG"), "fips140=only") {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPSOnly$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, string(output))
		require.Contains(t, string(output), "--- PASS: TestFIPSOnly/judge")
		return
	}
	const hash = "X509:<SHA1-PUKEY>" + hash40
	der := spec{key: key, extensions: [][]byte{san(upnName("bob@contoso.com")), ski(keyID), policies("1.2.3")}}.make(t)
	ca := spec{key: key, subject: rdns(dc, "com", dc, "contoso", cn, "CONTOSO-DC-CA")}.make(t)
	t.Run("of", func(t *testing.T) {
		for _, d := range []mapping.Dialect{mapping.Entra, mapping.ActiveDirectory} {
			list, err := mapping.Of(der, d)
			assert.ErrorIs(t, err, errors.ErrUnsupported)
			assert.ErrorContains(t, err, "mapping: SHA1PUKEY: ")
			kinds := map[mapping.Kind]bool{}
			for _, s := range list {
				kinds[s.Kind] = true
			}
			assert.True(t, kinds[mapping.IssuerSerial] && kinds[mapping.SKI] && kinds[mapping.Subject])
			assert.False(t, kinds[mapping.SHA1PublicKey])
		}
	})
	t.Run("match", func(t *testing.T) {
		bindings := []mapping.Binding{
			{Field: mapping.SKI, Attribute: mapping.CertificateUserIDs, Priority: 1},
			{Field: mapping.SHA1PublicKey, Attribute: mapping.CertificateUserIDs, Priority: 2},
		}
		m, err := mapping.Match(cui(hash, bobSKI), bindings, der, true)
		assert.NoError(t, err)
		assert.Equal(t, bobSKI, m.String())
		_, err = mapping.Match(cui(hash), bindings, der, true)
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		assert.NotErrorIs(t, err, mapping.ErrNoMatch)
		_, err = mapping.Match(cui(), bindings, der, true)
		assert.ErrorIs(t, err, mapping.ErrNoMatch, "no hash is stored")
		assert.ErrorContains(t, err, "SHA1PUKEY to certificateUserIds: not set")
	})
	t.Run("judge", func(t *testing.T) {
		a := mapping.Account{UPN: "bob@contoso.com", AltSecurityIdentities: []string{hash, bobSKI}}
		j, err := mapping.Controller{}.Judge(a, der, nil)
		assert.NoError(t, err)
		assert.Equal(t, mapping.Strong, j.Answer)
		a.AltSecurityIdentities = []string{hash}
		_, err = mapping.Controller{}.Judge(a, der, nil)
		assert.ErrorIs(t, err, errors.ErrUnsupported)

		a.AltSecurityIdentities = nil
		j, err = mapping.Controller{}.Judge(a, der, ca)
		assert.NoError(t, err)
		assert.Equal(t, mapping.WeakRefused, j.Answer)
		rules := []mapping.NameRule{{Policies: []string{"1.2.3"}, UPNSuffix: "contoso.com"}}
		_, err = mapping.Controller{NamePolicy: rules}.Judge(a, der, ca)
		assert.ErrorIs(t, err, errors.ErrUnsupported)
	})
}
