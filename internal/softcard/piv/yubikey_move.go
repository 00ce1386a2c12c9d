package piv

import "github.com/smartlogon/smartlogon/internal/softcard/iso"

// deleteKey is the destination in MOVE KEY that deletes the key.
const deleteKey = 0xFF

// moveKey processes MOVE KEY, which moves a key to an empty slot or deletes it.
// Certificates stay in their objects.
func (a *Application) moveKey(c iso.Command) iso.Status {
	to, from := c.P1, c.P2
	s := a.slots[from]
	switch {
	case !a.admin.authenticated:
		return iso.SecurityNotSatisfied
	case to != deleteKey && (!isSlot(to) || from == slotAttestation):
		return iso.BadParameters
	case s == nil:
		return iso.ReferenceNotFound
	case to != deleteKey && a.slots[to] != nil:
		return iso.BadData
	}
	delete(a.slots, from)
	if to != deleteKey {
		a.slots[to] = s
	}
	return iso.OK
}
