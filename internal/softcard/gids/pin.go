package gids

import (
	"cmp"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// P2 of VERIFY, CHANGE REFERENCE DATA and RESET RETRY COUNTER.
const (
	refGlobal = 0x00 // the same PIN; other cards have another one
	refPIN    = 0x80
	refPUK    = 0x81
	p2Logout  = 0x82 // VERIFY only: ends every authentication
)

// A secret is the PIN or the PUK.
type secret struct {
	iso.Reference
	lastFailure time.Time
}

// isSet reports whether the secret has a value.
func (s *secret) isSet() bool { return len(s.Value) > 0 }

// replace sets the value. The new one is not verified.
func (s *secret) replace(value []byte) {
	s.Set(value)
	s.Verified = false
}

// compare compares a value with a secret and counts the attempt.
func (a *Application) compare(s *secret, value []byte) bool {
	ok := s.Compare(value)
	if !ok {
		s.lastFailure = a.config.Now()
	}
	return ok
}

// Tries are the attempts made at the PIN.
type Tries struct {
	Left     int  // retry counter
	Spent    int  // failed comparisons so far
	Verified bool // the PIN is verified
}

// Tries reports the attempts made at the PIN.
func (a *Application) Tries() Tries {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.restoreRetries()
	return Tries{a.pin.Left, a.pin.Spent, a.pin.Verified}
}

// SetTriesLeft sets the retry counter of the PIN; 0 blocks it.
func (a *Application) SetTriesLeft(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pin.Left, a.pin.lastFailure = max(n, 0), a.config.Now()
}

// restoreRetries restores one retry for each lockout interval since the last
// wrong PIN.
func (a *Application) restoreRetries() {
	if a.config.Lockout <= 0 {
		return
	}
	n := int(min(a.config.Now().Sub(a.pin.lastFailure)/a.config.Lockout, time.Duration(a.pin.Limit)))
	if n > 0 && a.pin.Left < a.pin.Limit {
		a.pin.Left = min(a.pin.Left+n, a.pin.Limit)
		a.pin.lastFailure = a.config.Now()
	}
}

// validLength reports whether the card accepts the length of a PIN.
func (a *Application) validLength(pin []byte) bool {
	return a.config.MinPIN <= len(pin) && len(pin) <= a.config.MaxPIN
}

// badNewPIN returns the status for a new PIN of a wrong length.
func (a *Application) badNewPIN() iso.Status {
	return cmp.Or(a.config.Quirks.NewPIN, iso.BadData)
}

// retryStatus returns the status that reports the retry counter.
func (a *Application) retryStatus(s *secret) iso.Status {
	if a.config.Quirks.PlainRetries {
		return 0x6300 | iso.Status(min(s.Left, 15))
	}
	return iso.Retries(s.Left)
}

// verify processes VERIFY. A PIN of a wrong length spends no try. Without data it
// reports the retry counter, even while the PIN is verified.
func (a *Application) verify(c iso.Command) iso.Status {
	switch {
	case c.P1 != 0:
		return iso.BadParameters
	case c.P2 == p2Logout && !a.config.Quirks.NoLogout:
		if len(c.Data) > 0 {
			return iso.WrongLength
		}
		a.deauthenticate()
		return iso.OK
	case c.P2 != refPIN && c.P2 != refGlobal:
		return iso.ReferenceNotFound
	case len(c.Data) == 0 && a.config.Quirks.EmptyVerify != 0:
		return a.config.Quirks.EmptyVerify
	case len(c.Data) == 0 && a.state == stateInitialization:
		return iso.OK // no PIN is required
	case !a.pin.isSet():
		return iso.ConditionsNotSatisfied
	case a.pin.Left == 0:
		return iso.Blocked
	case !a.validLength(c.Data), !a.compare(&a.pin, c.Data):
		return a.retryStatus(&a.pin)
	}
	a.pin.Verified = true
	return iso.OK
}

// P1 of CHANGE REFERENCE DATA and RESET RETRY COUNTER.
const (
	p1Secret   = 0x00 // the data begins with the secret that authorizes the change
	p1Verified = 0x01 // the verified PIN authorizes it
	p1Admin    = 0x02 // the authenticated administrator authorizes it
)

// changeReference processes CHANGE REFERENCE DATA. A change with the old value
// verifies the new one.
func (a *Application) changeReference(c iso.Command) iso.Status {
	s := &a.pin
	switch c.P2 {
	case refPIN, refGlobal:
	case refPUK:
		s = &a.puk
	default:
		return iso.ReferenceNotFound
	}
	switch {
	case c.P1 == p1Verified && !a.validLength(c.Data):
		return a.badNewPIN()
	case c.P1 == p1Verified && (a.state == stateInitialization || s == &a.pin && s.Verified):
		s.replace(c.Data)
		return iso.OK
	case c.P1 == p1Verified:
		return iso.SecurityNotSatisfied
	case c.P1 != p1Secret:
		return iso.BadParameters
	case !s.isSet():
		return iso.ReferenceNotFound
	}
	status := a.replaceWith(s, s, c.Data)
	s.Verified = status == iso.OK
	return status
}

// replaceWith replaces a secret after a comparison of the authorizing one. The
// data is both, without a separator: the card knows the length of the authorizing
// secret. Data whose length fits no two secrets spends no try.
func (a *Application) replaceWith(authorizing, target *secret, data []byte) iso.Status {
	switch {
	case len(data) < 2*a.config.MinPIN, len(data) > 2*a.config.MaxPIN:
		return a.retryStatus(authorizing)
	case authorizing.Left == 0:
		return iso.Blocked
	}
	n := min(len(authorizing.Value), len(data))
	if !a.compare(authorizing, data[:n]) {
		return a.retryStatus(authorizing)
	}
	if !a.validLength(data[n:]) {
		return a.badNewPIN()
	}
	target.replace(data[n:])
	return iso.OK
}

// resetRetryCounter processes RESET RETRY COUNTER, authorized by the PUK or the
// administrator. It ends every authentication. A TPM does not restore retries.
func (a *Application) resetRetryCounter(c iso.Command) iso.Status {
	left := a.pin.Left
	status := a.unblock(c)
	if status == iso.OK {
		a.deauthenticate()
		if a.config.Lockout > 0 {
			a.pin.Left = left
		}
	}
	return status
}

func (a *Application) unblock(c iso.Command) iso.Status {
	switch {
	case a.state == stateInitialization:
		return statusCommandNotAllowed
	case c.P1 != p1Admin && (c.P1 != p1Secret || !a.puk.isSet()):
		return iso.BadParameters
	case c.P2 != refPIN:
		return iso.ReferenceNotFound
	case c.P1 == p1Secret:
		return a.replaceWith(&a.puk, &a.pin, c.Data)
	case !a.session.admin:
		return iso.SecurityNotSatisfied
	case !a.validLength(c.Data):
		return a.badNewPIN()
	}
	a.pin.replace(c.Data)
	return iso.OK
}
