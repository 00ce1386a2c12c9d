package pkinit

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	kdcPurpose     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 2, 3, 5}
)

// A kdcVerifier decides whether a certificate is that of a KDC of a realm.
type kdcVerifier struct {
	roots   *x509.CertPool
	realm   string
	domain  string // for a dNSName
	revoked func(context.Context, []*x509.Certificate) error
	at      time.Time
}

// verify checks chain, purpose and name (RFC 4556, 3.2.4). It returns the chain.
func (v kdcVerifier) verify(ctx context.Context, leaf *x509.Certificate, others []*x509.Certificate) ([]*x509.Certificate, error) {
	chain, err := v.check(ctx, leaf, others)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKDCCertificate, err)
	}
	return chain, nil
}

func (v kdcVerifier) check(ctx context.Context, leaf *x509.Certificate, others []*x509.Certificate) ([]*x509.Certificate, error) {
	intermediates := x509.NewCertPool()
	for _, c := range others {
		intermediates.AddCert(c)
	}
	// crypto/x509 refuses a critical subject alternative name without a name that
	// it reads. checkName reads the others.
	critical := func(id asn1.ObjectIdentifier) bool { return id.Equal(subjectAltName) }
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(leaf.UnhandledCriticalExtensions, critical)
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots:         v.roots,
		Intermediates: intermediates,
		CurrentTime:   v.at,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, // it does not know the KDC's
	})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(leaf.UnknownExtKeyUsage, kdcPurpose.Equal) {
		return nil, errors.New("extended key usage 1.3.6.1.5.2.3.5 (KDC authentication) is missing")
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, errors.New("key usage excludes signatures")
	}
	if err := v.checkName(leaf); err != nil {
		return nil, err
	}
	err = errors.New("an issuer is restricted to other purposes")
	for _, chain := range chains {
		if slices.ContainsFunc(chain[1:], restricted) {
			continue
		}
		if v.revoked == nil {
			return chain, nil
		}
		if err = v.revoked(ctx, chain); err == nil {
			return chain, nil
		}
	}
	return nil, err
}

// restricted reports whether a CA must not issue certificates for a KDC.
func restricted(ca *x509.Certificate) bool {
	if len(ca.ExtKeyUsage)+len(ca.UnknownExtKeyUsage) == 0 {
		return false
	}
	return !slices.Contains(ca.ExtKeyUsage, x509.ExtKeyUsageAny) && !slices.ContainsFunc(ca.UnknownExtKeyUsage, kdcPurpose.Equal)
}

// checkName accepts id-pkinit-san with the name of the ticket-granting service
// (RFC 4556, 3.2.4), or a dNSName with the domain (MS-PKCA 3.1.5.1).
func (v kdcVerifier) checkName(leaf *x509.Certificate) error {
	for _, name := range leaf.DNSNames {
		if strings.EqualFold(name, v.domain) {
			return nil
		}
	}
	for _, e := range leaf.Extensions {
		if !e.Id.Equal(subjectAltName) {
			continue
		}
		names, err := parsePKINITNames(e.Value)
		if err != nil {
			return fmt.Errorf("subject alternative name: %w", err)
		}
		for _, n := range names {
			if n.realm == v.realm && n.equal(ticketGranting(v.realm)) {
				return nil
			}
		}
	}
	return fmt.Errorf("it names neither krbtgt/%.128q nor the domain %.128q", v.realm, v.domain)
}

// A realmName is a KRB5PrincipalName.
type realmName struct {
	realm string
	principal
}

// parsePKINITNames returns the id-pkinit-san names among GeneralNames.
func parsePKINITNames(san []byte) (names []realmName, err error) {
	p := parse(san)
	p.sequence(func(p *parser) {
		for p.more() {
			if !p.has(explicit(0)) { // otherName
				e, _ := p.r.Next()
				if err := p.r.Err(); err != nil || e.Tag&0xC0 != 0x80 {
					p.fail("malformed name")
				}
				continue
			}
			p.enter(explicit(0), func(p *parser) {
				id, value := p.oid(), p.take(explicit(0))
				if p.err != nil || id != oidPKINITName {
					return
				}
				var n realmName
				in := inside(value)
				in.sequence(func(p *parser) {
					p.field(0, func(p *parser) { n.realm = p.text() })
					p.field(1, func(p *parser) { n.principal = p.principal() })
				})
				if p.err = in.close(); p.err == nil {
					names = append(names, n)
				}
			})
		}
	})
	if err := p.close(); err != nil {
		return nil, err
	}
	return names, nil
}
