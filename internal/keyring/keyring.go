// Package keyring keeps the keys of credentials open for programs that use them from
// many goroutines and for a long time: a TLS client, an SSH agent. A key is unlocked
// when it is used. Uses that have to wait for the PIN share one prompt. A key whose
// card was removed and inserted is unlocked again.
package keyring

import (
	"context"
	"crypto"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// A Ring holds keys. It is safe for concurrent use.
type Ring struct {
	ask      card.PINFunc
	lifetime time.Duration
	prompt   chan struct{} // holds a token while the user is asked

	unlocking Group[*Key, *enumerate.Key]
	expiring  sync.WaitGroup

	mu     sync.Mutex // guards what follows, and open and expiry of the keys
	closed bool
	locks  int    // calls of Lock
	keys   []*Key // open ones
}

// New returns a Ring. ask may be nil if no key needs a PIN. A key is closed after it
// was open for lifetime; 0 is no limit.
func New(ask card.PINFunc, lifetime time.Duration) *Ring {
	if ask == nil {
		ask = func(context.Context, card.PINRequest) (card.PIN, error) { return card.PIN{}, card.ErrPINRequired }
	}
	return &Ring{ask: ask, lifetime: lifetime, prompt: make(chan struct{}, 1)}
}

// A Key is the key of a credential.
type Key struct {
	ring       *Ring
	credential *enumerate.Credential

	open   *enumerate.Key // nil if it is not open
	expiry *time.Timer    // nil without lifetime
}

// Key returns the key of a credential. It does not use the card.
func (r *Ring) Key(c *enumerate.Credential) *Key { return &Key{ring: r, credential: c} }

// IsOpen reports whether the key is unlocked, as far as is known without the card.
func (k *Key) IsOpen() bool {
	open, _ := k.current()
	return open != nil
}

// current returns the open key, if any, and how often the Ring was locked.
func (k *Key) current() (open *enumerate.Key, locks int) {
	k.ring.mu.Lock()
	defer k.ring.mu.Unlock()
	return k.open, k.ring.locks
}

// Unlock unlocks the key unless it is open. Concurrent calls share one prompt and its
// result.
func (k *Key) Unlock(ctx context.Context) error {
	_, err := k.unlock(ctx)
	return err
}

func (k *Key) unlock(ctx context.Context) (*enumerate.Key, error) {
	if open, _ := k.current(); open != nil {
		return open, nil
	}
	return k.ring.unlocking.Do(ctx, k, func(ctx context.Context) (*enumerate.Key, error) {
		open, locks := k.current()
		if open != nil { // by a run that ended meanwhile
			return open, nil
		}
		var unlocked atomic.Bool
		open, err := k.credential.Unlock(ctx, k.ring.asking(&unlocked))
		unlocked.Store(true)
		switch {
		case errors.Is(err, card.ErrRemoved), errors.Is(err, card.ErrChanged):
			return nil, missingError{err}
		case err != nil:
			return nil, err
		}
		return open, k.keep(open, locks)
	}, func(open *enumerate.Key) { k.lose(open) })
}

// A missingError reports that the card of the credential is not in a reader. To list
// the cards again, which is the hint of card.ErrChanged, is not for the user to do.
type missingError struct{ error }

func (e missingError) Unwrap() error { return e.error }

func (missingError) Hint() string {
	return "Insert the card that was used before, and leave it in the reader."
}

// asking returns the PINFunc for one unlocking. Later it only asks for a PIN that the
// card requires at each use; otherwise the key is unlocked anew, so that parallel
// uses share the prompt. It asks for one PIN at a time: there is one user.
func (r *Ring) asking(unlocked *atomic.Bool) card.PINFunc {
	return func(ctx context.Context, q card.PINRequest) (card.PIN, error) {
		if unlocked.Load() && !q.EachUse {
			return card.PIN{}, errNotVerified
		}
		select {
		case r.prompt <- struct{}{}:
		case <-ctx.Done():
			return card.PIN{}, ctx.Err()
		}
		defer func() { <-r.prompt }()
		return r.ask(ctx, q)
	}
}

// errLocked reports that the Ring was locked or closed during a prompt.
var errLocked = fault.Sentinel(fault.Object, "keys were locked meanwhile")

// errNotVerified reports that a card which was reset wants the PIN again.
var errNotVerified = fault.Sentinel(fault.Object, "PIN is no longer verified")

// keep keeps an open key until it is lost, expires, or the Ring is locked or closed,
// unless the latter has happened since locks was read.
func (k *Key) keep(open *enumerate.Key, locks int) error {
	r := k.ring
	r.mu.Lock()
	if r.closed || r.locks != locks {
		r.mu.Unlock()
		open.Close() // the other error is the one to report
		return errLocked
	}
	defer r.mu.Unlock()
	k.open = open
	r.keys = append(r.keys, k)
	if r.lifetime > 0 {
		r.expiring.Add(1)
		k.expiry = time.AfterFunc(r.lifetime, func() {
			defer r.expiring.Done()
			k.lose(open)
		})
	}
	return nil
}

// take takes the open key out of the Ring. The caller holds the mutex.
func (k *Key) take() *enumerate.Key {
	open := k.open
	k.open = nil
	if i := slices.Index(k.ring.keys, k); i >= 0 {
		k.ring.keys = slices.Delete(k.ring.keys, i, i+1)
	}
	if k.expiry != nil && k.expiry.Stop() {
		k.ring.expiring.Done()
	}
	k.expiry = nil
	return open
}

// lose closes an open key unless that was done before.
func (k *Key) lose(open *enumerate.Key) {
	k.ring.mu.Lock()
	if k.open != open {
		k.ring.mu.Unlock()
		return
	}
	k.take()
	k.ring.mu.Unlock()
	open.Close() // only returns errors for keys that are not on a card
}

// Close closes the key. Its next use unlocks it again.
func (k *Key) Close() {
	if open, _ := k.current(); open != nil {
		k.lose(open)
	}
}

// Sign signs with the key, which it unlocks if necessary; see [enumerate.Key.Sign].
// ctx bounds the call.
func (k *Key) Sign(ctx context.Context, random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	_, locks := k.current()
	open, err := k.unlock(ctx)
	if err != nil {
		return nil, err
	}
	signature, err := open.WithContext(ctx).Sign(random, digest, opts)
	if err == nil || !isLost(err) || ctx.Err() != nil {
		return signature, err
	}
	k.lose(open)
	if _, now := k.current(); now != locks {
		return nil, errLocked
	}
	if open, err = k.unlock(ctx); err != nil {
		return nil, err
	}
	return open.WithContext(ctx).Sign(random, digest, opts)
}

// isLost reports whether err means that a key cannot be used any more, but perhaps
// can after it is unlocked again.
func isLost(err error) bool {
	return errors.Is(err, errNotVerified) || errors.Is(err, enumerate.ErrKeyClosed) || fault.ReachOf(err) >= fault.Reader
}

// Lock closes all open keys and ends the prompts.
func (r *Ring) Lock() {
	r.mu.Lock()
	r.locks++
	r.mu.Unlock()
	r.unlocking.Cancel()
	r.closeKeys()
}

// Close closes all keys. It ends the prompts and waits for their PINFuncs to return.
func (r *Ring) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.unlocking.Close()
	err := r.closeKeys()
	r.expiring.Wait()
	return err
}

func (r *Ring) closeKeys() error {
	r.mu.Lock()
	var open []*enumerate.Key
	for len(r.keys) > 0 {
		open = append(open, r.keys[0].take())
	}
	r.mu.Unlock()
	var errs []error
	for _, key := range open {
		errs = append(errs, key.Close())
	}
	return errors.Join(errs...)
}
