package piv_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

func TestPINPolicies(t *testing.T) {
	hash := make([]byte, 32)
	for policy, want := range map[byte]string{1: "9000 9000 9000", 2: "6982 9000 9000", 3: "6982 9000 6982"} {
		c := newYubiKey(t, "5.4.3", piv.Config{})
		authenticateFirmwareKey(c, "5.4.3")
		c.send(generateCommand(0x9A, piv.P256, 0xAA, 1, policy))
		use := func() string { return status(c.send(signCommand(piv.P256, 0x9A, hash))) }
		before := use()
		c.send(verifyPIN)
		assert.Equal(t, want, before+" "+use()+" "+use(), "PIN policy %d", policy)
	}
}

func TestTouch(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	touch, requests := true, 0
	c := newYubiKey(t, "5.4.3", piv.Config{
		Touch: func() bool { requests++; return touch },
		Now:   func() time.Time { return now },
	})
	require.NoError(t, c.app.Put(0x9A, p256, nil))
	use := func() string { return status(c.send(signCommand(piv.P256, 0x9A, make([]byte, 32)))) }
	policy := func(p piv.TouchPolicy) { require.True(t, c.app.SetPolicy(0x9A, piv.PINNever, p)); requests = 0 }

	policy(piv.TouchNever)
	assert.Equal(t, "9000", use())
	assert.Zero(t, requests)

	policy(piv.TouchAlways)
	assert.Equal(t, "9000", use())
	assert.Equal(t, "9000", use())
	assert.Equal(t, 2, requests)

	policy(piv.TouchCached)
	assert.Equal(t, "9000", use())
	now = now.Add(14 * time.Second)
	assert.Equal(t, "9000", use())
	assert.Equal(t, 1, requests, "within 15 seconds")
	now = now.Add(time.Second)
	touch = false
	assert.Equal(t, "6982", use())
	assert.Equal(t, 2, requests)

	policy(piv.TouchAlways)
	require.True(t, c.app.SetPolicy(0x9A, piv.PINOnce, piv.TouchAlways))
	assert.Equal(t, "6982", use())
	assert.Zero(t, requests, "no touch without the PIN")

	authenticateFirmwareKey(c, "5.4.3")
	require.Equal(t, "9000", c.send(fmt.Sprintf("00fffffe1b039b18%x", defaultKey)))
	challenge := element(t, c.send(adminCommand(0x03, tlv(0x81))), 0x81)
	assert.Equal(t, "6982", c.send(adminCommand(0x03, tlv(0x82, apply(block(t, adminKeys["3DES"]).Encrypt, challenge)))))
	assert.Equal(t, 1, requests, "the administrator's key")

	require.Equal(t, "9000", status(newYubiKey(t, "5.4.3", piv.Config{}).send("00f70080")))
	c = newYubiKey(t, "5.4.3", piv.Config{})
	require.NoError(t, c.app.Put(0x9A, p256, nil))
	require.True(t, c.app.SetPolicy(0x9A, piv.PINNever, piv.TouchCached))
	assert.Equal(t, "9000", use(), "nil Touch")
}
