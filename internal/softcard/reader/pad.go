package reader

import (
	"encoding/binary"
	"slices"

	"github.com/smartlogon/smartlogon/card/driver"
)

// Features of a reader with keys for a PIN (PC/SC part 10, 2.3), and the codes of
// the orders for them, which are each reader's own.
const (
	featureVerify = 0x06
	featureModify = 0x07

	verifyOrder = 0x42000DB2
	modifyOrder = 0x42000DB3
)

// Where the fields of the orders are (PC/SC part 10, 2.5.2 and 2.5.3).
const (
	atFormat    = 2 // bmFormatString
	atBlock     = 3 // bmPINBlockString
	atOld       = 5 // bInsertionOffsetOld
	atNew       = 6 // bInsertionOffsetNew
	verifyHead  = 19
	modifyHead  = 24
	formatASCII = 0x82
)

// SetPad gives a reader keys. Typed is called at each order, and returns what
// people type: the PIN, or the old one and the new one; nil if they press cancel.
// A nil typed takes the keys away.
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

// Features are those of the reader, each with the code of its order, as a reader
// tells them.
func (c *Conn) Features() []byte {
	if c.pad() == nil {
		return nil
	}
	list := binary.BigEndian.AppendUint32([]byte{featureVerify, 4}, verifyOrder)
	return binary.BigEndian.AppendUint32(append(list, featureModify, 4), modifyOrder)
}

func (c *Conn) pad() func() []string {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	return c.slot.typed
}

// Order has people type a PIN, which goes to the card in the command that the
// order holds.
func (c *Conn) Order(code uint32, in []byte) ([]byte, error) {
	typed := c.pad()
	head, offsets := verifyHead, []int{0}
	switch {
	case typed == nil, code != verifyOrder && code != modifyOrder:
		return nil, driver.UnsupportedFeature
	case code == modifyOrder && len(in) > atNew:
		head, offsets = modifyHead, []int{int(in[atOld]), int(in[atNew])}
	}
	if len(in) < head+5 || in[atFormat] != formatASCII || int(binary.LittleEndian.Uint32(in[head-4:])) != len(in)-head {
		return nil, driver.InvalidParameter
	}
	keys := typed()
	if len(keys) != len(offsets) {
		return []byte{0x64, 0x01}, nil // cancelled
	}
	command := slices.Clone(in[head:])
	if in[atBlock] == 0 { // the PIN is all there is
		command = append(append(command[:4], byte(len(keys[0]))), keys[0]...)
		return c.Transmit(command)
	}
	for i, at := range offsets {
		if 5+at+len(keys[i]) > len(command) {
			return []byte{0x64, 0x03}, nil // too long
		}
		copy(command[5+at:], keys[i])
	}
	return c.Transmit(command)
}
