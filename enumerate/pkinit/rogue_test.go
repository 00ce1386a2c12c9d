package pkinit_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/pkinit"
	"github.com/smartlogon/smartlogon/internal/softkdc"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// identity is the certificate of a KDC with a change.
func identity(edit func(*x509.Certificate)) func(*softkdc.KDC) {
	return func(k *softkdc.KDC) { k.Identity = authority.Issue(realm, edit) }
}

func reply(edit func(*softkdc.Reply)) func(*softkdc.KDC) {
	return func(k *softkdc.KDC) { k.Edit = edit }
}

func dnsName(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtraExtensions, c.DNSNames = nil, []string{name} }
}

func pkinitName(realm, served string) func(*x509.Certificate) {
	names, _ := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: softkdc.PKINITName(realm, served)})
	return func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: names}}
	}
}

// smallPublicValue is a public value of the 1024-bit group (RFC 2409, 6.2).
func smallPublicValue() []byte {
	p, _ := new(big.Int).SetString("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"+
		"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"+
		"49286651ECE65381FFFFFFFFFFFFFFFF", 16)
	x, _ := rand.Int(rand.Reader, p)
	value, _ := asn1.Marshal(new(big.Int).Exp(big.NewInt(2), x, p))
	return value
}

func number(n int64) []byte {
	b, _ := asn1.Marshal(big.NewInt(n))
	return b
}

