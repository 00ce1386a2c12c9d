package pkinit_test

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smartCardCodes are the codes that have a meaning for a smart card.
var smartCardCodes = []int{6, 12, 14, 16, 18, 23, 24, 25, 31, 37, 52, 62, 63, 64, 65, 66, 68, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81}

func TestErrorOfKDC(t *testing.T) {
	for _, code := range smartCardCodes {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			_, address := start(t, func(k *softkdc.KDC) {
				k.Authorize = func(string, *x509.Certificate) int { return code }
			})
			_, err := login(t, address, nil)
			var e *pkinit.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, code, e.Code)
			assert.ErrorIs(t, err, &pkinit.Error{Code: code})
			assert.Regexp(t, fmt.Sprintf(`^pkinit: sign in: KDC returned K(DC|RB)_[A-Z_]+ \(%d\)`, code), err.Error())
			hint := card.Hint(err)
			assert.True(t, strings.HasSuffix(hint, "."), hint)
			assert.NotContains(t, strings.TrimSuffix(hint, "."), ". ", "one sentence")
			if code == pkinit.CodeCertificateMismatch || code == pkinit.CodeClientNameMismatch {
				assert.Regexp(t, `^X509:<I>O=cardtest,CN=Test CA<SR>[0-9a-f]+$`, e.Mapping)
				assert.Contains(t, hint, e.Mapping)
			}
		})
	}
}

// TestErrorBeforeSignature checks which errors cost no signature.
func TestErrorBeforeSignature(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*softkdc.KDC)
		code int
	}{
		{"unknown user", func(k *softkdc.KDC) { k.Users = nil }, pkinit.CodePrincipalUnknown},
		{"disabled account", func(k *softkdc.KDC) { k.Announce = func(e *softkdc.Error) { e.Code = pkinit.CodeClientRevoked } }, pkinit.CodeClientRevoked},
		{"no PKINIT", func(k *softkdc.KDC) { k.Announce = func(e *softkdc.Error) { e.Methods = e.Methods[1:] } }, pkinit.CodePADataUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, address := start(t, c.edit)
			key, chain := newUser(cardtest.RSA2048)
			_, err := pkinit.Login(t.Context(), key, chain, options(address))
			assert.ErrorIs(t, err, &pkinit.Error{Code: c.code})
			assert.NotEmpty(t, card.Hint(err))
			assert.Zero(t, key.uses.Load())
		})
	}
}

func TestTextOfKDCIsQuoted(t *testing.T) {
	_, address := start(t, func(k *softkdc.KDC) {
		k.Announce = func(e *softkdc.Error) { e.Code, e.Text = 60, "\x1b[2J"+strings.Repeat("x", 1000) }
	})
	_, err := login(t, address, nil)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "\x1b")
	assert.Less(t, len(err.Error()), 400)
}

func TestRefusedBeforeAnyRequest(t *testing.T) {
	key, chain := newUser(cardtest.RSA2048)
	k, address := start(t, nil)
	for _, c := range []struct {
		name string
		edit func(o *pkinit.Options, chain *[][]byte, s *signer)
		want error
	}{
		{"no roots", func(o *pkinit.Options, _ *[][]byte, _ *signer) { o.Roots = nil }, pkinit.ErrNoRoots},
		{"no chain", func(_ *pkinit.Options, chain *[][]byte, _ *signer) { *chain = nil }, nil},
		{"long chain", func(_ *pkinit.Options, chain *[][]byte, _ *signer) { *chain = make([][]byte, 17) }, nil},
		{"malformed certificate", func(_ *pkinit.Options, chain *[][]byte, _ *signer) { *chain = [][]byte{{0x30, 0}} }, nil},
		{"another key", func(_ *pkinit.Options, _ *[][]byte, s *signer) { s.Signer = testkeys.RSA(2048, 2) }, pkinit.ErrKeyMismatch},
		{"unknown digest", func(o *pkinit.Options, _ *[][]byte, _ *signer) { o.Hash = 99 }, nil},
		{"certificate without a name", func(o *pkinit.Options, chain *[][]byte, _ *signer) {
			_, der := cardtest.TestCA().Issue(cardtest.Leaf{Emails: []string{user}})
			o.Name, *chain = upn.Name{}, [][]byte{der}
		}, upn.ErrHintRequired},
		{"no realm", func(o *pkinit.Options, _ *[][]byte, _ *signer) {
			o.Name = upn.Name{Value: `EXAMPLE\alice`, Source: upn.FromHint}
		}, pkinit.ErrNoRealm},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, chain, s := options(address), chain, &signer{Signer: key.Signer}
			c.edit(&o, &chain, s)
			_, err := pkinit.Login(t.Context(), s, chain, o)
			require.Error(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), "pkinit: sign in: "), err.Error())
			if c.want != nil {
				assert.ErrorIs(t, err, c.want)
			}
			assert.Zero(t, s.uses.Load())
		})
	}
	first, _ := k.Requests()
	assert.Zero(t, first)

	_, err := pkinit.Login(t.Context(), &signer{Signer: testkeys.Ed25519()}, ed25519Chain(), options(address))
	assert.ErrorContains(t, err, "unsupported")
}

func ed25519Chain() [][]byte {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: testkeys.Ed25519(), UPNs: []string{user}})
	return [][]byte{der}
}

// wrongSignature signs other data.
type wrongSignature struct{ crypto.Signer }

func (w wrongSignature) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return w.Signer.Sign(rand, make([]byte, len(digest)), opts)
}

func TestBrokenCard(t *testing.T) {
	k, address := start(t, nil)
	key, chain := newUser(cardtest.RSA2048)
	wrong := &signer{Signer: wrongSignature{key.Signer}}
	_, err := pkinit.Login(t.Context(), wrong, chain, options(address))
	assert.ErrorIs(t, err, pkinit.ErrKeyMismatch)
	_, signed := k.Requests()
	assert.Zero(t, signed, "no request leaves")
}
