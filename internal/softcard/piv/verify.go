package piv

import "github.com/smartlogon/smartlogon/internal/softcard/iso"

// P1 of VERIFY (SP 800-73-4 part 2, 3.2.1).
const (
	p1Compare = 0x00
	p1Logout  = 0xFF
)

// verify compares a PIN with the card's, asks whether it is verified, or makes
// it unverified (SP 800-73-4 part 2, 3.2.1).
func (a *Application) verify(c iso.Command) iso.Status {
	if c.P1 != p1Compare && (c.P1 != p1Logout || a.config.Quirks.NoLogout) {
		return iso.BadParameters
	}
	r := a.verifiable(c.P2)
	switch {
	case r == nil:
		return iso.ReferenceNotFound
	case a.config.Contactless: // there is no secure messaging
		return iso.SecurityNotSatisfied
	case c.P1 == p1Logout && len(c.Data) > 0:
		return iso.BadData
	case c.P1 == p1Logout:
		r.verified = false
		return iso.OK
	case len(c.Data) == 0 && !a.config.Quirks.EmptyVerifyCosts:
		return a.query(r)
	case r.left == 0:
		return iso.Blocked
	case !a.wellFormed(c.Data) && !a.config.Quirks.BadFormatCosts && len(c.Data) > 0:
		return iso.BadData
	case !r.try(c.Data):
		return a.refusal(r)
	}
	r.verified = true
	a.next.fresh = true
	return iso.OK
}

// verifiable is the PIN that may be verified under a reference: the global PIN
// only where the discovery object says that it counts.
func (a *Application) verifiable(ref byte) *reference {
	switch {
	case ref == refPIN:
		return &a.pin
	case ref == refGlobalPIN && a.globalCounts():
		return a.global
	}
	return nil
}

// query answers VERIFY without data.
func (a *Application) query(r *reference) iso.Status {
	q := a.config.Quirks
	switch {
	case q.EmptyVerify != 0:
		return q.EmptyVerify
	case q.EmptyVerifyClears:
		r.verified = false
	case r.verified && !q.EmptyVerifyHides:
		return iso.OK
	}
	switch {
	case r.left > 0:
		return a.retries(r)
	case q.BlockedQuery != 0:
		return q.BlockedQuery
	}
	return iso.Blocked
}

// holderVerified reports whether a PIN is verified that opens the
// application's keys and objects.
func (a *Application) holderVerified() bool {
	return a.pin.verified || a.globalCounts() && a.global.verified
}