// rogues are KDCs whose reply must be refused.
var rogues = []struct {
	name string
	edit func(*softkdc.KDC)
	want error
}{
	{"unknown authority", func(k *softkdc.KDC) {
		k.Identity = softkdc.NewAuthority(func(c *x509.Certificate) { c.Subject.CommonName = "another CA" }).Issue(realm, nil)
	}, pkinit.ErrKDCCertificate},
	{"without the purpose of a KDC", identity(func(c *x509.Certificate) {
		c.UnknownExtKeyUsage, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}), pkinit.ErrKDCCertificate},
	{"any purpose", identity(func(c *x509.Certificate) {
		c.UnknownExtKeyUsage, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}), pkinit.ErrKDCCertificate},
	{"without the usage of signatures", identity(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), pkinit.ErrKDCCertificate},
	{"expired", identity(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), pkinit.ErrKDCCertificate},
	{"not yet valid", identity(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), pkinit.ErrKDCCertificate},
	{"name of another realm", identity(pkinitName("OTHER.COM", "OTHER.COM")), pkinit.ErrKDCCertificate},
	{"another realm that serves this one", identity(pkinitName("OTHER.COM", realm)), pkinit.ErrKDCCertificate},
	{"this realm that serves another one", identity(pkinitName(realm, "OTHER.COM")), pkinit.ErrKDCCertificate},
	{"without a name", identity(func(c *x509.Certificate) { c.ExtraExtensions = nil }), pkinit.ErrKDCCertificate},
	{"dNSName of another domain", identity(dnsName("example.org")), pkinit.ErrKDCCertificate},
	{"dNSName of a host in the domain", identity(dnsName("dc1.example.com")), pkinit.ErrKDCCertificate},
	{"wildcard dNSName", identity(dnsName("*.com")), pkinit.ErrKDCCertificate},
	{"malformed names", identity(func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte{0x30, 0x04, 0xA0, 0x02, 0x06, 0x01}}}
	}), nil},
	{"certificate is missing", reply(func(r *softkdc.Reply) { r.Signing.Omit = true }), pkinit.ErrSignature},
	{"another key", reply(func(r *softkdc.Reply) { r.Signing.Key = testkeys.RSA(2048, 2) }), pkinit.ErrSignature},
	{"key of 1024 bits", func(k *softkdc.KDC) {
		k.Identity = authority.Issue(realm, func(c *x509.Certificate) { c.PublicKey = testkeys.RSA(1024, 0).Public() })
		k.Identity.Key = testkeys.RSA(1024, 0)
	}, pkinit.ErrWeak},
	{"corrupt signature", reply(func(r *softkdc.Reply) { r.Signing.Corrupt = true }), pkinit.ErrSignature},
	{"digest of other content", reply(func(r *softkdc.Reply) { r.Signing.Digest = make([]byte, 32) }), pkinit.ErrSignature},
	{"SHA-1", reply(func(r *softkdc.Reply) { r.Signing.Hash = crypto.SHA1 }), pkinit.ErrWeak},
	{"another content type", reply(func(r *softkdc.Reply) { r.Signing.ContentType = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 3} }), pkinit.ErrMalformed},
	{"too many certificates", reply(func(r *softkdc.Reply) {
		for range 20 {
			r.Signing.Chain = append(r.Signing.Chain, authority.Certificate())
		}
	}), pkinit.ErrMalformed},
	{"nonce of the key", reply(func(r *softkdc.Reply) { r.SignedNonce++ }), pkinit.ErrMismatch},
	{"nonce", reply(func(r *softkdc.Reply) { r.Nonce++ }), pkinit.ErrMismatch},
	{"public value of a 1024-bit group", reply(func(r *softkdc.Reply) { r.PublicValue = smallPublicValue() }), pkinit.ErrWeak},
	{"public value 0", reply(func(r *softkdc.Reply) { r.PublicValue = number(0) }), pkinit.ErrWeak},
	{"public value 1", reply(func(r *softkdc.Reply) { r.PublicValue = number(1) }), pkinit.ErrWeak},
	{"negative public value", reply(func(r *softkdc.Reply) { r.PublicValue = number(-5) }), pkinit.ErrMalformed},
	{"public value of 8192 bits", reply(func(r *softkdc.Reply) {
		r.PublicValue, _ = asn1.Marshal(new(big.Int).Lsh(big.NewInt(1), 8191))
	}), pkinit.ErrMalformed},
	{"no public value", reply(func(r *softkdc.Reply) { r.PublicValue = nil }), pkinit.ErrMalformed},
	{"key encrypted with RSA", reply(func(r *softkdc.Reply) { r.RSAMode = true }), pkinit.ErrWeak},
	{"another reply key", reply(func(r *softkdc.Reply) { r.ReplyKey = make([]byte, 32) }), pkinit.ErrMismatch},
	{"RC4 reply key", reply(func(r *softkdc.Reply) { r.EType, r.Flags = 23, 0 }), pkinit.ErrWeak},
	{"RC4 session key", reply(func(r *softkdc.Reply) { r.SessionEType = 23 }), pkinit.ErrWeak},
	{"short session key", reply(func(r *softkdc.Reply) { r.SessionKey = r.SessionKey[:16] }), pkinit.ErrMalformed},
	{"another user", reply(func(r *softkdc.Reply) { r.User = "bob" }), pkinit.ErrMismatch},
	{"another realm of the user", reply(func(r *softkdc.Reply) { r.Realm = "OTHER.COM" }), pkinit.ErrMismatch},
	{"another realm of the ticket", reply(func(r *softkdc.Reply) { r.TicketRealm = "OTHER.COM" }), pkinit.ErrMismatch},
	{"another service", reply(func(r *softkdc.Reply) { r.EncRealm = "OTHER.COM" }), pkinit.ErrMismatch},
	{"checksum of another request", reply(func(r *softkdc.Reply) { r.Checksum = make([]byte, 12) }), pkinit.ErrMismatch},
	{"checksum of another type", reply(func(r *softkdc.Reply) { r.ChecksumType = 7 }), pkinit.ErrWeak},
	{"old time", reply(func(r *softkdc.Reply) { r.Auth = r.Auth.Add(-time.Hour) }), pkinit.ErrMismatch},
	{"start in the future", reply(func(r *softkdc.Reply) { r.Start = r.Start.Add(time.Hour) }), pkinit.ErrMismatch},
	{"ended", reply(func(r *softkdc.Reply) { r.End = r.Start.Add(-time.Minute) }), pkinit.ErrMismatch},
	{"end after the one asked for", reply(func(r *softkdc.Reply) { r.End = r.End.Add(time.Hour) }), pkinit.ErrMismatch},
	{"renewable against the request", reply(func(r *softkdc.Reply) { r.Flags |= 1 << 23; r.Renew = r.End.Add(time.Hour) }), pkinit.ErrMismatch},
	{"PKINIT data twice", reply(func(r *softkdc.Reply) { r.Repeat = 2 }), pkinit.ErrMalformed},
	{"no PKINIT data", reply(func(r *softkdc.Reply) { r.Repeat = 0 }), pkinit.ErrMalformed},
	{"freshness token twice", func(k *softkdc.KDC) {
		k.Announce = func(e *softkdc.Error) { e.Methods = append(e.Methods, softkdc.PAData(150, []byte("token"))) }
	}, pkinit.ErrMalformed},
	{"malformed methods", func(k *softkdc.KDC) {
		k.Announce = func(e *softkdc.Error) { e.Methods, e.Data = nil, []byte{0x30, 0x80} }
	}, pkinit.ErrMalformed},
	{"no reply but an error", func(k *softkdc.KDC) {
		k.Mangle = func([]byte) []byte { return []byte{0x7E, 0x02, 0x30, 0x00} }
	}, pkinit.ErrMalformed},
	{"data after the reply", func(k *softkdc.KDC) { k.Mangle = func(b []byte) []byte { return append(b, 0) } }, pkinit.ErrMalformed},
	{"another message", func(k *softkdc.KDC) { k.Mangle = func(b []byte) []byte { b[0] = 0x6D; return b } }, pkinit.ErrMalformed},
}

