package reader

import (
	"encoding/binary"
	"slices"

	"github.com/smartlogon/smartlogon/card/driver"
)

// Features of a PIN pad (PC/SC part 10, 2.3) and their control codes, which each
// reader chooses itself.
const (
	featureVerify = 0x06
	featureModify = 0x07

	controlVerify = 0x42000DB2
	controlModify = 0x42000DB3
)

// Offsets in the data of the two control codes (PC/SC part 10, 2.5.2 and 2.5.3).
const (
	atFormat     = 2 // bmFormatString
	atBlock      = 3 // bmPINBlockString
	atOld        = 5 // bInsertionOffsetOld
	atNew        = 6 // bInsertionOffsetNew
	verifyHeader = 19
	modifyHeader = 24
	formatASCII  = 0x82
)

// Status words of a PIN pad (PC/SC part 10, 2.5.2).
var (
	statusCancelled = []byte{0x64, 0x01}
	statusPINLength = []byte{0x64, 0x03}
)

// SetPad gives a reader a PIN pad. The reader calls typed for each PIN entry. It
// returns what the user types: the PIN, or the old PIN and the new one, or nil to
// cancel. A nil typed removes the pad.
func (s *Set) SetPad(name string, typed func() []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slot(name)
	if sl == nil {
		return driver.UnknownReader
	}
	sl.typed = typed
	return nil
}

// Features returns the features of the reader with their control codes, in the
// encoding of the PC/SC feature request; nil without a PIN pad and properties.
func (c *Conn) Features() []byte {
	var list []byte
	if c.Limit().DataSize >= 0 {
		list = binary.BigEndian.AppendUint32([]byte{featureProperties, 4}, controlProperties)
	}
	return append(list, c.PadFeatures()...)
}

// PadFeatures returns the features of the PIN pad only.
func (c *Conn) PadFeatures() []byte {
	if c.pad() == nil {
		return nil
	}
	list := binary.BigEndian.AppendUint32([]byte{featureVerify, 4}, controlVerify)
	return binary.BigEndian.AppendUint32(append(list, featureModify, 4), controlModify)
}

func (c *Conn) pad() func() []string {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	return c.slot.typed
}

// Control performs a PIN entry: it writes the PIN into the command that in holds
// and sends it to the card. With the control code of the properties it returns
// these.
func (c *Conn) Control(code uint32, in []byte) ([]byte, error) {
	if code == controlProperties {
		if properties := c.Properties(); properties != nil {
			return properties, nil
		}
		return nil, driver.UnsupportedFeature
	}
	typed := c.pad()
	header, offsets := verifyHeader, []int{0}
	switch {
	case typed == nil, code != controlVerify && code != controlModify:
		return nil, driver.UnsupportedFeature
	case code == controlModify && len(in) > atNew:
		header, offsets = modifyHeader, []int{int(in[atOld]), int(in[atNew])}
	}
	if len(in) < header+5 || in[atFormat] != formatASCII || int(binary.LittleEndian.Uint32(in[header-4:])) != len(in)-header {
		return nil, driver.InvalidParameter
	}
	var pins []string
	_, err := c.untilOver(func() ([]byte, error) {
		pins = typed()
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	if len(pins) != len(offsets) {
		return slices.Clone(statusCancelled), nil
	}
	command := slices.Clone(in[header:])
	if in[atBlock] == 0 { // no PIN block: the PIN is all the data
		command = append(append(command[:4], byte(len(pins[0]))), pins[0]...)
		return c.Transmit(command)
	}
	for i, at := range offsets {
		if 5+at+len(pins[i]) > len(command) {
			return slices.Clone(statusPINLength), nil
		}
		copy(command[5+at:], pins[i])
	}
	return c.Transmit(command)
}
