// Package part10 reads the features and properties of a reader, as PC/SC part 10
// defines them.
package part10

import (
	"encoding/binary"

	"github.com/smartlogon/smartlogon/card/driver"
)

// A Feature is the tag of a feature (PC/SC part 10, 2.3).
type Feature byte

const (
	VerifyPIN     Feature = 0x06 // FEATURE_VERIFY_PIN_DIRECT
	ModifyPIN     Feature = 0x07 // FEATURE_MODIFY_PIN_DIRECT
	TLVProperties Feature = 0x12 // FEATURE_GET_TLV_PROPERTIES
)

// A Property is the tag of a property (PC/SC part 10, 2.6.14).
type Property byte

const maxAPDUDataSize Property = 0x0A // dwMaxAPDUDataSize

// ParseFeatures parses the response to driver.FeatureRequest: the control codes of
// the features. It stops at the first malformed entry. If a feature occurs more than
// once, the last code applies.
func ParseFeatures(response []byte) map[Feature]uint32 {
	features := make(map[Feature]uint32)
	for len(response) >= 6 && response[1] == 4 {
		features[Feature(response[0])] = binary.BigEndian.Uint32(response[2:])
		response = response[6:]
	}
	return features
}

// ParseProperties parses the response to the control code of TLVProperties. It stops
// at the first malformed entry. The values are slices of response.
func ParseProperties(response []byte) map[Property][]byte {
	properties := make(map[Property][]byte)
	for len(response) >= 2 {
		n := int(response[1])
		if len(response) < 2+n {
			break
		}
		properties[Property(response[0])] = response[2 : 2+n : 2+n]
		response = response[2+n:]
	}
	return properties
}

// MaxDataSize returns the maximum number of data bytes of a command or response that
// the reader reports to support (dwMaxAPDUDataSize): 256 if it supports short APDUs
// only. It returns false if the reader does not report it.
func MaxDataSize(c driver.Controller) (n int, ok bool) {
	response, err := c.Control(driver.FeatureRequest, nil)
	if err != nil {
		return 0, false
	}
	code, ok := ParseFeatures(response)[TLVProperties]
	if !ok {
		return 0, false
	}
	response, err = c.Control(code, nil)
	if err != nil {
		return 0, false
	}
	value := ParseProperties(response)[maxAPDUDataSize]
	if len(value) != 4 {
		return 0, false
	}
	switch size := binary.LittleEndian.Uint32(value); {
	case size == 0:
		return shortData, true
	case size <= shortData || size > extendedData:
		return 0, false // undefined
	default:
		return int(size), true
	}
}

const (
	shortData    = 1 << 8
	extendedData = 1 << 16
)
