package cardtest

import (
	"slices"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// Answers to reset of YubiKeys. The historical bytes end with the product name.
var (
	atrYubiKey4 = []byte("\x3B\xF8\x13\x00\x00\x81\x31\xFE\x15YubiKey4\xD4")
	atrYubiKey5 = []byte("\x3B\xFD\x13\x00\x00\x81\x31\xFE\x15\x80\x73\xC0\x21\xC0\x57YubiKey\x40")
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
	c.iso.ATR = slices.Clone(atrYubiKey5)
	if version[0] < '5' {
		c.iso.ATR = slices.Clone(atrYubiKey4)
	}
	c.neighbors = append(c.neighbors, piv.OTP{Firmware: firmware, Serial: serial})
	return newPIV(c, options)
}

// AttestationRoot returns the certificate, in DER, of the authority that certifies
// the attestation keys of software YubiKeys. For real ones that is Yubico's.
func AttestationRoot() []byte { return piv.AttestationRoot() }
