package challenge_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// FuzzChallengeText holds that what is read is written again as the same
// characters, and that nothing is changed by what is refused.
func FuzzChallengeText(f *testing.F) {
	f.Add([]byte(text(f, plain)))
	f.Fuzz(func(t *testing.T, in []byte) {
		var c challenge.Challenge
		if err := c.UnmarshalText(in); err != nil {
			if c.Purpose != "" || !c.Time.IsZero() {
				t.Fatalf("refused %q and kept %v", in, c)
			}
			return
		}
		out, err := c.MarshalText()
		if err != nil || !bytes.Equal(in, out) {
			t.Fatalf("read %q and wrote %q, %v", in, out, err)
		}
	})
}

// FuzzAnswer holds that only what Respond made verifies, and that everything
// else is a Refusal.
func FuzzAnswer(f *testing.F) {
	ca := newAuthority(f, "Root", nil, testkeys.RSA(2048, 2))
	v, c := verifier(ca), at("sign-in")
	// The same challenge each time, so that what the fuzzer learnt stays good.
	c.Nonce = [32]byte{1}
	made := map[string]bool{}
	for _, kind := range keyKinds() {
		answer := respond(f, kind.key, ca.issue(f, kind.key.Public()), c)
		made[string(answer)] = true
		f.Add(answer)
		f.Add(answer[:len(answer)-1])
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		id, err := v.Verify(t.Context(), c, in)
		var refusal *challenge.Refusal
		switch {
		case err == nil && (id == nil || !made[string(in)]):
			t.Fatalf("%x verifies", in)
		case err != nil && (id != nil || !errors.As(err, &refusal) || refusal.Reason <= 0 || refusal.Reason > challenge.Revoked):
			t.Fatalf("%x: %v, %v", in, id, err)
		case err != nil && made[string(in)]:
			t.Fatalf("%x: %v", in, err)
		}
	})
}
