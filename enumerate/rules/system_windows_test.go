package rules_test

import (
	"os"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/windows/registry"
)

const policyKey = `SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider`

// TestSystem overwrites and deletes the policy of the machine. It runs only where
// the environment says that the machine may lose it, as under Wine.
func TestSystem(t *testing.T) {
	if os.Getenv("SMARTLOGON_TEST_REGISTRY") != "1" {
		t.Skip("SMARTLOGON_TEST_REGISTRY is not 1: the policy in this machine's registry is left alone")
	}
	remove := func() {
		err := registry.DeleteKey(registry.LOCAL_MACHINE, policyKey)
		if err != nil {
			require.ErrorIs(t, err, registry.ErrNotExist)
		}
	}
	fresh := func(t *testing.T) registry.Key {
		remove()
		key, _, err := registry.CreateKey(registry.LOCAL_MACHINE, policyKey, registry.ALL_ACCESS|registry.WOW64_64KEY)
		require.NoError(t, err)
		t.Cleanup(func() { key.Close(); remove() })
		return key
	}
	t.Run("without the key", func(t *testing.T) {
		remove()
		p, err := rules.System()
		require.NoError(t, err)
		assert.Zero(t, p)
	})
	for _, name := range policyNames() {
		t.Run(name, func(t *testing.T) {
			key := fresh(t)
			require.NoError(t, key.SetDWordValue(name, 1))
			p, err := rules.System()
			require.NoError(t, err)
			assert.Equal(t, only(name), p)

			require.NoError(t, key.SetDWordValue(name, 0))
			p, err = rules.System()
			require.NoError(t, err)
			assert.Zero(t, p)

			require.NoError(t, key.SetDWordValue(name, 2))
			_, err = rules.System()
			assert.EqualError(t, err, "rules: policy "+name+" is a REG_DWORD of 2, not a REG_DWORD of 0 or 1")

			require.NoError(t, key.SetStringValue(name, "1"))
			_, err = rules.System()
			assert.EqualError(t, err, "rules: policy "+name+" is a REG_SZ, not a REG_DWORD of 0 or 1")

			require.NoError(t, key.SetQWordValue(name, 1))
			_, err = rules.System()
			assert.EqualError(t, err, "rules: policy "+name+" is registry data of type 11, not a REG_DWORD of 0 or 1")
		})
	}
	t.Run("IntegratedUnblockPromptString", func(t *testing.T) {
		key := fresh(t)
		require.NoError(t, key.SetDWordValue("AllowIntegratedUnblock", 1))
		require.NoError(t, key.SetStringValue("IntegratedUnblockPromptString", "Call 112"))
		p, err := rules.System()
		require.NoError(t, err)
		assert.Equal(t, rules.Policy{AllowIntegratedUnblock: true, IntegratedUnblockPromptString: "Call 112"}, p)
	})
	t.Run("an undocumented value", func(t *testing.T) {
		require.NoError(t, fresh(t).SetDWordValue("AllowEverything", 1))
		_, err := rules.System()
		assert.EqualError(t, err, `rules: policy "AllowEverything" is not documented`)
	})
}
