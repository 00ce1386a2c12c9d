package pcsclite

import "github.com/smartlogon/smartlogon/card/driver"

// unsupportedFeature is SCARD_E_UNSUPPORTED_FEATURE of pcsc-lite. On Windows the
// number is SCARD_E_UNEXPECTED.
const unsupportedFeature = 0x8010001F

// Errno returns the error for a result of the service, nil for 0.
func Errno(result uint32) error {
	switch result {
	case 0:
		return nil
	case unsupportedFeature:
		return driver.UnsupportedFeature
	}
	return driver.Errno(result)
}

// Code returns the result for an error.
func Code(e driver.Errno) uint32 {
	if e == driver.UnsupportedFeature {
		return unsupportedFeature
	}
	return uint32(e)
}
