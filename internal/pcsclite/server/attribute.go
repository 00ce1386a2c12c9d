package server

import (
	"encoding/binary"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// Attributes (PC/SC part 3, 3.1.4; the last two are from winscard.h).
const (
	attrVendorName    = 0x00010100
	attrVendorType    = 0x00010101
	attrVendorVersion = 0x00010102
	attrMaxInput      = 0x0007A007
	attrProtocol      = 0x00080201
	attrPresence      = 0x00090300
	attrATR           = 0x00090303
	attrFriendlyName  = 0x7FFF0003
	attrSystemName    = 0x7FFF0004
)

// attribute sets the value of the requested attribute.
func (h *handle) attribute(m *pcsclite.Attribute) {
	size := len(m.Value)
	value, err := h.value(m.ID)
	m.Value, m.Result = value, code(err)
	if err == nil && len(value) > size {
		m.Result = pcsclite.Code(driver.InsufficientBuffer)
	}
}

func (h *handle) value(id uint32) ([]byte, error) {
	var atr []byte
	protocol, presence := uint32(0), byte(0)
	if h.conn != nil {
		st, err := h.conn.Status()
		if err != nil {
			return nil, err
		}
		atr, protocol, presence = st.ATR, uint32(st.Protocol), 2
	}
	switch id {
	case attrVendorName:
		return []byte("smartlogon\x00"), nil
	case attrVendorType:
		return []byte("software reader\x00"), nil
	case attrVendorVersion:
		return binary.NativeEndian.AppendUint32(nil, 0x01000000), nil // 1.0, build 0
	case attrFriendlyName, attrSystemName:
		return append([]byte(h.reader), 0), nil
	case attrMaxInput:
		return binary.NativeEndian.AppendUint32(nil, pcsclite.MaxData), nil
	case attrProtocol:
		return binary.NativeEndian.AppendUint32(nil, protocol), nil
	case attrPresence:
		return []byte{presence}, nil
	case attrATR:
		if len(atr) == 0 {
			return nil, driver.NotTransacted
		}
		return atr, nil
	}
	return nil, driver.UnsupportedFeature
}
