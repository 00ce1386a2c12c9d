package piv_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/vectors"
	"github.com/smartlogon/smartlogon/piv"
)

// A cardDescription describes a test card of another project.
type cardDescription struct {
	Objects []struct {
		Tag, File, P12 string
		Certificate    bool
		Bytes          int
		KeyReference   string `json:"key_reference"`
	}
}

// The test cards of the federal program are listed with their certificates, and sign
// where their private keys are published.
func TestCardVectors(t *testing.T) {
	signed := 0
	for _, dir := range vectors.Cards(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var described cardDescription
			text, err := os.ReadFile(filepath.Join(dir, "card.json"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &described))
			want, keys, tags := map[piv.Slot][]byte{}, map[piv.Slot]bool{}, map[string]bool{}
			for _, o := range described.Objects {
				tags[o.Tag] = o.Bytes > 2 // some are empty
				if !o.Certificate {
					continue
				}
				var s piv.Slot
				_, err := fmt.Sscanf(o.KeyReference, "%x", &s)
				require.NoError(t, err)
				want[s], err = vectors.DER(filepath.Join(dir, o.File))
				require.NoError(t, err)
				keys[s] = o.P12 != ""
			}
			for _, options := range [][]cardtest.Option{nil, {cardtest.ShortLengths}, {cardtest.T0}} {
				soft, err := cardtest.Load(dir, options...)
				require.NoError(t, err)
				p := open(t, soft)
				got := map[piv.Slot][]byte{}
				for cert, err := range p.Certificates(t.Context(), piv.ScanUsual) {
					require.NoError(t, err)
					got[cert.Slot] = cert.Raw
				}
				assert.Equal(t, want, got)
				checkObjects(t, p, tags)
				for s, has := range keys {
					if has {
						checkVectorKey(t, p, s)
						signed++
					}
				}
				assert.Zero(t, soft.Spent())
				assert.Zero(t, soft.Writes())
			}
		})
	}
	assert.Positive(t, signed)
}

// checkObjects reads the objects beside certificates.
func checkObjects(t *testing.T, p *piv.Card, tags map[string]bool) {
	t.Helper()
	chuid, err := p.CHUID(t.Context())
	require.NoError(t, err)
	assert.Len(t, chuid.FASCN, 25)
	assert.NotEmpty(t, chuid.Signature)
	ccc, err := p.CCC(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 0x10, ccc.DataModel)
	discovery, err := p.Discovery(t.Context())
	if tags["7E"] {
		require.NoError(t, err)
		assert.Equal(t, fullAID, discovery.AID)
		assert.Equal(t, piv.ApplicationPIN, discovery.PIN())
	}
	history, err := p.KeyHistory(t.Context())
	if tags["5FC10C"] {
		require.NoError(t, err)
		assert.Positive(t, history.OnCard)
	} else {
		assert.ErrorIs(t, err, piv.ErrNotFound)
	}
}

// checkVectorKey signs with the key in a slot under the public key of its certificate.
func checkVectorKey(t *testing.T, p *piv.Card, s piv.Slot) {
	t.Helper()
	cert, err := p.Certificate(t.Context(), s)
	require.NoError(t, err)
	parsed, err := cert.X509()
	require.NoError(t, err)
	key, err := p.Key(t.Context(), s, parsed.PublicKey, card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	defer key.Close()
	signature, err := key.Sign(rand.Reader, digest(crypto.SHA256), crypto.SHA256)
	require.NoError(t, err, s)
	switch public := parsed.PublicKey.(type) {
	case *rsa.PublicKey:
		assert.NoError(t, rsa.VerifyPKCS1v15(public, crypto.SHA256, digest(crypto.SHA256), signature))
	case *ecdsa.PublicKey:
		assert.True(t, ecdsa.VerifyASN1(public, digest(crypto.SHA256), signature))
	default:
		t.Errorf("%v has a %T", s, public)
	}
}
