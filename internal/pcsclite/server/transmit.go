package server

import (
	"encoding/binary"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// transmit sends a command to the card and returns its response.
func (h *handle) transmit(m *pcsclite.Transmit, command []byte) []byte {
	size := m.ReceiveLength
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
	response, err := h.conn.Transmit(command)
	if err != nil {
		m.Result = code(err)
		return nil
	}
	m.ReceiveLength = uint32(len(response))
	if m.ReceiveLength > size {
		m.Result = pcsclite.Code(driver.InsufficientBuffer)
		return nil
	}
	m.Result = 0
	return response
}

// Control codes of every reader: CM_IOCTL_GET_FEATURE_REQUEST and, as it returns,
// FEATURE_GET_TLV_PROPERTIES (PC/SC part 10, 2.2 and 2.6.14).
var (
	getFeatures   = pcsclite.ControlCode(3400)
	getProperties = pcsclite.ControlCode(0x330000 + featureProperties)
)

const (
	featureProperties = 0x12 // FEATURE_GET_TLV_PROPERTIES
	maxAPDUDataSize   = 0x0A // dwMaxAPDUDataSize
	extendedLength    = 1 << 16
)

// control handles a command to the reader. Readers report that
// they carry extended lengths unless they report another limit; some have a keypad.
func (h *handle) control(m *pcsclite.Control, in []byte) []byte {
	var response []byte
	switch {
	case m.Code == getFeatures:
		response = binary.BigEndian.AppendUint32([]byte{featureProperties, 4}, getProperties)
		if h.conn != nil {
			response = append(response, h.conn.PadFeatures()...)
		}
	case m.Code == getProperties:
		if h.conn != nil {
			response = h.conn.Properties()
		} else {
			response = binary.LittleEndian.AppendUint32([]byte{maxAPDUDataSize, 4}, extendedLength)
		}
	default:
		err := error(driver.UnsupportedFeature)
		if h.conn != nil {
			response, err = h.conn.Control(m.Code, in)
		}
		if err != nil {
			m.Returned, m.Result = 0, code(err)
			return nil
		}
	}
	m.Returned = uint32(len(response))
	if m.Returned > m.ReceiveLength {
		m.Result = pcsclite.Code(driver.InsufficientBuffer)
		return nil
	}
	m.Result = 0
	return response
}
