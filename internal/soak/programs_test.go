package soak_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync/atomic"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
)

// sign unlocks and signs until ctx ends. What is under way then is completed.
func (f *fixture) sign(ctx context.Context, random *mathrand.Rand) {
	for ctx.Err() == nil {
		if c, ok := f.pick(ctx, random); ok {
			f.use(c, random)
		}
	}
}

// use unlocks the key of a credential, signs a few times and closes it.
func (f *fixture) use(c *enumerate.Credential, random *mathrand.Rand) {
	k := f.container(c.Raw)
	u := &use{fixture: f, container: k}
	if random.IntN(20) == 0 {
		u.wrong = 1 + random.IntN(2)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if random.IntN(6) == 0 { // the caller gives up at some command
		left := int64(1 + random.IntN(16))
		ctx = card.WithTrace(ctx, k.applet.trace(u.stop(left, cancel)))
	} else {
		ctx = card.WithTrace(ctx, k.applet.trace(func() {}))
	}
	signatures := 1 + random.IntN(4)

	key, err := c.Unlock(ctx, u.answer)
	u.settle(err)
	if err != nil {
		f.classify("unlock "+k.upn, err, u.allowed(ctx)...)
		return
	}
	f.counts.unlocks.Add(1)
	bounded := key.WithContext(ctx)
	for range signatures {
		err := k.checkSignature(bounded)
		u.settle(err)
		if err != nil {
			f.classify("sign with "+k.upn, err, u.allowed(ctx)...)
			break
		}
		f.counts.signatures.Add(1)
	}
	if err := key.Close(); err != nil {
		f.faults.add("close %s: %v", k.upn, err)
	}
	f.counts.closed.Add(1)
}

// errWrongSignature is not among those that are expected.
var errWrongSignature = errors.New("wrong signature")

// checkSignature signs a random digest and verifies the signature.
func (k *container) checkSignature(key crypto.Signer) error {
	digest := make([]byte, 32)
	rand.Read(digest)
	signature, err := key.Sign(rand.Reader, digest, crypto.SHA256)
	if err != nil {
		return err
	}
	right := false
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		right = ecdsa.VerifyASN1(public, digest, signature)
	case *rsa.PublicKey:
		right = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, signature) == nil
	}
	if !right {
		return errWrongSignature
	}
	return nil
}

// A use is one use of one key.
type use struct {
	fixture   *fixture
	container *container
	wrong     int    // 1: the first answer is wrong; 2: it is one that the card refused before
	sent      string // the wrong PIN that was answered last
	last      answer
	gaveUp    atomic.Bool
}

// An answer is what was answered to a request for the PIN.
type answer int

const (
	noAnswer answer = iota
	rightAnswer
	wrongAnswer
	repeatedAnswer // was refused before and must not be sent
)

// stop returns a function that cancels at the n-th call.
func (u *use) stop(n int64, cancel func()) func() {
	var calls atomic.Int64
	return func() {
		if calls.Add(1) == n {
			u.gaveUp.Store(true)
			u.fixture.counts.canceled.Add(1)
			cancel()
		}
	}
}

// allowed returns the errors that the use itself causes.
func (u *use) allowed(context.Context) []error {
	if u.gaveUp.Load() {
		return []error{context.Canceled}
	}
	return nil
}

var wrongPINs atomic.Int64

// answer is the PINFunc.
func (u *use) answer(_ context.Context, r card.PINRequest) (card.PIN, error) {
	k, f := u.container, u.fixture
	if r.Title != k.upn || r.New {
		f.faults.add("PIN of %s is asked for as %q", k.upn, r.Title)
	}
	u.settle(r.Refused)
	a := k.applet
	wrong := u.wrong
	u.wrong = 0
	if wrong == 2 {
		if pin := a.lastWrong(); pin != "" {
			f.counts.repeated.Add(1)
			u.last, u.sent = repeatedAnswer, pin
			return card.NewPIN([]byte(pin)), nil
		}
	}
	if wrong != 0 {
		f.counts.wrong.Add(1)
		a.wrong.Add(1)
		u.last, u.sent = wrongAnswer, fmt.Sprintf("9%05d", wrongPINs.Add(1)%100000)
		return card.NewPIN([]byte(u.sent)), nil
	}
	a.right.Add(1)
	u.last = rightAnswer
	pin := card.NewPIN([]byte(a.pin))
	if r.Last && r.Retries < 0 {
		// A wrong PIN of another goroutine between two queries of the retry
		// counter looks like a card on which the query costs a try.
		f.counts.unknown.Add(1)
		pin = pin.AllowLastTry()
	}
	return pin, nil
}

// settle notes what became of the last answer: it was refused for err, or accepted.
func (u *use) settle(err error) {
	last := u.last
	u.last = noAnswer
	var refused *card.PINError
	if !errors.As(err, &refused) {
		return
	}
	a, f := u.container.applet, u.fixture
	switch wrong := errors.Is(err, card.ErrWrongPIN); {
	case last == wrongAnswer && wrong:
		a.refused.Add(1)
		a.noteWrong(u.sent)
	case last == rightAnswer && (wrong || errors.Is(err, card.ErrRefusedBefore)):
		f.faults.add("right PIN of %s: %v", a.name, err)
	case last == repeatedAnswer && refused.Sent:
		f.faults.add("%s received a PIN again that it had refused: %v", a.name, err)
	}
}

// lastWrong returns a PIN that the card refused, to be answered again. A card that
// nothing tells from another is not remembered once its connection is lost.
func (a *applet) lastWrong() string {
	if a.anonymous {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lastRefused
}

func (a *applet) noteWrong(pin string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastRefused = pin
}

// list lists all cards with the second program until ctx ends.
func (f *fixture) list(ctx context.Context, random *mathrand.Rand) {
	for pause(ctx, milliseconds(random, 5, 30)) {
		f.listOnce(f.lister)
	}
}

// listOnce lists all cards and compares the list with the readers whose card was
// not moved meanwhile.
func (f *fixture) listOnce(finder *enumerate.Finder) {
	before := f.placement()
	type entry struct{ reader, certificate string }
	listed := make(map[entry]bool)
	failed := make(map[string]bool)
	all := false // an error about all readers
	for c, err := range finder.All(context.Background()) {
		if err != nil {
			f.classify("list", err)
			var named *card.Error
			if errors.As(err, &named) && named.Reader != "" {
				failed[named.Reader] = true
			} else {
				all = true
			}
			continue
		}
		if f.identify(c) != nil {
			e := entry{c.Reader, string(c.Raw)}
			if listed[e] {
				f.faults.add("%v is listed twice", c)
			}
			listed[e] = true
		}
	}
	f.counts.listings.Add(1)
	for i, now := range f.placement() {
		if now.moves != before[i].moves || now.moving || before[i].moving {
			continue
		}
		n := 0
		for e := range listed {
			if e.reader != now.reader {
				continue
			}
			if n++; now.token == nil || now.token.container([]byte(e.certificate)) == nil {
				f.faults.add("%s lists a certificate of another card", e.reader)
			}
		}
		if now.token == nil || all || failed[now.reader] {
			continue
		}
		if want := now.token.size(); n != want {
			f.faults.add("%s lists %d certificates of %s, want %d, and no error", now.reader, n, now.token.name, want)
		}
	}
}

// size returns the number of certificates.
func (t *token) size() (n int) {
	for _, a := range t.applets {
		n += len(a.containers)
	}
	return n
}
