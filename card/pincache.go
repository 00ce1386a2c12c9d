package card

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// CachePIN remembers for a while what ask answered, so that a person who uses a
// card again is not asked again. A remembered PIN is used only
//
//   - for the same card, not taken out or, as far as this process notices,
//     reset since;
//   - until it is as old as keep;
//   - until the card does not take it;
//   - not for the last try, nor where the card does not say how many are left;
//   - not to set a PIN.
//
// Then ask is called. The memory is zeroed when the time is up, when the PIN is
// found to be of no more use, and when forget is called, which may be done at any
// time. Nothing is remembered unless a program asks for it by this function.
func CachePIN(ask PINFunc, keep time.Duration) (cached PINFunc, forget func()) {
	p := &pinCache{ask: ask, keep: keep, pins: make(map[pinKey]*rememberedPIN)}
	return p.answer, p.forget
}

type pinCache struct {
	ask  PINFunc
	keep time.Duration

	mu   sync.Mutex // guards what follows
	pins map[pinKey]*rememberedPIN
}

// A pinKey is a PIN of whatever card is in a reader.
type pinKey struct {
	service   *Service
	reader    string
	reference Reference
}

type rememberedPIN struct {
	digits []byte
	of     insertion
	card   string
	timer  *time.Timer
}

// An insertion is a card that stays in its reader and is not reset.
type insertion struct {
	events uint32
	resets uint64
}

func (p *pinCache) answer(ctx context.Context, r PINRequest) (PIN, error) {
	key := pinKey{r.service, r.Reader, r.Reference}
	if pin, ok := p.recall(key, r); ok {
		return pin, nil
	}
	pin, err := p.ask(ctx, r)
	if err == nil && pin.secret != nil && !r.New {
		p.remember(key, r, pin)
	}
	return pin, err
}

// recall finds the PIN where it may be used, and drops it where it is of no use.
func (p *pinCache) recall(key pinKey, r PINRequest) (PIN, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	it, ok := p.pins[key]
	switch {
	case !ok:
		return PIN{}, false
	case r.New || r.Refused != nil || it.card != r.Card || it.of != r.insertion:
		p.drop(key, it)
		return PIN{}, false
	case r.Last:
		return PIN{}, false
	}
	return NewPIN(bytes.Clone(it.digits)), true
}

func (p *pinCache) remember(key pinKey, r PINRequest, pin PIN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.pins[key]; ok {
		p.drop(key, old)
	}
	it := &rememberedPIN{digits: bytes.Clone(pin.secret.digits), of: r.insertion, card: r.Card}
	it.timer = time.AfterFunc(p.keep, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.drop(key, it)
	})
	p.pins[key] = it
}

// drop is called under the mutex.
func (p *pinCache) drop(key pinKey, it *rememberedPIN) {
	it.timer.Stop()
	clear(it.digits)
	if p.pins[key] == it {
		delete(p.pins, key)
	}
}

func (p *pinCache) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, it := range p.pins {
		p.drop(key, it)
	}
}
