package mtls

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/internal/keyring"
)

// A choice is a certificate for a server.
type choice struct {
	credential *enumerate.Credential
	key        *keyring.Key
	chain      [][]byte
	leaf       *x509.Certificate // nil if crypto/x509 cannot parse it
	issuers    [][]byte          // of the certificates in chain: names in DER
	usage      usage

	onlyPKCS1 atomic.Bool // the card refused PSS
}

func (s *Source) newChoice(c *enumerate.Credential) *choice {
	n := &choice{credential: c, key: s.ring.Key(c), chain: c.Chain(s.Issuers)}
	if leaf, err := c.X509(); err == nil {
		n.leaf = leaf
	}
	if parsed, err := cert.Parse(c.Raw); err == nil {
		n.issuers = append(n.issuers, parsed.Issuer.Raw)
		n.usage = usageOf(&parsed)
	}
	for _, der := range n.chain[1:] {
		if issuer, err := x509.ParseCertificate(der); err == nil {
			n.issuers = append(n.issuers, issuer.RawIssuer)
		}
	}
	return n
}

// A usage says how likely TLS servers accept the key usage and the extended key usage
// of a certificate. Smaller ones are better.
type usage int

const (
	forClients usage = iota // to sign, and client authentication or no restriction
	forAny                  // the any extended key usage: OpenSSL refuses it
	forOthers
)

// Extended key usages: client authentication (1.3.6.1.5.5.7.3.2) and any (2.5.29.37.0).
const (
	oidClientAuth = "\x2B\x06\x01\x05\x05\x07\x03\x02"
	oidAnyUsage   = "\x55\x1D\x25\x00"
)

func usageOf(c *cert.Certificate) usage {
	bits, restricted, err := c.KeyUsage()
	if err != nil || restricted && bits&cert.DigitalSignature == 0 {
		return forOthers
	}
	purposes, restricted, err := c.ExtendedKeyUsage()
	switch {
	case err != nil:
		return forOthers
	case !restricted:
		return forClients
	}
	u := forOthers
	for oid, ok := purposes.Next(); ok; oid, ok = purposes.Next() {
		switch string(oid) {
		case oidClientAuth:
			return forClients
		case oidAnyUsage:
			u = forAny
		}
	}
	return u
}

// fits reports whether the server accepts the issuer and the key, as far as it says.
func (c *choice) fits(r request) bool {
	return r.info == nil || c.fitsAuthorities(r.info) && c.signs(r.info, c.schemes(r.info))
}

// fitsWithPSS reports whether c would fit if its card signed by PSS.
func (c *choice) fitsWithPSS(r request) bool {
	return r.info == nil || c.fitsAuthorities(r.info) && c.signs(r.info, nil)
}

func (c *choice) fitsAuthorities(info *tls.CertificateRequestInfo) bool {
	if len(info.AcceptableCAs) == 0 {
		return true
	}
	for _, name := range info.AcceptableCAs {
		for _, issuer := range c.issuers {
			if bytes.Equal(name, issuer) {
				return true
			}
		}
	}
	return false
}

// signs reports whether crypto/tls finds a signature scheme for the key. Nil schemes
// are all that suit the key.
func (c *choice) signs(info *tls.CertificateRequestInfo, schemes []tls.SignatureScheme) bool {
	only := *info
	only.AcceptableCAs = nil
	return only.SupportsCertificate(&tls.Certificate{
		PrivateKey:                   handshakeKey{choice: c},
		SupportedSignatureAlgorithms: schemes,
	}) == nil
}

var pkcs1Schemes = []tls.SignatureScheme{tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512}

// schemes returns the signature schemes that the key is limited to, nil if it is not.
// Some GIDS cards only sign by PKCS #1 v1.5, which is not known before the card
// refuses PSS. TLS 1.2 allows both, so there GIDS cards are not asked for PSS if the
// server accepts the other.
func (c *choice) schemes(info *tls.CertificateRequestInfo) []tls.SignatureScheme {
	if _, ok := c.credential.Public().(*rsa.PublicKey); !ok {
		return nil
	}
	prefer := c.credential.Application == enumerate.GIDS && info.Version == tls.VersionTLS12
	if c.onlyPKCS1.Load() || prefer && c.signs(info, pkcs1Schemes) {
		return pkcs1Schemes
	}
	return nil
}

// certificate returns the certificate and the key for one handshake.
func (c *choice) certificate(ctx context.Context, s *Source, info *tls.CertificateRequestInfo) *tls.Certificate {
	return &tls.Certificate{
		Certificate:                  c.chain,
		Leaf:                         c.leaf,
		PrivateKey:                   handshakeKey{s, c, ctx},
		SupportedSignatureAlgorithms: c.schemes(info),
	}
}

// A handshakeKey signs in one handshake.
type handshakeKey struct {
	source *Source
	choice *choice
	ctx    context.Context // of the handshake
}

func (k handshakeKey) Public() crypto.PublicKey { return k.choice.credential.Public() }

func (k handshakeKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := k.choice.key.Sign(k.ctx, random, digest, opts)
	if err != nil && k.choice.refusesPSS(opts, err) {
		k.choice.onlyPKCS1.Store(true)
		err = fmt.Errorf("%w: %w", ErrPSS, err)
	}
	return signature, k.source.note(err)
}

// refusesPSS reports whether err is that of a card which cannot sign a block that the
// host has padded, as PSS needs.
func (c *choice) refusesPSS(opts crypto.SignerOpts, err error) bool {
	var status card.Status
	if _, pss := opts.(*rsa.PSSOptions); !pss || c.credential.Application != enumerate.GIDS || !errors.As(err, &status) {
		return false
	}
	switch status {
	case card.StatusNotPermitted, card.StatusMethodBlocked, card.StatusNoDiagnosis, 0x6581: // memory failure
		return false // may be about something else
	}
	return !errors.As(err, new(*card.PINError))
}
