//go:build linux

package interop_test

import (
	"context"
	"crypto"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	kerberosRealm = "EXAMPLE.COM"
	kerberosUser  = "alice@EXAMPLE.COM"
)

// newMITKDC starts a KDC with the account alice.
func newMITKDC(t *testing.T, options ...string) (*interop.MITKDC, *softkdc.Authority) {
	t.Helper()
	interop.Require(t, pcscd)
	authority := softkdc.NewAuthority(nil)
	k := interop.NewMITKDC(t, kerberosRealm, authority, cardtest.TestCA().Certificate(), options, []string{"alice"})
	return k, authority
}

// unlock returns the key of a software card with the certificate of a user.
func unlock(t *testing.T, leaf cardtest.Leaf) (*enumerate.Key, [][]byte, *cardtest.Card) {
	t.Helper()
	key, der := cardtest.TestCA().Issue(leaf)
	soft := cardtest.PIV().Put("9A", key, der)
	service := cardtest.NewService(soft)
	t.Cleanup(func() { service.Close() })
	find := enumerate.Finder{Service: service, Policy: rules.Policy{EnumerateECCCerts: true, X509HintsNeeded: true}}
	credentials, err := find.Offered(t.Context())
	require.NoError(t, err)
	unlocked, err := credentials[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, unlocked.Close()) })
	return unlocked, [][]byte{der}, soft
}

func kerberosOptions(k *interop.MITKDC, a *softkdc.Authority) pkinit.Options {
	return pkinit.Options{
		Name:  upn.Name{Value: kerberosUser, Source: upn.FromUPN},
		KDCs:  []string{k.Address},
		Roots: a.Pool(),
	}
}

func TestMITKDC(t *testing.T) {
	k, authority := newMITKDC(t, "pkinit_require_freshness = true")
	kvno := interop.Program(t, "kvno", "dpkg-query", "-W", "-f", "${Version}", "krb5-user")
	klist := interop.Program(t, "klist", "dpkg-query", "-W", "-f", "${Version}", "krb5-user")
	for _, kind := range []cardtest.KeyKind{cardtest.RSA2048, cardtest.RSA4096, cardtest.P256, cardtest.P384} {
		t.Run(string(kind), func(t *testing.T) {
			key, chain, soft := unlock(t, cardtest.Leaf{Key: cardtest.Key(kind, 0), UPNs: []string{kerberosUser}})
			for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
				o := kerberosOptions(k, authority)
				o.Hash, o.Forwardable, o.RenewLifetime = hash, true, 24*time.Hour
				before := soft.KeyUses()
				tgt, err := pkinit.Login(t.Context(), key, chain, o)
				require.NoError(t, err, "%v", hash)
				defer tgt.Close()
				assert.Equal(t, 1, soft.KeyUses()-before, "signatures")
				assert.Equal(t, kerberosUser, tgt.Client())
				assert.WithinDuration(t, time.Now().Add(24*time.Hour), tgt.Times().Renew, time.Minute)

				cache := "FILE:" + filepath.Join(t.TempDir(), "cc")
				require.NoError(t, tgt.WriteCache(cache))
				out, err := k.TryRun(t, []string{"KRB5CCNAME=" + cache}, kvno, "host/web.example.com")
				require.NoError(t, err, out)
				out, err = k.TryRun(t, []string{"KRB5CCNAME=" + cache}, klist, "-f")
				require.NoError(t, err, out)
				assert.Regexp(t, `krbtgt/EXAMPLE.COM@EXAMPLE.COM(?s:.*)Flags: F\w*RI\w*A(?s:.*)host/web.example.com@EXAMPLE.COM`, out)

				renewed, err := tgt.Renew(t.Context())
				require.NoError(t, err)
				defer renewed.Close()
				require.NoError(t, renewed.WriteCache(cache))
				out, err = k.TryRun(t, []string{"KRB5CCNAME=" + cache}, kvno, "host/web.example.com")
				require.NoError(t, err, out)
			}
			assert.Equal(t, 1, soft.PINs(), "one PIN for all logins")
			assert.Zero(t, soft.Spent())
		})
	}
}

// TestMITServiceTicketByGokrb5 hands the ticket to gokrb5.
func TestMITServiceTicketByGokrb5(t *testing.T) {
	k, authority := newMITKDC(t)
	key, chain, _ := unlock(t, cardtest.Leaf{UPNs: []string{kerberosUser}})
	tgt, err := pkinit.Login(t.Context(), key, chain, kerberosOptions(k, authority))
	require.NoError(t, err)
	cache, err := tgt.CCache()
	require.NoError(t, err)
	require.NoError(t, tgt.Close())
	text, err := os.ReadFile(k.Conf)
	require.NoError(t, err)
	conf, err := config.NewFromString(string(text))
	require.NoError(t, err)
	c, err := client.NewFromCCache(cache, conf)
	require.NoError(t, err)
	ticket, _, err := c.GetServiceTicket("host/web.example.com")
	require.NoError(t, err)
	assert.Equal(t, "host/web.example.com", ticket.SName.PrincipalNameString())
}

