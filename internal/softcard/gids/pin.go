package gids

import (
	"crypto/subtle"
	"slices"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// References in P2 of VERIFY and its like.
const (
	refPIN  = 0x80
	refPUK  = 0x81
	forgets = 0x82 // of VERIFY: everything that was verified
)

// A secret is a PIN, or what unblocks it. One without digits was never set.
type secret struct {
	digits   []byte
	left     int
	most     int
	spent    int // wrong ones ever given
	verified bool
}

func (s *secret) set(digits []byte) {
	s.digits, s.left, s.verified = slices.Clone(digits), s.most, false
}

// try compares.
func (s *secret) try(digits []byte) bool {
	if subtle.ConstantTimeCompare(digits, s.digits) == 1 {
		s.left = s.most
		return true
	}
	s.verified = false
	s.left--
	s.spent++
	return false
}

// Tries are the state of the PIN.
type Tries struct {
	Left, Spent int
	Verified    bool
}

// Tries tells the state of the PIN.
func (a *Application) Tries() Tries {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Tries{a.pin.left, a.pin.spent, a.pin.verified}
}

// SetTriesLeft sets how many tries are left; 0 blocks the PIN.
func (a *Application) SetTriesLeft(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pin.left = n
}

// fits reports whether a PIN has a length that the card takes.
func (a *Application) fits(pin []byte) bool {
	return a.config.MinPIN <= len(pin) && len(pin) <= a.config.MaxPIN
}

// retries is the status that tells how many tries are left.
func (a *Application) retries(s *secret) iso.Status {
	if a.config.Quirks.PlainRetries {
		return 0x6300 | iso.Status(min(s.left, 15))
	}
	return iso.Retries(s.left)
}

// verify answers VERIFY. A PIN of a length that cannot be right costs nothing.
func (a *Application) verify(c iso.Command) iso.Status {
	switch {
	case c.P1 != 0:
		return iso.BadParameters
	case c.P2 == forgets && !a.config.Quirks.NoLogout:
		if len(c.Data) > 0 {
			return iso.WrongLength
		}
		a.forget()
		return iso.OK
	case c.P2 != refPIN:
		return iso.ReferenceNotFound
	case len(a.pin.digits) == 0:
		return iso.ConditionsNotSatisfied
	case len(c.Data) == 0 && a.config.Quirks.EmptyVerify != 0:
		return a.config.Quirks.EmptyVerify
	case a.pin.left == 0:
		return iso.Blocked
	case !a.fits(c.Data), !a.pin.try(c.Data):
		return a.retries(&a.pin)
	}
	a.pin.verified = true
	return iso.OK
}

// P1 of CHANGE REFERENCE DATA and of RESET RETRY COUNTER.
const (
	withOld   = 0x00 // the secret that allows it stands first
	withoutIt = 0x01 // something else allows it
	asAdmin   = 0x02
)

// change answers CHANGE REFERENCE DATA. The card knows how long the old PIN is.
func (a *Application) change(c iso.Command) iso.Status {
	s := &a.pin
	if c.P2 == refPUK {
		s = &a.puk
	} else if c.P2 != refPIN {
		return iso.ReferenceNotFound
	}
	switch {
	case c.P1 == withoutIt && (a.state == settingUp || s == &a.pin && s.verified):
		if !a.fits(c.Data) {
			return iso.BadData
		}
		s.set(c.Data)
		return iso.OK
	case c.P1 == withoutIt:
		return iso.SecurityNotSatisfied
	case c.P1 != withOld:
		return iso.BadParameters
	case len(s.digits) == 0:
		return iso.ReferenceNotFound
	}
	return a.replace(s, s, c.Data)
}

// replace sets a secret by another that stands in front of it.
func (a *Application) replace(by, set *secret, data []byte) iso.Status {
	if by.left == 0 {
		return iso.Blocked
	}
	n := min(len(by.digits), len(data))
	if !by.try(data[:n]) {
		return a.retries(by)
	}
	if !a.fits(data[n:]) {
		return iso.BadData
	}
	set.set(data[n:])
	return iso.OK
}

// resetRetry answers RESET RETRY COUNTER, with the PUK or by the administrator.
// Nobody is anybody afterwards.
func (a *Application) resetRetry(c iso.Command) iso.Status {
	switch {
	case c.P2 != refPIN:
		return iso.ReferenceNotFound
	case c.P1 == withOld && len(a.puk.digits) > 0:
		return a.replace(&a.puk, &a.pin, c.Data)
	case c.P1 == withOld:
		return iso.ReferenceNotFound
	case c.P1 != asAdmin:
		return iso.BadParameters
	case !a.now.admin:
		return iso.SecurityNotSatisfied
	case !a.fits(c.Data):
		return iso.BadData
	}
	a.pin.set(c.Data)
	a.forget()
	return iso.OK
}
