package pcsclite_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// commands maps every command to the length of its body in pcsc-lite.
var commands = map[pcsclite.Command]uint32{
	pcsclite.CmdEstablish:    12,
	pcsclite.CmdRelease:      8,
	pcsclite.CmdConnect:      152,
	pcsclite.CmdReconnect:    24,
	pcsclite.CmdDisconnect:   12,
	pcsclite.CmdBegin:        8,
	pcsclite.CmdEnd:          12,
	pcsclite.CmdTransmit:     32,
	pcsclite.CmdControl:      24,
	pcsclite.CmdStatus:       8,
	pcsclite.CmdCancel:       8,
	pcsclite.CmdGetAttribute: 280,
	pcsclite.CmdSetAttribute: 280,
	pcsclite.CmdVersion:      12,
	pcsclite.CmdReaders:      0,
	pcsclite.CmdWait:         0,
	pcsclite.CmdStopWaiting:  0,
	pcsclite.CmdReaderEvents: 0,
	pcsclite.CmdReadersSize:  0,
	pcsclite.CmdReadersArray: 0,
}

func TestReadRequest(t *testing.T) {
	for cmd, size := range commands {
		t.Run(cmd.String(), func(t *testing.T) {
			b := pcsclite.Append(nil, &pcsclite.Header{Size: size, Command: cmd})
			b = append(b, make([]byte, size)...)
			in := bytes.NewReader(append(b, "next"...))
			q, err := pcsclite.ReadRequest(in)
			require.NoError(t, err)
			assert.Equal(t, cmd, q.Command)
			assert.Equal(t, 4, in.Len(), "bytes of the next request are read")
			assert.Equal(t, b, pcsclite.AppendRequest(nil, q))
		})
	}
}

func TestReadRequestWithData(t *testing.T) {
	data := bytes.Repeat([]byte{0xA5}, pcsclite.MaxData)
	for _, q := range []pcsclite.Request{
		{Command: pcsclite.CmdTransmit, Body: &pcsclite.Transmit{SendLength: uint32(len(data))}, Data: data},
		{Command: pcsclite.CmdControl, Body: &pcsclite.Control{SendLength: uint32(len(data))}, Data: data},
	} {
		got, err := pcsclite.ReadRequest(bytes.NewReader(pcsclite.AppendRequest(nil, q)))
		require.NoError(t, err)
		assert.Equal(t, q, got)
	}
}

func TestRequestDoesNotPrintData(t *testing.T) {
	q := pcsclite.Request{Command: pcsclite.CmdTransmit, Body: new(pcsclite.Transmit), Data: []byte("\x00\x20\x00\x80\x06123456")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, text := range []string{fmt.Sprintf(verb, q), fmt.Sprintf(verb, &q)} {
			assert.Equal(t, "transmit with 11 bytes of data", text, verb)
		}
	}
}

func TestReadRequestRefusesMalformed(t *testing.T) {
	header := func(size uint32, cmd pcsclite.Command) []byte {
		return pcsclite.Append(nil, &pcsclite.Header{Size: size, Command: cmd})
	}
	tests := []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"nothing", nil, io.EOF},
		{"half a header", header(0, pcsclite.CmdWait)[:5], io.ErrUnexpectedEOF},
		{"no body", header(8, pcsclite.CmdBegin), io.ErrUnexpectedEOF},
		{"half a body", append(header(8, pcsclite.CmdBegin), 1, 2, 3), io.ErrUnexpectedEOF},
		{"body too short", append(header(7, pcsclite.CmdBegin), make([]byte, 7)...), driver.CommError},
		{"body too long", append(header(9, pcsclite.CmdBegin), make([]byte, 9)...), driver.CommError},
		{"unexpected body", append(header(1, pcsclite.CmdWait), 0), driver.CommError},
		{"huge body", header(0xFFFFFFFF, pcsclite.CmdConnect), driver.CommError},
		{"command 0", header(0, 0), driver.CommError},
		{"unassigned command", header(0, 3), driver.CommError},
		{"command of a later version", header(0, 0x18), driver.CommError},
		{"data too long", pcsclite.AppendRequest(nil, pcsclite.Request{
			Command: pcsclite.CmdTransmit, Body: &pcsclite.Transmit{SendLength: pcsclite.MaxData + 1},
		}), driver.CommError},
		{"huge data", pcsclite.AppendRequest(nil, pcsclite.Request{
			Command: pcsclite.CmdControl, Body: &pcsclite.Control{SendLength: 0xFFFFFFFF},
		}), driver.CommError},
		{"no data", pcsclite.AppendRequest(nil, pcsclite.Request{
			Command: pcsclite.CmdTransmit, Body: &pcsclite.Transmit{SendLength: 4},
		}), io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, err := pcsclite.ReadRequest(bytes.NewReader(tt.bytes))
			assert.ErrorIs(t, err, tt.want)
			assert.Zero(t, q)
		})
	}
}

func TestReadDataIsBounded(t *testing.T) {
	_, err := pcsclite.ReadData(endlessReader{}, pcsclite.MaxData+1)
	assert.ErrorIs(t, err, driver.CommError)
	_, err = pcsclite.ReadData(endlessReader{}, -1)
	assert.ErrorIs(t, err, driver.CommError)
	b, err := pcsclite.ReadData(endlessReader{}, 0)
	assert.NoError(t, err)
	assert.Empty(t, b)
}

func TestCommandString(t *testing.T) {
	assert.Equal(t, "get attribute", pcsclite.CmdGetAttribute.String())
	assert.Equal(t, "command 0x63", pcsclite.Command(0x63).String())
}
