package piv

import (
	"slices"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// customaryAdminKey is the administrator's key of a new YubiKey: from 5.7 on
// the same bytes serve AES-192.
func (a *Application) customaryAdminKey() AdminKey {
	alg := TripleDES
	if a.has(firmwareBigKeys) {
		alg = AES192
	}
	return AdminKey{alg, []byte(customaryKey)}
}

// P2 of SET MANAGEMENT KEY: whether using the key takes a touch.
var adminTouch = map[byte]TouchPolicy{0xFF: TouchNever, 0xFE: TouchAlways, 0xFD: TouchCached}

// setAdminKey replaces the administrator's key. The data is algorithm, 9B,
// length, key.
func (a *Application) setAdminKey(c iso.Command) iso.Status {
	touch, ok := adminTouch[c.P2]
	switch {
	case c.P1 != 0xFF || !ok:
		return iso.BadParameters
	case !a.admin.authenticated:
		return iso.SecurityNotSatisfied
	case len(c.Data) < 3 || c.Data[1] != refAdmin || int(c.Data[2]) != len(c.Data)-3:
		return iso.BadData
	}
	key := AdminKey{Algorithm(c.Data[0]), slices.Clone(c.Data[3:])}
	if key.Algorithm != TripleDES && !a.has(firmwareAES) {
		return iso.BadData
	}
	block, err := key.cipher()
	if err != nil {
		return iso.BadData
	}
	a.admin.key, a.admin.block, a.admin.touch = key, block, toucher{policy: touch}
	return iso.OK
}
