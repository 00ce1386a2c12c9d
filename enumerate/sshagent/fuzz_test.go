package sshagent_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/sshagent"
)

// FuzzMessage checks that what is signed has one encoding.
func FuzzMessage(f *testing.F) {
	key, err := ssh.NewPublicKey(cardtest.Key(cardtest.P256, 0).Public())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		if sshagent.ParseMessage(data, key.Marshal()) != nil {
			return
		}
		if text, ok := bytes.CutPrefix(data, []byte("SSHSIG")); ok {
			var m struct {
				Namespace, Reserved, Hash string
				Digest                    []byte
			}
			require.NoError(t, ssh.Unmarshal(text, &m))
			assert.Equal(t, text, ssh.Marshal(m))
			return
		}
		var m userAuth
		require.NoError(t, ssh.Unmarshal(data, &m))
		assert.Equal(t, data, ssh.Marshal(m))
	})
}

func FuzzBinding(f *testing.F) {
	f.Fuzz(func(t *testing.T, contents []byte) {
		if err := sshagent.AddBinding(contents); err != nil {
			assert.ErrorIs(t, err, sshagent.ErrBinding)
		}
	})
}
