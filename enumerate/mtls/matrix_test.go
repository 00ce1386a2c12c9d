package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/mtls"
)

// TestMatrix connects with each kind of card and key, in each version of TLS, to
// servers that name different authorities.
func TestMatrix(t *testing.T) {
	kinds := []struct {
		name      string
		container string
		onlyRSA   bool
		onlyPKCS1 bool
		new       func() *cardtest.Card
	}{
		{"PIV", "9A", false, false, func() *cardtest.Card { return cardtest.YubiKey("5.7.1") }},
		{"GIDS", "kxc00", false, false, func() *cardtest.Card { return cardtest.GIDS() }},
		{"GIDS, host pads", "kxc00", true, false, func() *cardtest.Card { return cardtest.GIDS(cardtest.GIDSHostPads) }},
		{"GIDS, card pads", "kxc00", true, true, func() *cardtest.Card { return cardtest.GIDS(cardtest.GIDSCardPads) }},
	}
	keys := []cardtest.KeyKind{cardtest.RSA2048, cardtest.RSA3072, cardtest.RSA4096, cardtest.P256, cardtest.P384}
	versions := map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}
	authorities := []struct {
		name    string
		named   []*x509.Certificate
		another *cardtest.CA // issuer of another card that is listed before
		fits    bool
	}{
		{"none named", nil, nil, true},
		{"root", []*x509.Certificate{parsed(root)}, nil, true},
		{"intermediate", []*x509.Certificate{parsed(intermediate)}, nil, true},
		{"several cards", []*x509.Certificate{stranger(), parsed(intermediate)}, other, true},
		{"none that fits", []*x509.Certificate{stranger(), parsed(other)}, nil, false},
	}
	rows := 0
	for _, kind := range kinds {
		for _, key := range keys {
			rsa := strings.HasPrefix(string(key), "RSA")
			if kind.onlyRSA && !rsa {
				continue
			}
			for versionName, version := range versions {
				for _, a := range authorities {
					rows++
					t.Run(fmt.Sprintf("%s/%s/%s/%s", kind.name, key, versionName, a.name), func(t *testing.T) {
						soft := put(kind.new(), kind.container, cardtest.Leaf{Key: cardtest.Key(key, 0), UPNs: []string{alice}})
						cards := []*cardtest.Card{soft}
						if a.another != nil {
							key, certificate := a.another.Issue(cardtest.Leaf{UPNs: []string{bob}})
							cards = []*cardtest.Card{cardtest.PIV().Put("9A", key, certificate), soft}
						}
						f := newFixture(t, cards...)
						name, err := f.connect(t.Context(), server(version, a.named...))
						switch {
						case !a.fits:
							require.NoError(t, err)
							assert.Empty(t, name)
							assert.ErrorIs(t, f.Err(), mtls.ErrNoCertificate)
							assert.Zero(t, f.user.asked.Load())
							assert.Zero(t, soft.PINs())
							return
						case kind.onlyPKCS1 && version == tls.VersionTLS13:
							assert.ErrorContains(t, err, mtls.ErrPSS.Error())
							assert.ErrorIs(t, f.Err(), mtls.ErrPSS)
						default:
							require.NoError(t, err)
							assert.Equal(t, "alice", name)
							assert.NoError(t, f.Err())
						}
						assert.EqualValues(t, 1, f.user.asked.Load())
						if a.another != nil {
							assert.Zero(t, cards[0].PINs())
						}
					})
				}
			}
		}
	}
	assert.Equal(t, (3*4+2*2)*2*5, rows)
}

// A card that only signs by PKCS #1 v1.5 is found out once. Then TLS 1.2 works, and
// TLS 1.3 fails before the card is used.
func TestCardPads(t *testing.T) {
	soft := put(cardtest.GIDS(cardtest.GIDSCardPads), "kxc00", cardtest.Leaf{UPNs: []string{alice}})
	f := newFixture(t, soft, quickCard(bob))
	_, err := f.connect(t.Context(), server(tls.VersionTLS13, parsed(root)))
	require.Error(t, err)
	assert.NotErrorIs(t, err, mtls.ErrPSS, "crypto/tls drops the chain")
	assert.ErrorIs(t, f.Explain(err), mtls.ErrPSS)
	assert.Contains(t, card.Hint(f.Explain(err)), "TLS 1.2")
	assert.EqualValues(t, 1, f.user.asked.Load())

	used := soft.Exchanges()
	_, err = f.connect(t.Context(), server(tls.VersionTLS13))
	assert.ErrorIs(t, err, mtls.ErrPSS, "another card is not used in its place")
	assert.Equal(t, used, soft.Exchanges())

	name, err := f.connect(t.Context(), server(tls.VersionTLS12))
	require.NoError(t, err)
	assert.Equal(t, "alice", name)
	assert.EqualValues(t, 1, f.user.asked.Load())
}
