package card

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// CachePIN returns a PINFunc that calls ask and remembers its PIN for the time keep,
// so that the user is not asked again. A remembered PIN is used only
//
//   - for the same card and application, if the card was not removed or, as far as
//     this process knows, reset since;
//   - until the card refuses it;
//   - if more than one retry is left;
//   - not for a key that requires the PIN at each use ([PINRequest].EachUse), by
//     which the user confirms the use. To use it nevertheless, clear that field in a
//     PINFunc that calls cached;
//   - not to set a PIN.
//
// Otherwise ask is called. The memory is zeroed after keep, by forget, and by the
// first request that shows that the PIN cannot be used any more. forget may be called
// at any time.
func CachePIN(ask PINFunc, keep time.Duration) (cached PINFunc, forget func()) {
	p := &pinCache{ask: ask, keep: keep, pins: make(map[cacheKey]*cachedPIN)}
	return p.get, p.forget
}

type pinCache struct {
	ask  PINFunc
	keep time.Duration

	mu   sync.Mutex // guards the rest
	pins map[cacheKey]*cachedPIN
}

// A cacheKey names a PIN of the card in a reader.
type cacheKey struct {
	service *Service
	reader  string
	pinKey
}

type cachedPIN struct {
	digits   []byte
	card     *Card
	resets   uint64
	identity Identity
	link     *link
	timer    *time.Timer
}

// isFor reports whether the card of r is the same, and was not reset. Without an
// identity only an unbroken connection tells that it is.
func (c *cachedPIN) isFor(r PINRequest) bool {
	return c.card == r.card && c.resets == r.resets && c.identity == r.Card &&
		(!c.identity.IsZero() || c.link == r.link)
}

func (p *pinCache) get(ctx context.Context, r PINRequest) (PIN, error) {
	if r.EachUse || r.card == nil {
		return p.ask(ctx, r)
	}
	key := cacheKey{r.card.service, r.Reader, pinKey{r.application, r.Reference}}
	if pin, ok := p.recall(key, r); ok {
		return pin, nil
	}
	pin, err := p.ask(ctx, r)
	if err == nil && !pin.isZero() && !r.New {
		p.remember(key, r, pin)
	}
	return pin, err
}

// recall returns the PIN if it may be used, and drops it if it may not be used any
// more.
func (p *pinCache) recall(key cacheKey, r PINRequest) (PIN, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cached, ok := p.pins[key]
	switch {
	case !ok:
		return PIN{}, false
	case r.New || r.Refused != nil || !cached.isFor(r):
		p.drop(key, cached)
		return PIN{}, false
	case r.Last:
		return PIN{}, false
	}
	return NewPIN(bytes.Clone(cached.digits)), true
}

func (p *pinCache) remember(key cacheKey, r PINRequest, pin PIN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.pins[key]; ok {
		p.drop(key, old)
	}
	cached := &cachedPIN{digits: bytes.Clone(pin.digits()), card: r.card, resets: r.resets, identity: r.Card, link: r.link}
	cached.timer = time.AfterFunc(p.keep, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.drop(key, cached)
	})
	p.pins[key] = cached
}

// drop zeroes a PIN. The caller holds the mutex.
func (p *pinCache) drop(key cacheKey, cached *cachedPIN) {
	cached.timer.Stop()
	clear(cached.digits)
	if p.pins[key] == cached {
		delete(p.pins, key)
	}
}

func (p *pinCache) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, cached := range p.pins {
		p.drop(key, cached)
	}
}
