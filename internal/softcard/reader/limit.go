package reader

import (
	"encoding/binary"

	"github.com/smartlogon/smartlogon/card/driver"
)

// The feature and the property with which a reader reports the length of the data that
// it carries (PC/SC part 10, 2.3 and 2.6.14), and the control code of the feature.
const (
	featureProperties = 0x12 // FEATURE_GET_TLV_PROPERTIES
	maxAPDUDataSize   = 0x0A // dwMaxAPDUDataSize
	controlProperties = 0x42000DB4
)

// A Limit is what a reader carries. The zero value carries every command, and reports
// extended lengths.
type Limit struct {
	// MaxCommand is the length of the longest command, header included; 0 is no
	// limit. A longer one does not reach the card: it fails with NotTransacted.
	MaxCommand int

	// DataSize is the length of the data that the reader reports to carry, which
	// need not be true: 0 is 65536, 256 is reported as short lengths only, and a
	// negative number is not reported.
	DataSize int
}

// SetLimit sets what a reader carries.
func (s *Set) SetLimit(name string, l Limit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slot(name)
	if sl == nil {
		return driver.UnknownReader
	}
	sl.limit = l
	return nil
}

// Limit returns what the reader of the connection carries.
func (c *Conn) Limit() Limit {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	return c.slot.limit
}

// Properties returns the properties that the reader reports, nil without any.
func (c *Conn) Properties() []byte {
	var size uint32
	switch n := c.Limit().DataSize; n {
	case 0:
		size = 1 << 16
	case 1 << 8: // reported as 0
	default:
		if n < 0 {
			return nil
		}
		size = uint32(n)
	}
	return binary.LittleEndian.AppendUint32([]byte{maxAPDUDataSize, 4}, size)
}
