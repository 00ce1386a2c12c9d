package pkinit_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unused returns an address where nothing listens.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// A recorder records what it connects to.
type recorder struct {
	mu   sync.Mutex
	list []string
}

func (r *recorder) dial(ctx context.Context, network, address string) (net.Conn, error) {
	r.mu.Lock()
	r.list = append(r.list, network+"/"+address)
	r.mu.Unlock()
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func TestNextKDC(t *testing.T) {
	_, address := start(t, nil)
	down := unused(t)
	var r recorder
	_, err := login(t, "", func(o *pkinit.Options) {
		o.KDCs, o.Dial = []string{"tcp/" + down, "tcp/" + address}, r.dial
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"tcp/" + down, "tcp/" + address, "tcp/" + address}, r.list, "the second request starts with the KDC that answered")
}

func TestUnavailableKDC(t *testing.T) {
	busy, first := start(t, func(k *softkdc.KDC) { k.Announce = func(e *softkdc.Error) { e.Code = pkinit.CodeServiceUnavailable } })
	_, second := start(t, nil)
	_, err := login(t, "", func(o *pkinit.Options) { o.KDCs = []string{first, second} })
	require.NoError(t, err)
	n, _ := busy.Requests()
	assert.Equal(t, 1, n)
	_, err = login(t, first, nil)
	assert.ErrorIs(t, err, &pkinit.Error{Code: pkinit.CodeServiceUnavailable})
}

func TestNoKDC(t *testing.T) {
	_, err := login(t, unused(t), nil)
	assert.ErrorIs(t, err, pkinit.ErrNoKDC)
	_, err = login(t, "ftp/127.0.0.1", nil)
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestUDP(t *testing.T) {
	_, address := start(t, nil)
	var r recorder
	_, err := login(t, "udp/"+address, func(o *pkinit.Options) { o.Dial = r.dial })
	require.NoError(t, err)
	assert.Equal(t, []string{"udp/" + address, "udp/" + address}, r.list)
}

func TestReplyTooBigForUDP(t *testing.T) {
	_, address := start(t, func(k *softkdc.KDC) { k.MaxDatagram = 1000 })
	var r recorder
	_, err := login(t, "udp/"+address, func(o *pkinit.Options) { o.Dial = r.dial })
	require.NoError(t, err)
	assert.Equal(t, []string{"udp/" + address, "udp/" + address, "tcp/" + address}, r.list)
}

func TestUDPWithoutTCP(t *testing.T) {
	_, address := start(t, nil)
	_, err := login(t, address, func(o *pkinit.Options) {
		o.Dial = func(ctx context.Context, network, a string) (net.Conn, error) {
			if network == "tcp" {
				return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
			}
			return (&net.Dialer{}).DialContext(ctx, network, a)
		}
	})
	assert.NoError(t, err)
}

// TestContextEnds cancels while the KDC does not answer.
func TestContextEnds(t *testing.T) {
	for _, protocol := range []string{"tcp", "udp"} {
		ctx, cancel := context.WithCancel(t.Context())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		u, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		address := l.Addr().String()
		if protocol == "udp" {
			address = u.LocalAddr().String()
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if protocol == "udp" {
				_, _, _ = u.ReadFrom(make([]byte, 1<<16))
				cancel()
				return
			}
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4))
			cancel()
			_, _ = c.Read(make([]byte, 1<<16)) // until the client closes
			c.Close()
		}()
		key, chain := newUser(cardtest.RSA2048)
		_, err = pkinit.Login(ctx, key, chain, options(protocol+"/"+address))
		assert.ErrorIs(t, err, context.Canceled)
		<-done
		assert.NoError(t, l.Close())
		assert.NoError(t, u.Close())
		assert.Zero(t, key.uses.Load())
	}
}

func TestDeadlineOfContext(t *testing.T) {
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer u.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	key, chain := newUser(cardtest.RSA2048)
	_, err = pkinit.Login(ctx, key, chain, options("udp/"+u.LocalAddr().String()))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

// serveDNS answers SRV and A queries: records maps the name of a service to the
// ports, all on 127.0.0.1.
func serveDNS(t *testing.T, records map[string][]uint16) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() {
		assert.NoError(t, conn.Close())
		<-done
	})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(answerDNS(b[:n], records), from)
		}
	}()
	address := conn.LocalAddr().String()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", address)
	}}
}

