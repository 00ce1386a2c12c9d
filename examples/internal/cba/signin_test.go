package cba_test

import (
	"crypto/tls"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/mtls"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSignInWithCard signs in with a key that a PIN unlocks on a card, over each
// version of TLS.
func TestSignInWithCard(t *testing.T) {
	f := newFixture(t)
	for _, kind := range []cardtest.KeyKind{cardtest.RSA2048, cardtest.RSA3072, cardtest.P256, cardtest.P384} {
		for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
			t.Run(string(kind)+" "+name, func(t *testing.T) {
				c := issue(cardtest.Leaf{Key: cardtest.Key(kind, 0), UPNs: []string{bob}})
				software := cardtest.PIV().Put("9A", c.key, c.der)
				service := cardtest.NewService(software)
				defer service.Close()
				finder := enumerate.Finder{Service: service, Policy: rules.Policy{EnumerateECCCerts: true}}
				credentials, err := finder.Offered(t.Context())
				require.NoError(t, err)
				source := &mtls.Source{Finder: &finder, PIN: card.FixedPIN(cardtest.PIN)}
				defer source.Close()
				sent, err := upn.SignIn{}.Name(credentials[0].Names)
				require.NoError(t, err)

				client := f.client(c)
				client.HTTP = f.httpClient(func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version })
				authorities := 0
				client.Certificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
					authorities = len(request.AcceptableCAs)
					return source.Get(request)
				}
				tokens, err := client.SignIn(t.Context(), sent)
				require.NoError(t, err)
				assert.Equal(t, bob, tokens.Claims.Username)
				assert.True(t, tokens.Claims.MultiFactor())
				assert.Equal(t, 1, authorities, "issuer hints")
				assert.Equal(t, 1, software.KeyUses())
				assert.Zero(t, software.Spent())
				require.NoError(t, source.Close())
				assert.False(t, software.Verified())
			})
		}
	}
	assert.Contains(t, f.log.String(), "signed in")
}
