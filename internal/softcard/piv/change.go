package piv

import "github.com/smartlogon/smartlogon/internal/softcard/iso"

// changeReference replaces a PIN or the PUK by whoever knows the old one (SP
// 800-73-4 part 2, 3.2.2). A badly formatted value is refused before anything
// is compared, so it never costs a try.
func (a *Application) changeReference(c iso.Command) iso.Status {
	if c.P1 != 0 {
		return iso.BadParameters
	}
	r := a.verifiable(c.P2)
	if c.P2 == refPUK {
		r = &a.puk
	}
	switch {
	case r == nil:
		return iso.ReferenceNotFound
	case a.config.Contactless: // there is no secure messaging
		return iso.SecurityNotSatisfied
	case len(c.Data) != 2*secretLen:
		return iso.BadData
	case r.left == 0:
		return iso.Blocked
	}
	old, replacement := c.Data[:secretLen], c.Data[secretLen:]
	if c.P2 != refPUK && !(a.wellFormed(old) && a.wellFormed(replacement)) {
		return iso.BadData
	}
	if r.is(old) && a.tooShort(replacement) {
		return iso.ConditionsNotSatisfied
	}
	if !r.try(old) {
		return a.refusal(r)
	}
	r.set(replacement)
	r.verified = true
	return iso.OK
}

// resetRetryCounter replaces the application PIN by whoever knows the PUK, at
// any time (SP 800-73-4 part 2, 3.2.3). Whether the PIN is verified does not
// change, unless the PUK is wrong.
func (a *Application) resetRetryCounter(c iso.Command) iso.Status {
	switch {
	case c.P1 != 0:
		return iso.BadParameters
	case c.P2 != refPIN:
		return iso.ReferenceNotFound
	case a.config.Contactless:
		return iso.NotSupported
	case len(c.Data) != 2*secretLen:
		return iso.BadData
	case a.puk.left == 0:
		return iso.Blocked
	}
	puk, replacement := c.Data[:secretLen], c.Data[secretLen:]
	if !a.wellFormed(replacement) {
		return iso.BadData
	}
	if a.puk.is(puk) && a.tooShort(replacement) {
		return iso.ConditionsNotSatisfied
	}
	if !a.puk.try(puk) {
		a.pin.verified = false
		return a.refusal(&a.puk)
	}
	a.pin.set(replacement)
	return iso.OK
}
