package cardtest

import (
	"crypto/rand"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// YubiKey returns a YubiKey of a firmware version such as 5.7.1: a PIV card without
// keys and certificates, with Yubico's instructions as far as that version has
// them. It panics if version is malformed.
func YubiKey(version string, options ...Option) *Card {
	firmware, err := piv.ParseVersion(version)
	if err != nil {
		panic("cardtest: " + err.Error())
	}
	const serial = 12345678
	c := config{kind: pivCard, piv: piv.Config{
		Firmware: firmware,
		Serial:   serial,
		Quirks:   piv.Quirks{SelectWithPIX: true},
	}}
	rand.Read(c.piv.GUID[:]) // CHUID and CCC, which management tools write
	c.iso.ATR = firmware.ATR()
	if firmware[0] < 5 {
		c.iso.FailedSelect = iso.Deselects
	}
	c.neighbors = append(c.neighbors, piv.OTP{Firmware: firmware, Serial: serial})
	if firmware[0] >= 4 { // a NEO's text is not known
		c.neighbors = append(c.neighbors, piv.Management{Firmware: firmware})
	}
	return newPIV(c, options)
}

// AttestationRoot returns the certificate, in DER, of the authority that certifies
// the attestation keys of software YubiKeys. For real ones that is Yubico's.
func AttestationRoot() []byte { return piv.AttestationRoot() }