func answerDNS(query []byte, records map[string][]uint16) []byte {
	var labels []string
	at := 12
	for query[at] != 0 {
		labels = append(labels, string(query[at+1:at+1+int(query[at])]))
		at += 1 + int(query[at])
	}
	kind := binary.BigEndian.Uint16(query[at+1:])
	question := query[12 : at+5]
	var answers [][]byte
	switch {
	case kind == 33: // SRV
		for i, port := range records[strings.Join(labels, ".")] {
			data := binary.BigEndian.AppendUint16(nil, uint16(i)) // priority
			data = binary.BigEndian.AppendUint16(data, 0)
			data = binary.BigEndian.AppendUint16(data, port)
			answers = append(answers, append(data, "\x03dc1\x07example\x03com\x00"...))
		}
	case kind == 1 && labels[0] == "dc1":
		answers = append(answers, []byte{127, 0, 0, 1})
	}
	reply := append([]byte{query[0], query[1], 0x85, 0x80, 0, 1, 0, byte(len(answers)), 0, 0, 0, 0}, question...)
	for _, data := range answers {
		reply = append(reply, 0xC0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 60)
		reply = binary.BigEndian.AppendUint16(reply, uint16(len(data)))
		reply = append(reply, data...)
	}
	return reply
}

func port(t *testing.T, address string) uint16 {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", address)
	require.NoError(t, err)
	return uint16(a.Port)
}

func TestDNS(t *testing.T) {
	_, address := start(t, nil)
	down := unused(t)
	for _, protocol := range []string{"tcp", "udp"} {
		resolver := serveDNS(t, map[string][]uint16{"_kerberos._" + protocol + ".EXAMPLE.COM": {port(t, down), port(t, address)}})
		var r recorder
		_, err := login(t, "", func(o *pkinit.Options) {
			o.KDCs, o.Resolver = nil, resolver
			if protocol == "tcp" {
				o.Dial = func(ctx context.Context, network, a string) (net.Conn, error) {
					return r.dial(ctx, network, strings.Replace(a, "dc1.example.com", "127.0.0.1", 1))
				}
			}
		})
		require.NoError(t, err, protocol)
	}
	_, err := login(t, "", func(o *pkinit.Options) { o.KDCs, o.Resolver = nil, serveDNS(t, nil) })
	assert.ErrorIs(t, err, pkinit.ErrNoKDC)
}

func TestReferral(t *testing.T) {
	child, childAddress := start(t, func(k *softkdc.KDC) {
		k.Realm, k.Identity = "CHILD.EXAMPLE.COM", authority.Issue("CHILD.EXAMPLE.COM", nil)
		k.Users = map[string]string{user: "alice"}
	})
	_, rootAddress := start(t, func(k *softkdc.KDC) { k.Referrals = map[string]string{user: "CHILD.EXAMPLE.COM"} })
	resolver := serveDNS(t, map[string][]uint16{"_kerberos._tcp.CHILD.EXAMPLE.COM": {port(t, childAddress)}})
	tgt, err := login(t, rootAddress, func(o *pkinit.Options) {
		o.Form, o.Resolver = pkinit.FormEnterprise, resolver
	})
	require.NoError(t, err)
	assert.Equal(t, "alice@CHILD.EXAMPLE.COM", tgt.Client())
	_, signed := child.Requests()
	assert.Equal(t, 1, signed)

	t.Run("the other KDC must be that of its realm", func(t *testing.T) {
		_, imposter := start(t, func(k *softkdc.KDC) {
			k.Realm, k.Identity = "CHILD.EXAMPLE.COM", authority.Issue(realm, dnsName("example.com"))
			k.Users = map[string]string{user: "alice"}
		})
		resolver := serveDNS(t, map[string][]uint16{"_kerberos._tcp.CHILD.EXAMPLE.COM": {port(t, imposter)}})
		_, err := login(t, rootAddress, func(o *pkinit.Options) { o.Form, o.Resolver, o.Domain = pkinit.FormEnterprise, resolver, "example.com" })
		assert.ErrorIs(t, err, pkinit.ErrKDCCertificate)
	})
	t.Run("a loop ends", func(t *testing.T) {
		_, loop := start(t, func(k *softkdc.KDC) { k.Referrals = map[string]string{user: realm} })
		_, err := login(t, loop, func(o *pkinit.Options) { o.Form = pkinit.FormEnterprise })
		assert.ErrorIs(t, err, pkinit.ErrMismatch)
	})
	t.Run("not for a principal", func(t *testing.T) {
		_, loop := start(t, func(k *softkdc.KDC) { k.Referrals = map[string]string{"alice": "CHILD.EXAMPLE.COM"} })
		_, err := login(t, loop, nil)
		assert.ErrorIs(t, err, &pkinit.Error{Code: pkinit.CodeWrongRealm})
	})
}

