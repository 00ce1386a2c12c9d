package piv

import "github.com/smartlogon/smartlogon/internal/softcard/iso"

// An OTP is the part of a YubiKey's OTP application that PIV clients use: it
// returns the serial number, which the PIV application does only from firmware
// 5.0.3 on.
type OTP struct {
	Firmware Version
	Serial   uint32
}

// AID implements [iso.Application].
func (OTP) AID() []byte { return []byte("\xA0\x00\x00\x05\x27\x20\x01\x01") }

// Select implements [iso.Application]. It returns version, programming sequence
// and touch level.
func (o OTP) Select(iso.Command) iso.Answer {
	return iso.Data(append(o.Firmware[:], 0x00, 0x00, 0x00))
}

// Process implements [iso.Application].
func (o OTP) Process(c iso.Command) iso.Answer {
	if c.INS != 0x01 {
		return iso.UnknownInstruction.Answer()
	}
	if c.P1 != 0x10 {
		return iso.BadParameters.Answer()
	}
	return iso.Data(serialBytes(o.Serial))
}

// Chains implements [iso.Application].
func (OTP) Chains(byte) bool { return false }

// Deselect implements [iso.Application].
func (OTP) Deselect() {}

// Reset implements [iso.Application].
func (OTP) Reset() {}
