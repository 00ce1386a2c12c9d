package piv

import "github.com/smartlogon/smartlogon/internal/softcard/iso"

// A Management is the response to SELECT of a YubiKey's management application: a
// text with the firmware version.
type Management struct {
	Firmware Version
}

// AID implements [iso.Application].
func (Management) AID() []byte { return []byte("\xA0\x00\x00\x05\x27\x47\x11\x17") }

// Select implements [iso.Application].
func (m Management) Select(iso.Command) iso.Response {
	return iso.Data([]byte("Virtual mgr - FW version " + m.Firmware.String()))
}

// Process implements [iso.Application]. It supports no instruction.
func (Management) Process(iso.Command) iso.Response { return iso.UnknownInstruction.Response() }

// Chains implements [iso.Application].
func (Management) Chains(byte) bool { return false }

// Deselect implements [iso.Application].
func (Management) Deselect() {}

// Reset implements [iso.Application].
func (Management) Reset() {}
