package piv

import (
	"cmp"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// changeReference processes CHANGE REFERENCE DATA: it replaces a PIN or the PUK
// after a comparison with the old value (SP 800-73-4 part 2, 3.2.2). The format
// is checked first, so a badly formatted value spends no try.
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
	case a.config.Contactless: // requires secure messaging
		return iso.SecurityNotSatisfied
	case len(c.Data) != 2*secretLen:
		return iso.BadData
	case r.Left == 0:
		return iso.Blocked
	}
	old, replacement := c.Data[:secretLen], c.Data[secretLen:]
	if c.P2 != refPUK && !(a.wellFormedPIN(old) && a.wellFormedPIN(replacement)) {
		return iso.BadData
	}
	if r.Matches(old) && a.tooShort(replacement) {
		return iso.ConditionsNotSatisfied
	}
	if !r.Compare(old) {
		return cmp.Or(a.config.Quirks.FailedChange, a.failedStatus(r))
	}
	r.Set(replacement)
	r.Verified = true
	return iso.OK
}

// resetRetryCounter processes RESET RETRY COUNTER: it replaces the application
// PIN after a comparison with the PUK (SP 800-73-4 part 2, 3.2.3). Success does
// not change whether the PIN is verified.
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
	case a.puk.Left == 0:
		return iso.Blocked
	}
	puk, replacement := c.Data[:secretLen], c.Data[secretLen:]
	if !a.wellFormedPIN(replacement) {
		return iso.BadData
	}
	if a.puk.Matches(puk) && a.tooShort(replacement) {
		return iso.ConditionsNotSatisfied
	}
	if !a.puk.Compare(puk) {
		a.pin.Verified = false
		return a.failedStatus(&a.puk)
	}
	a.pin.Set(replacement)
	return iso.OK
}
