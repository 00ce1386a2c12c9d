package server

import (
	"encoding/binary"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// transmit does one exchange with the card and returns the answer.
func (h *handle) transmit(m *pcsclite.Transmit, command []byte) []byte {
	room := m.ReceiveLength
	m.ReceiveLength = 0
	if h.conn == nil {
		m.Result = pcsclite.Code(driver.ProtoMismatch)
		return nil
	}
	if _, err := h.conn.Status(); err != nil {
		m.Result = code(err)
		return nil
	}
	switch m.SendProtocol {
	case h.protocol(), pcsclite.ProtocolRaw, pcsclite.ProtocolAny:
	default:
		m.Result = pcsclite.Code(driver.ProtoMismatch)
		return nil
	}
	answer, err := h.conn.Transmit(command)
	if err != nil {
		m.Result = code(err)
		return nil
	}
	m.ReceiveLength = uint32(len(answer))
	if m.ReceiveLength > room {
		m.Result = pcsclite.Code(driver.InsufficientBuffer)
		return nil
	}
	m.Result = 0
	return answer
}

// Control codes that every reader knows (PC/SC part 10, 2.2 and 2.6.14), and
// the one that the first of them answers for the properties.
var (
	getFeatures   = pcsclite.ControlCode(3400)
	getProperties = pcsclite.ControlCode(0x330000 + featureProperties)
)

const (
	featureProperties = 0x12 // FEATURE_GET_TLV_PROPERTIES
	maxAPDUDataSize   = 0x0A // dwMaxAPDUDataSize
	extendedLength    = 1 << 16
)

// control does a request to the reader: it takes commands of extended length,
// and may have keys for a PIN.
func (h *handle) control(m *pcsclite.Control, order []byte) []byte {
	var answer []byte
	switch {
	case m.Code == getFeatures:
		answer = binary.BigEndian.AppendUint32([]byte{featureProperties, 4}, getProperties)
		if h.conn != nil {
			answer = append(answer, h.conn.Features()...)
		}
	case m.Code == getProperties:
		answer = binary.LittleEndian.AppendUint32([]byte{maxAPDUDataSize, 4}, extendedLength)
	default:
		err := error(driver.UnsupportedFeature)
		if h.conn != nil {
			answer, err = h.conn.Control(m.Code, order)
		}
		if err != nil {
			m.Returned, m.Result = 0, code(err)
			return nil
		}
	}
	m.Returned = uint32(len(answer))
	if m.Returned > m.ReceiveLength {
		m.Result = pcsclite.Code(driver.InsufficientBuffer)
		return nil
	}
	m.Result = 0
	return answer
}