func TestRogueKDC(t *testing.T) {
	for _, r := range rogues {
		t.Run(r.name, func(t *testing.T) {
			_, address := start(t, r.edit)
			tgt, err := login(t, address, nil)
			require.Error(t, err)
			require.Nil(t, tgt)
			if r.want != nil {
				assert.ErrorIs(t, err, r.want)
			}
			assert.NotEmpty(t, card.Hint(err))
		})
	}
}

// TestLongKey checks that the client does not compute with a key of 16384 bits.
func TestLongKey(t *testing.T) {
	_, address := start(t, identity(func(c *x509.Certificate) {
		c.PublicKey = &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 16383, 1), E: 65537}
	}))
	_, err := login(t, address, nil)
	assert.ErrorIs(t, err, pkinit.ErrSignature)
	assert.ErrorContains(t, err, "the certificate of the signer is missing")
}

// TestRogueKDCReplays sends the reply to an earlier request.
func TestRogueKDCReplays(t *testing.T) {
	var first []byte
	_, address := start(t, func(k *softkdc.KDC) {
		k.Mangle = func(b []byte) []byte {
			if first == nil {
				first = b
			}
			return first
		}
	})
	_, err := login(t, address, nil)
	require.NoError(t, err)
	_, err = login(t, address, nil)
	assert.ErrorIs(t, err, pkinit.ErrMismatch)
}

// TestTruncatedReply shortens the reply. TestTruncatedMessages does so at every byte.
func TestTruncatedReply(t *testing.T) {
	for cut := 1; cut < 2500; cut += 101 {
		_, address := start(t, func(k *softkdc.KDC) {
			k.Mangle = func(b []byte) []byte { return b[:max(0, len(b)-cut)] }
		})
		_, err := login(t, address, nil)
		require.ErrorIs(t, err, pkinit.ErrMalformed, "%d bytes less", cut)
	}
}

