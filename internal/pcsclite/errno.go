package pcsclite

import "github.com/smartlogon/smartlogon/card/driver"

// Numbers that pcsc-lite and Windows do not share. On Windows 8010001F means
// "unexpected".
const unsupportedFeature = 0x8010001F

// Errno is the error that a result of the service stands for, nil for 0.
func Errno(result uint32) error {
	switch result {
	case 0:
		return nil
	case unsupportedFeature:
		return driver.UnsupportedFeature
	}
	return driver.Errno(result)
}

// Code is the result that stands for an error of a reader.
func Code(e driver.Errno) uint32 {
	if e == driver.UnsupportedFeature {
		return unsupportedFeature
	}
	return uint32(e)
}
