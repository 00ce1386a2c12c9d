package challenge_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// at returns a challenge that is a minute old.
func at(purpose string) challenge.Challenge {
	c := challenge.New(purpose, origin)
	c.Time = clock.Add(-time.Minute)
	return c
}

// verifier trusts ca and accepts every kind of key.
func verifier(ca *authority) challenge.Verifier {
	return challenge.Verifier{
		Roots:   pool(ca.cert),
		Policy:  rules.Policy{EnumerateECCCerts: true},
		Waive:   []rules.Rule{rules.ECC}, // Windows does not support Ed25519
		Revoked: challenge.NoRevocation,
		Now:     func() time.Time { return clock },
	}
}

func respond(t testing.TB, key crypto.Signer, cert []byte, c challenge.Challenge) []byte {
	t.Helper()
	answer, err := challenge.Respond(key, cert, c, c.Audience)
	require.NoError(t, err)
	return answer
}

// answerTo returns an answer, also for a certificate that Respond refuses.
func answerTo(t testing.TB, key crypto.Signer, cert []byte, c challenge.Challenge) []byte {
	t.Helper()
	answer, err := challenge.Respond(key, cert, c, c.Audience)
	if err == nil {
		return answer
	}
	g := golden{Certificate: cert}
	g.build(c, algorithmNumbers["rsa-pkcs1"])
	digest := sha256.Sum256(g.Message)
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	answer = append([]byte("sla1"), algorithmNumbers["rsa-pkcs1"], byte(len(cert)>>8), byte(len(cert)))
	answer = append(answer, cert...)
	answer = append(answer, byte(len(signature)>>8), byte(len(signature)))
	return append(answer, signature...)
}

func reason(t testing.TB, err error) challenge.Reason {
	t.Helper()
	var refusal *challenge.Refusal
	require.ErrorAs(t, err, &refusal)
	return refusal.Reason
}

func TestVerifyAcceptsEveryKindOfKey(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	v := verifier(ca)
	for _, kind := range keyKinds() {
		t.Run(kind.name, func(t *testing.T) {
			cert := ca.issue(t, kind.key.Public())
			c := at("sign-in")
			id, err := v.Verify(t.Context(), c, respond(t, kind.key, cert, c))
			require.NoError(t, err)
			assert.Equal(t, "alice@example.com", id.Name.Value)
			assert.Equal(t, upn.FromUPN, id.Name.Source)
			assert.False(t, id.Name.Ambiguous)
			require.Len(t, id.Chain, 2)
			assert.Equal(t, cert, id.Chain[0].Raw)
			assert.Equal(t, ca.cert.Raw, id.Chain[1].Raw)
			assert.NotEmpty(t, id.Findings)
		})
	}
}

func TestVerifyAcceptsCriticalNameWithOnlyAUPN(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	cert := ca.issue(t, key.Public(), withSAN(true, upnName("alice@example.com")))
	parsed, err := x509.ParseCertificate(cert)
	require.NoError(t, err)
	_, err = parsed.Verify(x509.VerifyOptions{Roots: pool(ca.cert), CurrentTime: clock, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	require.Error(t, err, "crypto/x509 alone refuses it")

	v, c := verifier(ca), at("sign-in")
	id, err := v.Verify(t.Context(), c, respond(t, key, cert, c))
	require.NoError(t, err)
	assert.Equal(t, "alice@example.com", id.Name.Value)
}

func TestIssuerUsage(t *testing.T) {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	tests := []struct {
		name  string
		usage func(*x509.Certificate)
		noEKU bool
		want  bool
	}{
		{name: "without extended key usage", usage: func(*x509.Certificate) {}, want: true},
		{name: "any usage", usage: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, want: true},
		{name: "smart card logon among others", usage: func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}, oidSmartCardLogon}
		}, want: true},
		{name: "client authentication", usage: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }},
		{name: "client authentication and the policy that takes it", noEKU: true, want: true,
			usage: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			issuer := newAuthority(t, "Issuer", root, testkeys.RSA(2048, 1), tt.usage)
			v, c := verifier(root), at("sign-in")
			v.Intermediates = pool(issuer.cert)
			v.Policy.AllowCertificatesWithNoEKU = tt.noEKU
			id, err := v.Verify(t.Context(), c, respond(t, key, issuer.issue(t, key.Public()), c))
			if !tt.want {
				assert.Equal(t, challenge.IssuerUsage, reason(t, err))
				return
			}
			require.NoError(t, err)
			assert.Len(t, id.Chain, 3)
		})
	}
}

func TestRevokedIsCalledForEachChain(t *testing.T) {
	root := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	good := newAuthority(t, "Issuer", root, testkeys.RSA(2048, 1))
	old := newAuthority(t, "Issuer", root, testkeys.RSA(2048, 1), func(c *x509.Certificate) { c.SerialNumber.SetInt64(2) })
	key := testkeys.RSA(2048, 0)
	v, c := verifier(root), at("sign-in")
	v.Intermediates = pool(good.cert, old.cert)
	answer := respond(t, key, good.issue(t, key.Public()), c)

	var calls int
	v.Revoked = func(_ context.Context, chain []*x509.Certificate) error {
		if calls++; calls == 1 {
			return errTest
		}
		return nil
	}
	id, err := v.Verify(t.Context(), c, answer)
	require.NoError(t, err)
	assert.Equal(t, 2, calls)
	assert.Len(t, id.Chain, 3)

	v.Revoked = func(_ context.Context, chain []*x509.Certificate) error {
		return errors.New("serial " + chain[1].SerialNumber.String())
	}
	_, err = v.Verify(t.Context(), c, answer)
	assert.Equal(t, challenge.Revoked, reason(t, err))
	assert.ErrorContains(t, err, "serial 1")
	assert.ErrorContains(t, err, "serial 2")
}

