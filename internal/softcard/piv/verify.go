package piv

import (
	"cmp"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// P1 of VERIFY (SP 800-73-4 part 2, 3.2.1).
const (
	p1Compare = 0x00
	p1Logout  = 0xFF
)

// verify processes VERIFY: it compares a PIN, reports the retry counter, or
// clears the verified state (SP 800-73-4 part 2, 3.2.1).
func (a *Application) verify(c iso.Command) iso.Status {
	if c.P1 != p1Compare && (c.P1 != p1Logout || a.config.Quirks.NoLogout) {
		return iso.BadParameters
	}
	r := a.verifiable(c.P2)
	if r == nil && a.isYubiKey() && c.P1 == p1Compare && c.P2 == yubikeyQuery && len(c.Data) == 0 {
		r = &a.pin
	}
	switch {
	case r == nil:
		return iso.ReferenceNotFound
	case a.config.Contactless: // requires secure messaging
		return iso.SecurityNotSatisfied
	case c.P1 == p1Logout && len(c.Data) > 0:
		return iso.BadData
	case c.P1 == p1Logout:
		r.Verified = false
		return iso.OK
	case len(c.Data) == 0 && !a.config.Quirks.EmptyVerifyCosts:
		return a.query(r)
	case r.Left == 0:
		return cmp.Or(a.config.Quirks.BlockedVerify, iso.Blocked)
	case !a.wellFormedPIN(c.Data) && !a.config.Quirks.BadFormatCosts && len(c.Data) > 0:
		return iso.BadData
	case !r.Compare(c.Data):
		return a.failedStatus(r)
	}
	r.Verified = true
	a.carry.justVerified = true
	return iso.OK
}

// verifiable returns the PIN that VERIFY compares for a key reference, or nil.
// The global PIN must be enabled by the discovery object.
func (a *Application) verifiable(ref byte) *iso.Reference {
	switch {
	case ref == refPIN:
		return &a.pin
	case ref == refGlobalPIN && a.globalPINEnabled():
		return a.global
	}
	return nil
}

// query processes VERIFY without data.
func (a *Application) query(r *iso.Reference) iso.Status {
	q := a.config.Quirks
	switch {
	case q.EmptyVerify != 0:
		return q.EmptyVerify
	case q.EmptyVerifyClears:
		r.Verified = false
	case r.Verified && !q.EmptyVerifyHides:
		return iso.OK
	}
	switch {
	case r.Left > 0:
		return a.retryStatus(r)
	case q.BlockedQuery != 0:
		return q.BlockedQuery
	}
	return iso.Blocked
}

// pinVerified reports whether a PIN is verified that meets the access rules of
// the application.
func (a *Application) pinVerified() bool {
	return a.pin.Verified || a.globalPINEnabled() && a.global.Verified
}