// TestHugeReply announces 10 MB, and sends as much as the client reads.
func TestHugeReply(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	sent := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.ReadFull(c, make([]byte, 4))
		_, _ = c.Write(binary.BigEndian.AppendUint32(nil, 10<<20))
		n, _ := io.Copy(c, io.LimitReader(zeros{}, 10<<20))
		sent <- n
	}()
	_, err = login(t, l.Addr().String(), nil)
	assert.ErrorIs(t, err, pkinit.ErrMalformed)
	assert.Less(t, <-sent, int64(10<<20))
	require.NoError(t, l.Close())
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestHonestVariants checks that what the rogues change is accepted
// where it is right.
func TestHonestVariants(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(*softkdc.KDC)
		options func(*pkinit.Options)
	}{
		{"dNSName of the domain", identity(dnsName("example.com")), nil},
		{"dNSName in capitals", identity(dnsName("EXAMPLE.COM")), nil},
		{"dNSName of the options", identity(dnsName("corp.example.org")), func(o *pkinit.Options) { o.Domain = "corp.example.org" }},
		{"critical names", identity(func(c *x509.Certificate) { c.Subject = pkix.Name{}; c.ExtraExtensions[0].Critical = true }), nil},
		{"signer by key identifier", reply(func(r *softkdc.Reply) { r.Signing.ByKeyID = true }), nil},
		{"SHA-512", reply(func(r *softkdc.Reply) { r.Signing.Hash = crypto.SHA512 }), nil},
		{"SHA-1 if asked for", reply(func(r *softkdc.Reply) { r.Signing.Hash = crypto.SHA1 }), func(o *pkinit.Options) { o.AllowSHA1 = true }},
		{"shorter life", reply(func(r *softkdc.Reply) { r.End = r.Start.Add(time.Hour) }), nil},
		{"AES-128", reply(func(r *softkdc.Reply) { r.EType, r.SessionEType, r.SessionKey = 17, 17, r.SessionKey[:16] }), nil},
		{"AES-256 with SHA-384", reply(func(r *softkdc.Reply) { r.EType, r.SessionEType = 20, 20 }), nil},
		{"AES-128 with SHA-256", reply(func(r *softkdc.Reply) { r.EType, r.SessionEType, r.SessionKey = 19, 19, r.SessionKey[:16] }), nil},
		{"no checksum of the request", reply(func(r *softkdc.Reply) { r.Flags = 0 }), nil},
		{"no freshness token", func(k *softkdc.KDC) {
			k.Freshness = false
			k.Announce = func(e *softkdc.Error) { e.Methods = e.Methods[:2] }
		}, nil},
		{"renewable", nil, func(o *pkinit.Options) { o.RenewLifetime = 48 * time.Hour }},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, address := start(t, c.edit)
			_, err := login(t, address, c.options)
			assert.NoError(t, err)
		})
	}
}

func TestRevoked(t *testing.T) {
	_, address := start(t, nil)
	revoked := errors.New("revoked")
	var chain []*x509.Certificate
	_, err := login(t, address, func(o *pkinit.Options) {
		o.Revoked = func(_ context.Context, c []*x509.Certificate) error {
			chain = c
			return revoked
		}
	})
	assert.ErrorIs(t, err, revoked)
	assert.ErrorIs(t, err, pkinit.ErrKDCCertificate)
	require.Len(t, chain, 2)
	assert.Equal(t, authority.Certificate(), chain[1].Raw)
}

// TestRestrictedAuthority has an authority that may not issue certificates for KDCs.
func TestRestrictedAuthority(t *testing.T) {
	for _, c := range []struct {
		usage []x509.ExtKeyUsage
		kdc   bool
		want  error
	}{
		{[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, false, pkinit.ErrKDCCertificate},
		{[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, true, nil},
		{[]x509.ExtKeyUsage{x509.ExtKeyUsageAny}, false, nil},
	} {
		a := softkdc.NewAuthority(func(t *x509.Certificate) {
			t.ExtKeyUsage = c.usage
			if c.kdc {
				t.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 2, 3, 5}}
			}
		})
		_, address := start(t, func(k *softkdc.KDC) { k.Identity = a.Issue(realm, nil) })
		_, err := login(t, address, func(o *pkinit.Options) { o.Roots = a.Pool() })
		if c.want == nil {
			assert.NoError(t, err)
		} else {
			assert.ErrorIs(t, err, c.want)
		}
	}
}

func TestLeadingZeroInSecret(t *testing.T) {
	for _, noKDF := range []bool{false, true} {
		for _, curve := range []bool{false, true} {
			_, address := start(t, func(k *softkdc.KDC) { k.LeadingZero, k.NoKDF = true, noKDF })
			for range 3 {
				_, err := login(t, address, func(o *pkinit.Options) { o.ECDH = curve })
				require.NoError(t, err)
			}
		}
	}
}
