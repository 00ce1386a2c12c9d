package piv

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// Instructions of Yubico.
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

// A Version is the firmware version of a YubiKey. The zero value is a card that
// is not a YubiKey.
type Version [3]byte

// ParseVersion parses a version such as 5.7.4.
func ParseVersion(s string) (Version, error) {
	var v Version
	var rest string
	if n, _ := fmt.Sscanf(s, "%d.%d.%d%s", &v[0], &v[1], &v[2], &rest); n != len(v) {
		return Version{}, fmt.Errorf("piv: firmware version %q: malformed", s)
	}
	return v, nil
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// ATR returns the ATR of a YubiKey with this firmware, as recorded of a NEO, a
// YubiKey 4 and a YubiKey 5. The historical bytes end in its name.
func (v Version) ATR() []byte {
	switch {
	case v[0] < 4:
		return []byte("\x3B\xFC\x13\x00\x00\x81\x31\xFE\x15YubikeyNEOr3\xE1")
	case v[0] == 4:
		return []byte("\x3B\xF8\x13\x00\x00\x81\x31\xFE\x15Yubikey4\xD4")
	}
	return []byte("\x3B\xFD\x13\x00\x00\x81\x31\xFE\x15\x80\x73\xC0\x21\xC0\x57YubiKey\x40")
}

// isYubiKey reports whether the card is a YubiKey.
func (a *Application) isYubiKey() bool { return a.config.Firmware != Version{} }

// Versions that introduced a feature.
var (
	firmwarePolicies = Version{4, 0, 0}
	firmwareAttest   = Version{4, 3, 0}
	firmwareSerial   = Version{5, 0, 3}
	firmwareMetadata = Version{5, 3, 0}
	firmwareAES      = Version{5, 4, 0}
	firmwareLogout   = Version{5, 4, 3}
	firmwareBigKeys  = Version{5, 7, 0} // RSA 3072 and 4096, Curve25519, MOVE KEY
)

// atLeast reports whether the card is a YubiKey with the firmware v or a newer
// one.
func (a *Application) atLeast(v Version) bool {
	return a.isYubiKey() && bytes.Compare(a.config.Firmware[:], v[:]) >= 0
}

// yubikeyConfig returns c with the properties of a YubiKey.
func (c Config) yubikeyConfig() Config {
	a := &Application{config: c}
	c.LenientPIN = true
	c.Quirks.SelectWithPIX, c.Quirks.AbsentFirst = true, true
	c.Quirks.NoLogout = c.Quirks.NoLogout || !a.atLeast(firmwareLogout)
	c.Quirks.PlainRetries = c.Quirks.PlainRetries || !a.atLeast(firmwarePolicies)
	if !a.atLeast(firmwarePolicies) { // a NEO
		c.Quirks.NoDiscovery, c.Quirks.EmptyVerifyHides = true, true
		c.Quirks.AbsentDiscovery = cmp.Or(c.Quirks.AbsentDiscovery, iso.BadData)
	}
	if c.Quirks.EmptySlot == 0 {
		c.Quirks.EmptySlot = iso.BadData
	}
	if c.MaxObject == 0 {
		c.MaxObject = yubikeyMaxObject
	}
	if c.AdminKey.Algorithm == 0 {
		c.AdminKey = a.defaultAdminKey()
	}
	return c
}

// yubikeyMaxObject is the longest object of a YubiKey.
const yubikeyMaxObject = 3052

// processYubico processes Yubico's instructions, as far as the firmware has
// them.
func (a *Application) processYubico(c iso.Command) iso.Response {
	switch {
	case !a.isYubiKey() && !a.hasExtension(c.INS):
	case c.INS == insVersion && a.isYubiKey():
		return iso.Data(bytes.Clone(a.config.Firmware[:]))
	case c.INS == insSetAdminKey:
		return a.setAdminKey(c).Response()
	case c.INS == insImport:
		return a.importKey(c).Response()
	case c.INS == insSetRetries:
		return a.setRetries(c).Response()
	case c.INS == insFactory:
		return a.factoryReset().Response()
	case c.INS == insSerial && a.atLeast(firmwareSerial):
		return iso.Data(serialBytes(a.config.Serial))
	case c.INS == insMetadata && a.atLeast(firmwareMetadata):
		return a.metadata(c.P2)
	case c.INS == insAttest && a.atLeast(firmwareAttest):
		return a.attest(c)
	case c.INS == insMoveKey && a.atLeast(firmwareBigKeys):
		return a.moveKey(c).Response()
	}
	return iso.UnknownInstruction.Response()
}

func serialBytes(n uint32) []byte {
	return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// allowsYubicoObject reports whether the card stores an object under a tag that
// SP 800-73 does not define.
func (a *Application) allowsYubicoObject(tag ber.Tag) bool {
	return a.isYubiKey() && 0x5F0000 <= tag && tag <= 0x5FFFFF
}
