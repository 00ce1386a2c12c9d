package piv

import "github.com/smartlogon/smartlogon/internal/softcard/iso"

// factoryReset processes RESET, which requires PIN and PUK to be blocked. It
// resets them, the administrator's key, keys and objects to those of a new
// YubiKey, which has only the discovery object. The attestation key stays.
func (a *Application) factoryReset() iso.Status {
	if a.pin.Left > 0 || a.puk.Left > 0 {
		return iso.ConditionsNotSatisfied
	}
	attestation, certificate := a.slots[slotAttestation], a.objects[tagAttestation]
	resetReference(&a.pin, defaultPIN, defaultTries)
	resetReference(&a.puk, defaultPUK, defaultTries)
	a.admin = newAdmin(a.defaultAdminKey())
	a.resetContent()
	a.slots[slotAttestation], a.objects[tagAttestation] = attestation, certificate
	return iso.OK
}
