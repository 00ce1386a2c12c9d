package gids

import (
	"cmp"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// References in P2 of VERIFY and its like.
const (
	refGlobal = 0x00 // where other cards have another PIN: here it is the same
	refPIN    = 0x80
	refPUK    = 0x81
	forgets   = 0x82 // of VERIFY: everything that was verified
)

// A secret is a PIN, or what unblocks it. One without digits was never set.
type secret struct {
	digits   []byte
	left     int
	most     int
	spent    int       // wrong ones ever given
	since    time.Time // when the last wrong one was given
	verified bool
}

func (s *secret) set(digits []byte) {
	s.digits, s.left, s.verified = slices.Clone(digits), s.most, false
}

// try compares.
func (a *Application) try(s *secret, digits []byte) bool {
	if subtle.ConstantTimeCompare(digits, s.digits) == 1 {
		s.left = s.most
		return true
	}
	s.verified = false
	s.left--
	s.spent++
	s.since = a.config.Now()
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
	a.heal()
	return Tries{a.pin.left, a.pin.spent, a.pin.verified}
}

// SetTriesLeft sets how many tries are left; 0 blocks the PIN.
func (a *Application) SetTriesLeft(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pin.left, a.pin.since = max(n, 0), a.config.Now()
}

// heal gives back the tries that a TPM has forgotten by now.
func (a *Application) heal() {
	if a.config.Lockout <= 0 {
		return
	}
	n := int(min(a.config.Now().Sub(a.pin.since)/a.config.Lockout, time.Duration(a.pin.most)))
	if n > 0 && a.pin.left < a.pin.most {
		a.pin.left = min(a.pin.left+n, a.pin.most)
		a.pin.since = a.config.Now()
	}
}

// fits reports whether a PIN has a length that the card takes.
func (a *Application) fits(pin []byte) bool {
	return a.config.MinPIN <= len(pin) && len(pin) <= a.config.MaxPIN
}

// badNewPIN is the status of a new PIN of a length that the card does not take.
func (a *Application) badNewPIN() iso.Status {
	return cmp.Or(a.config.Quirks.NewPIN, iso.BadData)
}

// retries is the status that tells how many tries are left.
func (a *Application) retries(s *secret) iso.Status {
	if a.config.Quirks.PlainRetries {
		return 0x6300 | iso.Status(min(s.left, 15))
	}
	return iso.Retries(s.left)
}

// verify answers VERIFY. A PIN of a length that cannot be right costs nothing. Asked
// without one, the card tells the tries left even while the PIN is verified.
func (a *Application) verify(c iso.Command) iso.Status {
	switch {
	case c.P1 != 0:
		return iso.BadParameters
	case c.P2 == forgets && !a.config.Quirks.NoLogout:
		if len(c.Data) > 0 {
			return iso.WrongLength
		}
		a.deauthenticate()
		return iso.OK
	case c.P2 != refPIN && c.P2 != refGlobal:
		return iso.ReferenceNotFound
	case len(c.Data) == 0 && a.config.Quirks.EmptyVerify != 0:
		return a.config.Quirks.EmptyVerify
	case len(c.Data) == 0 && a.state == settingUp:
		return iso.OK // nothing is asked for yet
	case len(a.pin.digits) == 0:
		return iso.ConditionsNotSatisfied
	case a.pin.left == 0:
		return iso.Blocked
	case !a.fits(c.Data), !a.try(&a.pin, c.Data):
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

// change answers CHANGE REFERENCE DATA. Whoever sets another PIN in place of the one
// he knows has verified it.
func (a *Application) change(c iso.Command) iso.Status {
	s := &a.pin
	switch c.P2 {
	case refPIN, refGlobal:
	case refPUK:
		s = &a.puk
	default:
		return iso.ReferenceNotFound
	}
	switch {
	case c.P1 == withoutIt && !a.fits(c.Data):
		return a.badNewPIN()
	case c.P1 == withoutIt && (a.state == settingUp || s == &a.pin && s.verified):
		s.set(c.Data)
		return iso.OK
	case c.P1 == withoutIt:
		return iso.SecurityNotSatisfied
	case c.P1 != withOld:
		return iso.BadParameters
	case len(s.digits) == 0:
		return iso.ReferenceNotFound
	}
	status := a.replace(s, s, c.Data)
	s.verified = status == iso.OK
	return status
}

// replace sets a secret by another that stands in front of it. The card knows how
// long that one is: nothing marks its end. Where the two cannot be right together
// for their length, it costs nothing.
func (a *Application) replace(by, set *secret, data []byte) iso.Status {
	switch {
	case len(data) < 2*a.config.MinPIN, len(data) > 2*a.config.MaxPIN:
		return a.retries(by)
	case by.left == 0:
		return iso.Blocked
	}
	n := min(len(by.digits), len(data))
	if !a.try(by, data[:n]) {
		return a.retries(by)
	}
	if !a.fits(data[n:]) {
		return a.badNewPIN()
	}
	set.set(data[n:])
	return iso.OK
}

// resetRetry answers RESET RETRY COUNTER, with the PUK or by the administrator.
// Nobody is anybody afterwards. A TPM does not take it for a reason to forget what
// was wrong before.
func (a *Application) resetRetry(c iso.Command) iso.Status {
	left := a.pin.left
	status := a.unblock(c)
	if status == iso.OK {
		a.deauthenticate()
		if a.config.Lockout > 0 {
			a.pin.left = left
		}
	}
	return status
}

func (a *Application) unblock(c iso.Command) iso.Status {
	switch {
	case a.state == settingUp:
		return commandForbidden
	case c.P1 != asAdmin && (c.P1 != withOld || len(a.puk.digits) == 0):
		return iso.BadParameters
	case c.P2 != refPIN:
		return iso.ReferenceNotFound
	case c.P1 == withOld:
		return a.replace(&a.puk, &a.pin, c.Data)
	case !a.now.admin:
		return iso.SecurityNotSatisfied
	case !a.fits(c.Data):
		return a.badNewPIN()
	}
	a.pin.set(c.Data)
	return iso.OK
}