func TestNameForms(t *testing.T) {
	for _, c := range []struct {
		name  string
		value string
		from  upn.Source
		form  pkinit.Form
		realm string
		sent  string // "" if no request is sent
	}{
		{"UPN", user, upn.FromUPN, pkinit.FormAuto, "", "alice"},
		{"UPN with the realm in lower case", user, upn.FromUPN, pkinit.FormAuto, realm, "alice"},
		{"UPN of another suffix", "alice@contoso.test", upn.FromUPN, pkinit.FormAuto, realm, "alice@contoso.test"},
		{"UPN in Active Directory", "alice@contoso.test", upn.FromADUPN, pkinit.FormAuto, realm, "alice@contoso.test"},
		{"hint", user, upn.FromHint, pkinit.FormAuto, "", user},
		{"hint with a domain", `EXAMPLE\alice`, upn.FromHint, pkinit.FormAuto, realm, "alice"},
		{"hint with a domain, without a realm", `EXAMPLE\alice`, upn.FromHint, pkinit.FormAuto, "", ""},
		{"several @", "a@b@example.com", upn.FromUPN, pkinit.FormPrincipal, "", "a@b"},
		{"principal", user, upn.FromHint, pkinit.FormPrincipal, "", "alice"},
		{"X.500", "", "", pkinit.FormX500, realm, "CN=alice"},
		{"X.500 without a realm", "", "", pkinit.FormX500, "", ""},
		{"name of the certificate", "", "", pkinit.FormAuto, "", "alice"},
		{"only a suffix", "@example.com", upn.FromUPN, pkinit.FormAuto, "", ""},
		{"realm with a slash", user, upn.FromUPN, pkinit.FormAuto, "A/B", ""},
		{"control character", "a\nb@example.com", upn.FromUPN, pkinit.FormAuto, "", ""},
		{"unknown form", user, upn.FromUPN, 99, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, address := start(t, func(k *softkdc.KDC) { k.Users = map[string]string{c.sent: "alice"} })
			tgt, err := login(t, address, func(o *pkinit.Options) {
				o.Name, o.Form, o.Realm = upn.Name{Value: c.value, Source: c.from}, c.form, c.realm
			})
			if c.sent == "" {
				require.Error(t, err)
				return
			}
			if c.form == pkinit.FormPrincipal && c.sent == "a@b" {
				assert.ErrorIs(t, err, pkinit.ErrMismatch, "the KDC returned alice")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "alice@EXAMPLE.COM", tgt.Client())
		})
	}
}

func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{-10 * time.Hour, -time.Minute, time.Minute, 10 * time.Hour} {
		k, address := start(t, func(k *softkdc.KDC) { k.Clock = func() time.Time { return time.Now().Add(skew) } })
		tgt, err := login(t, address, nil)
		require.NoError(t, err, "%v", skew)
		assert.InDelta(t, skew.Seconds(), tgt.Skew().Seconds(), 10)
		_, signed := k.Requests()
		assert.Equal(t, 1, signed)
	}
	k, address := start(t, func(k *softkdc.KDC) { k.Clock = func() time.Time { return time.Now().AddDate(0, 0, 3) } })
	_, err := login(t, address, nil)
	var e *pkinit.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, pkinit.CodeClockSkew, e.Code)
	assert.Greater(t, e.Skew, 48*time.Hour)
	_, signed := k.Requests()
	assert.Zero(t, signed, "no signature is spent")
}
