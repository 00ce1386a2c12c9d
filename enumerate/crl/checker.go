package crl

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// Defaults of a [Checker], which are the limits of Entra ID.
const (
	DefaultMaxSize = 20 << 20
	DefaultTimeout = 10 * time.Second
)

// maxIssuers is how many issuers a chain may have.
const maxIssuers = 10

// A Checker checks chains against revocation lists. The zero value reads the
// distribution points of the certificates. It keeps lists until they expire, and is
// safe for concurrent use. It must not be copied.
type Checker struct {
	// Authorities are the CAs whose lists are at known URLs. Lists of other CAs
	// are at the distribution points of the certificates.
	Authorities []Authority

	// Optional accepts certificates of a CA without a list: one whose Authority
	// has no Base, or one without Authority if the certificate has no
	// distribution point. By default they are refused. A list that has a URL
	// must always be valid.
	Optional bool

	// HTTP downloads the lists. Nil means http.DefaultClient.
	HTTP *http.Client

	// MaxSize is the size in bytes of the largest list. 0 means
	// DefaultMaxSize.
	MaxSize int64

	// Timeout is how long one download may take. 0 means DefaultTimeout.
	Timeout time.Duration

	// Now returns the time. Nil means time.Now.
	Now func() time.Time

	mu    sync.Mutex
	lists map[cacheKey]*cached
}

// An Authority is a CA whose lists are at known URLs.
type Authority struct {
	CA     *x509.Certificate
	Base   string // URL of the base list; empty: there is none
	Delta  string // URL of the delta list; empty: only the one that the base list names
	Exempt bool   // certificates of this CA are not checked
}

// Check returns nil if no certificate of a verified chain is revoked, leaf first.
// The last certificate, the root, is trusted and not looked up. The error is an
// [*Error], or that of ctx.
func (c *Checker) Check(ctx context.Context, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("crl: chain is empty")
	}
	if len(chain) > maxIssuers+1 {
		return &Error{Code: NoList, Subject: chain[0].Subject.String(), Err: fmt.Errorf("chain has %d issuers, more than %d", len(chain)-1, maxIssuers)}
	}
	now := time.Now()
	if c.Now != nil {
		now = c.Now()
	}
	// From the root down, so that a list is read only if its CA is not revoked.
	for i := len(chain) - 2; i >= 0; i-- {
		failure := c.check(ctx, chain[i], chain[i+1], now)
		if err := ctx.Err(); failure != nil && err != nil {
			return fmt.Errorf("crl: %w", err)
		}
		if failure != nil {
			failure.Subject = chain[i].Subject.String()
			return failure
		}
	}
	return nil
}

// check looks up one certificate.
func (c *Checker) check(ctx context.Context, cert, issuer *x509.Certificate, now time.Time) *Error {
	own, err := pointsOf(cert.Extensions, oidDistributionPoints)
	if err != nil {
		return fail(Unusable, "%w", err)
	}
	fresh, err := pointsOf(cert.Extensions, oidFreshestCRL)
	if err != nil {
		return fail(Unusable, "%w", err)
	}
	serial, err := serialContent(cert.SerialNumber)
	if err != nil {
		return fail(Unusable, "%w", err)
	}
	q := query{cert: cert, issuer: issuer, serial: serial, points: own, deltas: fresh.readable(), now: now}
	bases := own.readable()
	if a := c.authority(issuer); a != nil {
		if a.Exempt {
			return nil
		}
		bases, q.deltas = nil, nil
		if a.Base != "" {
			bases = []string{a.Base}
		}
		if a.Delta != "" {
			q.deltas = []string{a.Delta}
		}
		if a.Base == "" && a.Delta != "" {
			return fail(NoBase, "only a delta list is configured")
		}
		own.present = false
	}
	switch {
	case len(bases) > 0:
	case own.partial:
		return fail(OtherScope, "distribution points are for some reasons or another issuer only")
	case own.present:
		return fail(NoList, "no distribution point is an http or https URL")
	case c.Optional:
		return nil
	default:
		return fail(NoList, "")
	}
	var first *Error
	for _, url := range bases {
		failure := c.look(ctx, q, url)
		if failure == nil || failure.Code == Revoked {
			return failure
		}
		if first == nil {
			first = failure
		}
	}
	return first
}

// authority returns the entry of a CA. A CA is its name and its key: a
// cross-certificate is the same CA.
func (c *Checker) authority(issuer *x509.Certificate) *Authority {
	i := slices.IndexFunc(c.Authorities, func(a Authority) bool {
		return a.CA != nil && bytes.Equal(a.CA.RawSubject, issuer.RawSubject) &&
			bytes.Equal(a.CA.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo)
	})
	if i < 0 {
		return nil
	}
	return &c.Authorities[i]
}

// serialContent returns the content of the INTEGER of a serial number, which in real
// certificates may be negative.
func serialContent(n *big.Int) ([]byte, error) {
	if n == nil {
		return nil, errors.New("certificate has no serial number")
	}
	der, err := asn1.Marshal(n)
	if err != nil {
		return nil, err
	}
	r := ber.DER(der)
	e, ok := r.Take(ber.Integer)
	if !ok {
		return nil, r.Err()
	}
	return e.Value, nil
}

// A query is the lookup of one certificate.
type query struct {
	cert, issuer *x509.Certificate
	serial       []byte
	points       points
	deltas       []string // URLs of delta lists, if known before the base list is
	now          time.Time
}

// look looks the certificate up in the base list at a URL and in its delta list.
func (c *Checker) look(ctx context.Context, q query, url string) *Error {
	base, failure := c.base(ctx, q, url, nil)
	if failure != nil {
		return failure.at(url)
	}
	deltas := q.deltas
	if len(deltas) == 0 {
		deltas = base.freshest.readable()
		if len(deltas) == 0 && base.freshest.present {
			return fail(NoList, "no freshest list is at an http or https URL").at(url)
		}
	}
	var delta *list
	for i, d := range deltas {
		delta, failure = c.get(ctx, d, q.issuer, q.now, nil)
		if failure == nil && delta.base != nil && base.number != nil && base.number.Cmp(delta.base) < 0 {
			// The CA has published a new base list since this one was kept.
			if base, failure = c.base(ctx, q, url, base); failure != nil {
				return failure.at(url)
			}
		}
		if failure == nil {
			failure = delta.amends(base)
		}
		if failure == nil {
			break
		}
		if i == len(deltas)-1 {
			return failure.at(d)
		}
	}
	present, _ := base.find(q.serial)
	// A delta list that is not newer than the base list has nothing to add, and its
	// removals may be out of date.
	if delta != nil && delta.number.Cmp(base.number) > 0 {
		if changed, removed := delta.find(q.serial); changed {
			present = !removed
		}
	}
	if present {
		return fail(Revoked, "").at(url)
	}
	return nil
}

// base returns the base list at a URL. outdated is a kept one that must not be used.
func (c *Checker) base(ctx context.Context, q query, url string, outdated *list) (*list, *Error) {
	l, failure := c.get(ctx, url, q.issuer, q.now, outdated)
	if failure != nil {
		return nil, failure
	}
	if l.base != nil {
		return nil, fail(NoBase, "")
	}
	return l, l.scope.covers(q.cert, q.points)
}

// at returns e with the URL of a list.
func (e *Error) at(url string) *Error {
	e.URL = url
	return e
}