func TestMITKDCErrors(t *testing.T) {
	k, authority := newMITKDC(t)
	key, chain, soft := unlock(t, cardtest.Leaf{UPNs: []string{kerberosUser}})
	for _, c := range []struct {
		name string
		edit func(*pkinit.Options)
		code int
		uses int // signatures
	}{
		{"unknown user", func(o *pkinit.Options) { o.Name.Value = "bob@EXAMPLE.COM" }, pkinit.CodePrincipalUnknown, 0},
		{"ECDH", func(o *pkinit.Options) { o.ECDH = true }, pkinit.CodeKeyParameters, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := soft.KeyUses()
			o := kerberosOptions(k, authority)
			c.edit(&o)
			_, err := pkinit.Login(t.Context(), key, chain, o)
			var e *pkinit.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, c.code, e.Code, err)
			assert.NotEmpty(t, card.Hint(err))
			assert.Equal(t, c.uses, soft.KeyUses()-before, "signatures")
		})
	}
	t.Run("certificate of another user", func(t *testing.T) {
		key, chain, _ := unlock(t, cardtest.Leaf{UPNs: []string{"bob@EXAMPLE.COM"}})
		_, err := pkinit.Login(t.Context(), key, chain, kerberosOptions(k, authority))
		var e *pkinit.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, pkinit.CodeClientNameMismatch, e.Code, err)
		assert.Contains(t, card.Hint(err), e.Mapping)
		assert.Regexp(t, `^X509:<I>.*<SR>[0-9a-f]+$`, e.Mapping)
	})
	t.Run("other authority", func(t *testing.T) {
		o := kerberosOptions(k, authority)
		o.Roots = cardtest.TestCA().Pool()
		_, err := pkinit.Login(t.Context(), key, chain, o)
		assert.ErrorIs(t, err, pkinit.ErrKDCCertificate)
	})
}

func TestMITKDCOverUDP(t *testing.T) {
	k, authority := newMITKDC(t)
	key, chain, _ := unlock(t, cardtest.Leaf{UPNs: []string{kerberosUser}})
	o := kerberosOptions(k, authority)
	o.KDCs = []string{"udp/" + k.Address}
	var protocols []string
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		protocols = append(protocols, network)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	tgt, err := pkinit.Login(t.Context(), key, chain, o)
	require.NoError(t, err)
	defer tgt.Close()
	assert.Equal(t, []string{"udp", "udp"}, protocols)
}

// TestMITKDC300 signs in 300 times in a row.
func TestMITKDC300(t *testing.T) {
	k, authority := newMITKDC(t, "pkinit_require_freshness = true")
	key, chain, soft := unlock(t, cardtest.Leaf{UPNs: []string{kerberosUser}})
	o := kerberosOptions(k, authority)
	started := time.Now()
	for i := range 300 {
		tgt, err := pkinit.Login(t.Context(), key, chain, o)
		require.NoError(t, err, "login %d", i)
		require.NoError(t, tgt.Close())
	}
	assert.Equal(t, 300, soft.KeyUses())
	assert.Equal(t, 1, soft.PINs())
	fmt.Printf("300 logins at MIT's KDC in %v\n", time.Since(started).Round(time.Second))
}

// TestKinitExample runs examples/kinit with a card behind a real pcscd, and MIT's
// programs with its cache.
func TestKinitExample(t *testing.T) {
	k, _ := newMITKDC(t)
	soft := cardtest.Logon(kerberosUser)
	insert(t, soft)
	program := buildExample(t, "kinit", false)
	cache := "FILE:" + filepath.Join(t.TempDir(), "cc")
	env := []string{"PCSCLITE_CSOCK_NAME=" + pcscd.Socket, "TEST_PIN=" + cardtest.PIN, "KRB5CCNAME=" + cache}
	args := []string{"-kdc", k.Address, "-roots", filepath.Join(k.Dir, "kdcca.pem")}
	out, err := k.TryRun(t, env, program, append(args, "-list")...)
	require.NoError(t, err, out)
	assert.Contains(t, out, kerberosUser+" in ")
	out, err = k.TryRun(t, env, program, append(args, "-pin-env", "TEST_PIN")...)
	require.NoError(t, err, out)
	assert.Contains(t, out, "Ticket of "+kerberosUser+" until ")
	assert.Equal(t, 1, soft.PINs(), "PINs")
	assert.Equal(t, 1, soft.KeyUses(), "signatures")
	assert.False(t, soft.Verified(), "the card is logged out")
	for _, command := range [][]string{{"klist"}, {"kvno", "host/web.example.com"}, {"kinit", "-R"}, {"kvno", "host/web.example.com"}} {
		out, err := k.TryRun(t, env, command[0], command[1:]...)
		assert.NoError(t, err, "%v: %s", command, out)
	}
}
