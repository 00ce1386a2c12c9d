package piv

import "github.com/smartlogon/smartlogon/internal/softcard/iso"

// Instructions of the OTP application.
const (
	insOTPRequest = 0x01
	insOTPStatus  = 0x03
)

// otpSerial is P1 of a request for the serial number.
const otpSerial = 0x10

// otpWrongSlot refuses another P1 of a request, but for a NEO, which returns 6A86.
const otpWrongSlot iso.Status = 0x6B00

// An OTP is the part of a YubiKey's OTP application that PIV clients use: it
// returns the serial number, which the PIV application does only from firmware
// 5.0.3 on.
type OTP struct {
	Firmware Version
	Serial   uint32
}

// AID implements [iso.Application].
func (OTP) AID() []byte { return []byte("\xA0\x00\x00\x05\x27\x20\x01\x01") }

// Select implements [iso.Application]. It returns the status. The two older kinds
// return four bytes more.
func (o OTP) Select(iso.Command) iso.Response {
	status := o.status()
	if o.Firmware[0] == 4 {
		status = append(status, 0x06, 0x0F, 0x00, 0x00)
	}
	return iso.Data(status)
}

// status returns firmware, programming sequence and touch level, as recorded of a
// NEO, a YubiKey 4 and a YubiKey 5.
func (o OTP) status() []byte {
	rest := "\x01\x05\x00"
	if o.Firmware[0] < 4 {
		rest = "\x01\x85\x07\x06\x00\x00\x00"
	}
	return append(o.Firmware[:], rest...)
}

// Process implements [iso.Application].
func (o OTP) Process(c iso.Command) iso.Response {
	switch {
	case c.INS == insOTPStatus:
		return iso.Data(o.status())
	case c.INS != insOTPRequest:
		return iso.UnknownInstruction.Response()
	case c.P1 != otpSerial && o.Firmware[0] < 4:
		return iso.BadParameters.Response()
	case c.P1 != otpSerial:
		return otpWrongSlot.Response()
	}
	return iso.Data(serialBytes(o.Serial))
}

// Chains implements [iso.Application].
func (OTP) Chains(byte) bool { return false }

// Deselect implements [iso.Application].
func (OTP) Deselect() {}

// Reset implements [iso.Application].
func (OTP) Reset() {}