// A client without the key cannot cause a lookup.
func TestSignatureIsCheckedBeforeLookups(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	v, c := verifier(ca), at("sign-in")
	answer := respond(t, key, ca.issue(t, key.Public()), c)
	answer[len(answer)-1] ^= 1
	v.Revoked = func(context.Context, []*x509.Certificate) error { t.Error("Revoked was called"); return nil }
	v.Accept = func(context.Context, upn.Name, []*x509.Certificate) error {
		t.Error("Accept was called")
		return nil
	}
	_, err := v.Verify(t.Context(), c, answer)
	assert.Equal(t, challenge.WrongSignature, reason(t, err))
}

func TestAcceptDecidesOnHint(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	v, c := verifier(ca), at("sign-in")
	v.SignIn.Hint = "bob@example.com"
	var seen []string
	v.Accept = func(_ context.Context, name upn.Name, chain []*x509.Certificate) error {
		seen = append(seen, name.Value, chain[0].Subject.CommonName)
		return nil
	}
	id, err := v.Verify(t.Context(), c, respond(t, key, ca.issue(t, key.Public()), c))
	require.NoError(t, err)
	assert.Equal(t, upn.FromHint, id.Name.Source)
	assert.Equal(t, []string{"bob@example.com", "Alice"}, seen)
}

func TestHintThatIsInTheCertificateNeedsNoAccept(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	v, c := verifier(ca), at("sign-in")
	v.SignIn.Hint = "ALICE@example.com"
	id, err := v.Verify(t.Context(), c, respond(t, key, ca.issue(t, key.Public()), c))
	require.NoError(t, err)
	assert.Equal(t, "ALICE@example.com", id.Name.Value)
}

func TestSeveralNames(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	v, c := verifier(ca), at("sign-in")
	v.SeveralNames = true
	cert := ca.issue(t, key.Public(), withSAN(false, upnName("alice@example.com"), upnName("root@example.com")))
	id, err := v.Verify(t.Context(), c, respond(t, key, cert, c))
	require.NoError(t, err)
	assert.Equal(t, "alice@example.com", id.Name.Value)
	assert.True(t, id.Name.Ambiguous)
}

func TestNamesThatDifferInCaseAreOne(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	v, c := verifier(ca), at("sign-in")
	cert := ca.issue(t, key.Public(), withSAN(false, upnName("alice@example.com"), upnName("ALICE@EXAMPLE.COM"), rfc822Name("else@example.com")))
	id, err := v.Verify(t.Context(), c, respond(t, key, cert, c))
	require.NoError(t, err)
	assert.Equal(t, "alice@example.com", id.Name.Value)
}

func TestMaxAgeIncludesItsLastSecond(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	c := at("sign-in")
	answer := respond(t, key, ca.issue(t, key.Public()), c)
	for _, age := range []time.Duration{challenge.DefaultMaxAge, 0, -time.Minute} {
		v := verifier(ca)
		v.Now = func() time.Time { return c.Time.Add(age) }
		_, err := v.Verify(t.Context(), c, answer)
		assert.NoError(t, err, "%v", age)
	}
}

func TestNowIsOptional(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	c := challenge.New("sign-in", origin)
	v := verifier(ca)
	v.Now = nil
	_, err := v.Verify(t.Context(), c, respond(t, key, ca.issue(t, key.Public()), c))
	assert.NoError(t, err)
}

func TestVerifyWithCanceledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	id, err := new(challenge.Verifier).Verify(ctx, challenge.Challenge{}, nil)
	assert.Nil(t, id)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestChangedByteNeverVerifies(t *testing.T) {
	ca := newAuthority(t, "Root", nil, testkeys.ECDSA(elliptic.P256(), 1))
	key := repeatable{testkeys.ECDSA(elliptic.P256(), 0)}
	v, c := verifier(ca), at("sign-in")
	answer := respond(t, key, ca.issue(t, key.Public()), c)
	for i := range answer {
		changed := bytes.Clone(answer)
		changed[i] ^= 1 << (i % 8)
		_, err := v.Verify(t.Context(), c, changed)
		require.Error(t, err, "byte %d", i)
		reason(t, err)
	}
}

// BenchmarkVerify compares Verify with the least that a server does with package
// crypto/x509: parse the certificate, build its chain, verify the signature.
func BenchmarkVerify(b *testing.B) {
	ca := newAuthority(b, "Root", nil, testkeys.RSA(2048, 2))
	key := testkeys.RSA(2048, 0)
	v, c := verifier(ca), at("sign-in")
	der := ca.issue(b, key.Public())
	answer := respond(b, key, der, c)
	b.Run("Verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(b.Context(), c, answer); err != nil {
				b.Fatal(err)
			}
		}
	})
	signed := sha256.Sum256(answer)
	signature, err := key.Sign(nil, signed[:], crypto.SHA256)
	require.NoError(b, err)
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			leaf, err := x509.ParseCertificate(der)
			if err != nil {
				b.Fatal(err)
			}
			if err := leaf.CheckSignature(x509.SHA256WithRSA, answer, signature); err != nil {
				b.Fatal(err)
			}
			options := x509.VerifyOptions{Roots: v.Roots, CurrentTime: clock, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
			if _, err := leaf.Verify(options); err != nil {
				b.Fatal(err)
			}
		}
	})
}
