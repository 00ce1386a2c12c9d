package server_test

import (
	"encoding/binary"
	"testing"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTransmitSizes(t *testing.T) {
	set, _ := newSet(t)
	p := establish(t, serve(t, &server.Server{Readers: set}), 4)
	h := p.connect()
	tests := []struct {
		name    string
		command []byte
		size    uint32
		want    error
		length  int
	}{
		{"short", []byte{0, 1, 0, 0}, 258, nil, 3},
		{"longest command", append([]byte{0, 1, 0, 0, 0, 0xFF, 0xFF}, make([]byte, 65535+2)...), 258, nil, 3},
		{"longest response", []byte{0, 0xCB, 0, 0}, pcsclite.MaxData, nil, 65538},
		{"response exceeds buffer", []byte{0, 0xCB, 0, 0}, 65537, driver.InsufficientBuffer, 65538},
		{"command of three bytes", []byte{0, 1, 0}, 258, driver.InvalidParameter, 0},
		{"no command", nil, 258, driver.InvalidParameter, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, response := p.transmitAs(pcsclite.ProtocolT1, h, tt.command, tt.size)
			assert.Equal(t, tt.want, pcsclite.Errno(m.Result))
			assert.EqualValues(t, tt.length, m.ReceiveLength)
			if tt.want == nil {
				require.Len(t, response, tt.length)
				assert.Equal(t, []byte{0x90, 0}, response[len(response)-2:])
			}
			p.checkSilent()
		})
	}
}

func TestTransmitProtocols(t *testing.T) {
	set, _ := newSet(t)
	p := establish(t, serve(t, &server.Server{Readers: set}), 4)
	h := p.connect()
	for protocol, want := range map[uint32]error{
		pcsclite.ProtocolT1:  nil,
		pcsclite.ProtocolRaw: nil,
		pcsclite.ProtocolAny: nil,
		pcsclite.ProtocolT0:  driver.ProtoMismatch,
		0:                    driver.ProtoMismatch,
	} {
		m, _ := p.transmitAs(protocol, h, []byte{0, 1, 0, 0}, 258)
		assert.Equal(t, want, pcsclite.Errno(m.Result), "protocol %#x", protocol)
	}
}

func TestAttributes(t *testing.T) {
	set, card := newSet(t)
	require.NoError(t, set.Add("empty"))
	p := establish(t, serve(t, &server.Server{Readers: set}), 4)
	h := p.connect()
	direct := p.tryConnect("empty", pcsclite.ShareDirect, 0).Card
	require.NotZero(t, direct)
	u32 := func(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
	tests := []struct {
		name  string
		card  uint32
		id    uint32
		size  int
		want  error
		value []byte
	}{
		{"ATR", h, 0x00090303, 33, nil, card.ATR()},
		{"ATR, no card", direct, 0x00090303, 33, driver.NotTransacted, []byte{}},
		{"friendly name", h, 0x7FFF0003, 264, nil, []byte("R\x00")},
		{"friendly name, no card", direct, 0x7FFF0003, 264, nil, []byte("empty\x00")},
		{"friendly name, buffer too small", h, 0x7FFF0003, 1, driver.InsufficientBuffer, []byte("R\x00")},
		{"device name", h, 0x7FFF0004, 264, nil, []byte("R\x00")},
		{"vendor name", h, 0x00010100, 264, nil, []byte("smartlogon\x00")},
		{"vendor type", h, 0x00010101, 264, nil, []byte("software reader\x00")},
		{"version", h, 0x00010102, 4, nil, u32(0x01000000)},
		{"longest command", h, 0x0007A007, 4, nil, u32(pcsclite.MaxData)},
		{"protocol", h, 0x00080201, 4, nil, u32(pcsclite.ProtocolT1)},
		{"presence", h, 0x00090300, 1, nil, []byte{2}},
		{"absence", direct, 0x00090300, 1, nil, []byte{0}},
		{"unknown attribute", h, 0x12345678, 264, driver.UnsupportedFeature, []byte{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := pcsclite.Attribute{Card: tt.card, ID: tt.id, Value: make([]byte, tt.size)}
			p.call(pcsclite.CmdGetAttribute, &m)
			assert.Equal(t, tt.want, pcsclite.Errno(m.Result))
			assert.Equal(t, tt.value, m.Value)
		})
	}

	m := pcsclite.Attribute{Card: h, ID: 0x00010100, Value: []byte("mine")}
	p.call(pcsclite.CmdSetAttribute, &m)
	assert.Equal(t, driver.UnsupportedFeature, pcsclite.Errno(m.Result))
}

func TestFeatures(t *testing.T) {
	set, _ := newSet(t)
	p := establish(t, serve(t, &server.Server{Readers: set}), 4)
	h := p.connect()
	control := func(code, size uint32) ([]byte, error) {
		m := pcsclite.Control{Card: h, Code: code, ReceiveLength: size}
		p.call(pcsclite.CmdControl, &m)
		if m.Result != 0 {
			return nil, pcsclite.Errno(m.Result)
		}
		b, err := pcsclite.ReadData(p.net, int(m.Returned))
		require.NoError(t, err)
		return b, nil
	}
	features, err := control(pcsclite.ControlCode(3400), 264)
	require.NoError(t, err)
	require.Len(t, features, 6)
	require.Equal(t, []byte{0x12, 4}, features[:2], "FEATURE_GET_TLV_PROPERTIES")

	properties, err := control(binary.BigEndian.Uint32(features[2:]), 264)
	require.NoError(t, err)
	assert.Equal(t, []byte{0x0A, 4, 0, 0, 1, 0}, properties, "dwMaxAPDUDataSize")

	_, err = control(pcsclite.ControlCode(3400), 5)
	assert.Equal(t, driver.InsufficientBuffer, err)
	_, err = control(pcsclite.ControlCode(1), 264)
	assert.Equal(t, driver.UnsupportedFeature, err)
}
