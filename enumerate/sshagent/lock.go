package sshagent

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"sync"
	"time"
)

// A lock is the state of ssh-add -x. The zero value is unlocked.
type lock struct {
	trying sync.Mutex // is held while a passphrase is checked: one at a time

	mu         sync.Mutex // guards what follows
	locked     bool
	salt       [32]byte
	passphrase [sha256.Size]byte // salted hash
	failures   int
}

// check returns ErrLocked if the agent is locked.
func (l *lock) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.locked {
		return ErrLocked
	}
	return nil
}

func (l *lock) hash(passphrase []byte) [sha256.Size]byte {
	text := append(l.salt[:], passphrase...)
	defer clear(text)
	return sha256.Sum256(text)
}

func (l *lock) set(passphrase []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.locked {
		return ErrLocked
	}
	rand.Read(l.salt[:]) // never fails
	l.locked, l.failures, l.passphrase = true, 0, l.hash(passphrase)
	return nil
}

// The delay after a wrong passphrase, times the number of wrong ones.
const (
	firstDelay   = 100 * time.Millisecond
	longestDelay = 10 * time.Second
)

func (l *lock) release(ctx context.Context, passphrase []byte) error {
	l.trying.Lock()
	defer l.trying.Unlock()
	delay, err := l.tryRelease(passphrase)
	if delay == 0 {
		return err
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return err
}

func (l *lock) tryRelease(passphrase []byte) (delay time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.locked {
		return 0, errors.New("agent is not locked")
	}
	if hash := l.hash(passphrase); subtle.ConstantTimeCompare(hash[:], l.passphrase[:]) != 1 {
		l.failures++
		return min(time.Duration(l.failures)*firstDelay, longestDelay), ErrPassphrase
	}
	l.locked = false
	return 0, nil
}

// Lock locks the agent until Unlock with the same passphrase, and closes all keys.
func (a *Agent) Lock(passphrase []byte) error {
	a.init()
	if err := a.lock.set(passphrase); err != nil {
		return a.fail(err)
	}
	a.ring.Lock()
	return nil
}

// Unlock unlocks the agent. After a wrong passphrase it returns with a delay.
func (a *Agent) Unlock(passphrase []byte) error {
	a.init()
	return a.fail(a.lock.release(a.ctx, passphrase))
}
