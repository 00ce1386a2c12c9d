package piv

import (
	"slices"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// defaultAdminKey returns the administrator's key of a new YubiKey. From
// firmware 5.7 on, the same bytes are an AES-192 key.
func (a *Application) defaultAdminKey() AdminKey {
	alg := TripleDES
	if a.atLeast(firmwareBigKeys) {
		alg = AES192
	}
	return AdminKey{alg, []byte(defaultKey)}
}

// adminTouch maps P2 of SET MANAGEMENT KEY to the touch policy of the key.
var adminTouch = map[byte]TouchPolicy{0xFF: TouchNever, 0xFE: TouchAlways, 0xFD: TouchCached}

// setAdminKey processes SET MANAGEMENT KEY, whose data is algorithm, 9B,
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
	if key.Algorithm != TripleDES && !a.atLeast(firmwareAES) {
		return iso.BadData
	}
	block, err := key.cipher()
	if err != nil {
		return iso.BadData
	}
	a.admin.key, a.admin.block, a.admin.touch = key, block, touchState{policy: touch}
	return iso.OK
}
