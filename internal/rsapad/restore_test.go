package rsapad_test

import (
	"crypto/rsa"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/internal/rsapad"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

func TestRestore(t *testing.T) {
	public := testkeys.RSA(1024, 0).Public().(*rsa.PublicKey)
	whole := make([]byte, 128)
	whole[127] = 7
	assert.Equal(t, whole, rsapad.Restore(public, []byte{7}))
	assert.Equal(t, whole, rsapad.Restore(public, whole[100:]))
	assert.Equal(t, whole, rsapad.Restore(public, whole))
	assert.Len(t, rsapad.Restore(public, make([]byte, 129)), 129, "longer than the modulus")
	assert.Empty(t, rsapad.Restore(public, nil))
}
