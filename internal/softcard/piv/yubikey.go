package piv

import (
	"bytes"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Instructions that only a YubiKey has.
const (
	insMoveKey     = 0xF6
	insMetadata    = 0xF7
	insSerial      = 0xF8
	insAttest      = 0xF9
	insSetRetries  = 0xFA
	insFactory     = 0xFB
	insVersion     = 0xFD
	insImport      = 0xFE
	insSetAdminKey = 0xFF
)

// A Version is a YubiKey's firmware version. The zero value is no YubiKey's.
type Version [3]byte

// ParseVersion reads a version such as 5.7.4.
func ParseVersion(s string) (Version, error) {
	var v Version
	var rest string
	if n, _ := fmt.Sscanf(s, "%d.%d.%d%s", &v[0], &v[1], &v[2], &rest); n != len(v) {
		return Version{}, fmt.Errorf("piv: %q is no firmware version", s)
	}
	return v, nil
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// isYubiKey reports whether the card is a YubiKey.
func (a *Application) isYubiKey() bool { return a.config.Firmware != Version{} }

// Firmware from which a YubiKey knows something new.
var (
	firmwarePolicies = Version{4, 0, 0}
	firmwareAttest   = Version{4, 3, 0}
	firmwareSerial   = Version{5, 0, 3}
	firmwareMetadata = Version{5, 3, 0}
	firmwareAES      = Version{5, 4, 0}
	firmwareLogout   = Version{5, 4, 3}
	firmwareBigKeys  = Version{5, 7, 0} // RSA 3072 and 4096, Curve25519, moving keys
)

// has reports whether the card is a YubiKey with that firmware or a newer.
func (a *Application) has(v Version) bool {
	return a.isYubiKey() && bytes.Compare(a.config.Firmware[:], v[:]) >= 0
}

// yubikeyConfig fills in what a YubiKey does where the caller left the choice.
func (c Config) yubikeyConfig() Config {
	a := &Application{config: c}
	c.LenientPIN = true
	c.Quirks.SelectWithPIX = true
	c.Quirks.NoLogout = c.Quirks.NoLogout || !a.has(firmwareLogout)
	c.Quirks.PlainRetries = c.Quirks.PlainRetries || !a.has(firmwarePolicies)
	if c.Quirks.EmptySlot == 0 {
		c.Quirks.EmptySlot = iso.BadData
	}
	if c.MaxObject == 0 {
		c.MaxObject = yubikeyMaxObject
	}
	if c.AdminKey.Algorithm == 0 {
		c.AdminKey = a.customaryAdminKey()
	}
	return c
}

// yubikeyMaxObject is the longest object that a YubiKey takes.
const yubikeyMaxObject = 3052

// processYubico answers the instructions that only a YubiKey has.
func (a *Application) processYubico(c iso.Command) iso.Answer {
	switch {
	case !a.isYubiKey():
	case c.INS == insVersion:
		return iso.Data(bytes.Clone(a.config.Firmware[:]))
	case c.INS == insSetAdminKey:
		return a.setAdminKey(c).Answer()
	case c.INS == insImport:
		return a.importKey(c).Answer()
	case c.INS == insSetRetries:
		return a.setRetries(c).Answer()
	case c.INS == insFactory:
		return a.factoryReset().Answer()
	case c.INS == insSerial && a.has(firmwareSerial):
		return iso.Data(serialBytes(a.config.Serial))
	case c.INS == insMetadata && a.has(firmwareMetadata):
		return a.metadata(c.P2)
	case c.INS == insAttest && a.has(firmwareAttest):
		return a.attest(c)
	case c.INS == insMoveKey && a.has(firmwareBigKeys):
		return a.moveKey(c).Answer()
	}
	return iso.UnknownInstruction.Answer()
}

func serialBytes(n uint32) []byte {
	return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// yubicoTag reports whether a YubiKey stores an object under a tag that SP
// 800-73 does not know.
func (a *Application) yubicoTag(tag ber.Tag) bool {
	return a.isYubiKey() && 0x5F0000 <= tag && tag <= 0x5FFFFF
}

// setRetries changes the retry counters and gives PIN and PUK their first
// values again.
func (a *Application) setRetries(c iso.Command) iso.Status {
	switch {
	case !a.admin.authenticated || !a.pin.verified:
		return iso.SecurityNotSatisfied
	case c.P1 == 0 || c.P2 == 0:
		return iso.BadParameters
	}
	a.pin.renew(customaryPIN, int(c.P1))
	a.puk.renew(customaryPUK, int(c.P2))
	return iso.OK
}

// factoryReset brings PIN, PUK, keys and objects back to what they were when
// the YubiKey was new. Only who has used up all tries may do so. The
// attestation key stays.
func (a *Application) factoryReset() iso.Status {
	if a.pin.left > 0 || a.puk.left > 0 {
		return iso.ConditionsNotSatisfied
	}
	attestation, certificate := a.slots[slotAttestation], a.objects[tagAttestation]
	a.pin.renew(customaryPIN, defaultTries)
	a.puk.renew(customaryPUK, defaultTries)
	a.admin = newAdmin(a.customaryAdminKey())
	a.empty()
	a.slots[slotAttestation], a.objects[tagAttestation] = attestation, certificate
	return iso.OK
}

// moveKey moves a key to another slot, or deletes it. Certificates stay where
// they are.
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

// deleteKey is P1 of MOVE KEY for a key that goes nowhere.
const deleteKey = 0xFF
