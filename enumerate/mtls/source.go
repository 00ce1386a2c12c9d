package mtls

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/fault"
	"github.com/smartlogon/smartlogon/internal/keyring"
)

// A Source answers TLS servers that request a certificate with those on cards. Only
// Finder is required. The fields must not change after the first call. A Source is
// safe for concurrent use.
type Source struct {
	// Finder lists the certificates. Its Policy decides which ones Windows would
	// offer; the zero Policy offers no elliptic curve keys.
	Finder *enumerate.Finder

	// PIN asks the user for the PIN. It runs during a handshake, or in Open, and
	// is called for one PIN at a time. It must return when its context ends. A nil
	// PIN only allows keys that need none.
	PIN card.PINFunc

	// Choose selects one of the certificates that the server accepts, in Windows'
	// order. There is at least one. Nil selects the first. If Choose returns nil,
	// the server gets no certificate.
	Choose func([]*enumerate.Credential) *enumerate.Credential

	// Issuers are the certificates between those on the cards and the authorities
	// that servers name. The server gets those that it needs to build the chain.
	Issuers []*x509.Certificate

	once     sync.Once
	ring     *keyring.Ring
	choosing keyring.Group[[sha256.Size]byte, *choice]
	turn     chan struct{} // holds a token while a certificate is chosen and unlocked

	mu   sync.Mutex // guards what follows
	kept []*choice  // those that were unlocked, in this order
	err  error
}

func (s *Source) init() {
	s.once.Do(func() {
		s.ring = keyring.New(s.PIN, 0)
		s.turn = make(chan struct{}, 1)
	})
}

// Get returns the certificate for a request of a server. It is the GetClientCertificate
// of a [tls.Config].
//
// A certificate that was used before is used again if the server accepts it. It is
// unlocked again if its card was removed since, and no other certificate is used in
// its place. Otherwise the cards are listed, a certificate is chosen, and its key is
// unlocked. Parallel calls for equal requests share that and its result.
//
// If no certificate fits, Get returns an empty one, as TLS prescribes. Then Err returns
// [ErrNoCertificate].
func (s *Source) Get(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	ctx := info.Context()
	if ctx == nil { // the caller is not crypto/tls
		ctx = context.Background()
	}
	c, err := s.choose(ctx, request{info: info})
	if err != nil {
		err = s.note(err)
		if errors.Is(err, ErrNoCertificate) {
			return new(tls.Certificate), nil
		}
		return nil, err
	}
	return c.certificate(ctx, s, info), nil
}

// Open chooses a certificate among all and unlocks its key before the first
// handshake, which often may not last as long as a user needs. A server that does not
// accept the certificate gets another one.
func (s *Source) Open(ctx context.Context) error {
	if _, err := s.choose(ctx, request{}); err != nil {
		return fmt.Errorf("mtls: %w", err)
	}
	return nil
}

// Err returns why the last handshake got no certificate or no signature, nil if it got
// both. In TLS 1.3, crypto/tls only copies the text of an error of a signature; with
// the error of Err, [errors.Is] and [card.Hint] work. See also [Source.Explain].
func (s *Source) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// note returns an error as that of this package, and keeps it for Err.
func (s *Source) note(err error) error {
	if err != nil {
		err = fmt.Errorf("mtls: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	return err
}

// Close closes the keys: PINs are no longer verified. It ends the prompts and waits
// for PIN to return. Later calls fail with [ErrClosed]. Connections that are
// authenticated already stay so.
func (s *Source) Close() error {
	s.init()
	s.choosing.Close()
	return s.ring.Close()
}

// A request is what a server accepts. A nil info is any certificate.
type request struct{ info *tls.CertificateRequestInfo }

// id is equal for equal requests.
func (r request) id() [sha256.Size]byte {
	if r.info == nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(fmt.Appendf(nil, "%d %v %x", r.info.Version, r.info.SignatureSchemes, r.info.AcceptableCAs))
}

// choose returns a choice for a request, with its key unlocked.
func (s *Source) choose(ctx context.Context, r request) (*choice, error) {
	if s.Finder == nil {
		return nil, errors.New("Source without a Finder")
	}
	s.init()
	if c, err := s.find(r); err != nil || c != nil && c.key.IsOpen() {
		return c, err
	}
	opened := false
	return s.choosing.Do(ctx, r.id(), func(ctx context.Context) (*choice, error) {
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		defer func() { <-s.turn }()
		c, err := s.find(r)
		if c == nil && err == nil {
			c, err = s.list(ctx, r)
		}
		if err != nil {
			return nil, err
		}
		opened = !c.key.IsOpen()
		if err := c.key.Unlock(ctx); err != nil {
			return nil, err
		}
		s.keep(c)
		return c, nil
	}, func(c *choice) {
		if opened {
			c.key.Close()
		}
	})
}

// find returns the first choice that was unlocked before and fits, nil if there is
// none.
func (s *Source) find(r request) (*choice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.kept {
		switch {
		case c.fits(r):
			return c, nil
		case c.onlyPKCS1.Load() && c.fitsWithPSS(r):
			return nil, ErrPSS
		}
	}
	return nil, nil
}

func (s *Source) keep(c *choice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.kept, c) {
		s.kept = append(s.kept, c)
	}
}

// list lists the cards and chooses. Among the certificates that fit, it leaves out
// those that a TLS server is likely to refuse for their usage, if there are others.
func (s *Source) list(ctx context.Context, r request) (*choice, error) {
	offered, err := s.Finder.Offered(ctx)
	var fitting []*choice
	for _, credential := range offered {
		c := s.newChoice(credential)
		if !c.fits(r) || len(fitting) > 0 && c.usage > fitting[0].usage {
			continue
		}
		if len(fitting) > 0 && c.usage < fitting[0].usage {
			fitting = nil
		}
		fitting = append(fitting, c)
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(fitting) == 0 && isUnread(err):
		return nil, err
	case len(fitting) == 0 && len(offered) == 0:
		return nil, noCertificateError{err}
	case len(fitting) == 0:
		return nil, ErrNoCertificate
	case s.Choose == nil:
		return fitting[0], nil
	}
	credentials := make([]*enumerate.Credential, len(fitting))
	for i, c := range fitting {
		credentials[i] = c.credential
	}
	chosen := s.Choose(slices.Clone(credentials))
	if chosen == nil {
		return nil, noCertificateError{errNotChosen}
	}
	i := slices.Index(credentials, chosen)
	if i < 0 {
		return nil, errors.New("result of Choose is not in its list")
	}
	return fitting[i], nil
}

// isUnread reports whether a listing failed with err for a card that may have a
// certificate: then the handshake fails, instead of going on without one.
func isUnread(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.ContainsFunc(joined.Unwrap(), isUnread)
	}
	return err != nil && (errors.Is(err, card.ErrClosed) || fault.ReachOf(err) == fault.Card)
}
