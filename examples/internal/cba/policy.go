package cba

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/crl"
	"github.com/smartlogon/smartlogon/upn/mapping"
)

// A Policy decides which certificates sign in, and for which clients.
type Policy struct {
	Authorities []Authority
	RequireCRL  bool     // an authority without CRL and Exempt refuses its certificates
	IssuerHints bool     // the certauth host names the authorities with Hint
	Groups      []string // whose users sign in with certificates; empty: all users
	Bindings    []mapping.Binding
	Strength    mapping.StrengthPolicy
	Clients     []Client
	Devices     []Device
}

// An Authority is a CA, root or intermediate.
type Authority struct {
	CA         *x509.Certificate
	CRL, Delta string // URLs
	Exempt     bool   // no list is needed
	Hint       bool
	Group      string // only users of this group (CA scoping); empty: not scoped
}

// A Client is a program that may ask for tokens.
type Client struct {
	ID        string
	Redirects []string
	Require   Require
}

// Require is the authentication strength that a client requires. All of the set
// fields must be satisfied; of a list, one entry.
type Require struct {
	MultiFactor bool     `json:"multiFactor,omitempty"`
	IssuerSKIs  []string `json:"allowedIssuerSkis,omitempty"` // hexadecimal, of the certificate's authority key identifier
	Policies    []string `json:"allowedPolicyOIDs,omitempty"`
}

// A Device is a joined machine.
type Device struct {
	ID           string
	Certificate  *x509.Certificate // of its signing key
	TransportKey *rsa.PublicKey
}

func (r Require) satisfied(s mapping.Strength, c *x509.Certificate) bool {
	if r.MultiFactor && s != mapping.MultiFactor {
		return false
	}
	if len(r.IssuerSKIs) > 0 && !slices.ContainsFunc(r.IssuerSKIs, func(ski string) bool {
		return strings.EqualFold(ski, hex.EncodeToString(c.AuthorityKeyId)) && len(c.AuthorityKeyId) > 0
	}) {
		return false
	}
	return len(r.Policies) == 0 || slices.ContainsFunc(c.Policies, func(oid x509.OID) bool { return slices.Contains(r.Policies, oid.String()) })
}

// client returns the client with an identifier if it may be sent to a redirect URI.
func (p *Policy) client(id, redirect string) (Client, bool) {
	i := slices.IndexFunc(p.Clients, func(c Client) bool { return c.ID == id })
	if i < 0 || !slices.ContainsFunc(p.Clients[i].Redirects, func(registered string) bool { return sameRedirect(registered, redirect) }) {
		return Client{}, false
	}
	return p.Clients[i], true
}

// sameRedirect compares byte by byte, except for the port of a loopback address (RFC
// 8252, 7.3).
func sameRedirect(registered, requested string) bool {
	if registered == requested {
		return true
	}
	r, err := url.Parse(registered)
	if err != nil || r.Scheme != "http" {
		return false
	}
	address, err := netip.ParseAddr(r.Hostname())
	if err != nil || !address.IsLoopback() {
		return false
	}
	u, err := url.Parse(requested)
	if err != nil || u.Hostname() != r.Hostname() {
		return false
	}
	u.Host = r.Host
	return u.String() == registered
}

// pools returns the trusted roots and the CAs between.
func (p *Policy) pools() (roots, intermediates *x509.CertPool) {
	var tops, others []*x509.Certificate
	for _, a := range p.Authorities {
		if a.CA.CheckSignatureFrom(a.CA) == nil {
			tops = append(tops, a.CA)
		} else {
			others = append(others, a.CA)
		}
	}
	return challenge.NewPool(tops...), challenge.NewPool(others...)
}

// lists returns the entries for a crl.Checker. Only the URLs of the policy count, as
// in Entra ID: distribution points of certificates are not read.
func (p *Policy) lists() []crl.Authority {
	var list []crl.Authority
	for _, a := range p.Authorities {
		list = append(list, crl.Authority{CA: a.CA, Base: a.CRL, Delta: a.Delta, Exempt: a.Exempt})
	}
	return list
}

// hints returns the authorities that the certauth host names.
func (p *Policy) hints() *x509.CertPool {
	if !p.IssuerHints {
		return nil
	}
	pool := x509.NewCertPool()
	for _, a := range p.Authorities {
		if a.Hint {
			pool.AddCert(a.CA)
		}
	}
	return pool
}

// scoped reports whether CA scoping lets a user use a chain. The scope of the lowest
// CA with one of the user's groups decides; without a scope in the chain there is no
// restriction.
func (p *Policy) scoped(u *User, chain []*x509.Certificate) bool {
	restricted := false
	for _, c := range chain[1:] {
		for _, a := range p.Authorities {
			if a.Group == "" || len(c.SubjectKeyId) == 0 || !slices.Equal(a.CA.SubjectKeyId, c.SubjectKeyId) {
				continue
			}
			if u.isIn(a.Group) {
				return true
			}
			restricted = true
		}
	}
	return !restricted
}
