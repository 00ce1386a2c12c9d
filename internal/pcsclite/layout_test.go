package pcsclite_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// number is a field of a message.
type number struct {
	offset int
	value  uint32
}

// layouts has the offsets of the C structures of pcsc-lite.
var layouts = []struct {
	name    string
	message pcsclite.Body
	size    int
	numbers []number
}{
	{"header", &pcsclite.Header{Size: 1, Command: 2}, 8, []number{{0, 1}, {4, 2}}},
	{"version", &pcsclite.Version{Major: 1, Minor: 2, Result: 3}, 12, []number{{0, 1}, {4, 2}, {8, 3}}},
	{"establish", &pcsclite.Establish{Scope: 1, Context: 2, Result: 3}, 12, []number{{0, 1}, {4, 2}, {8, 3}}},
	{"release", &pcsclite.Release{Context: 1, Result: 2}, 8, []number{{0, 1}, {4, 2}}},
	{"cancel", &pcsclite.Cancel{Context: 1, Result: 2}, 8, []number{{0, 1}, {4, 2}}},
	{"connect", &pcsclite.Connect{
		Context: 1, Reader: "R", Share: 2, Protocols: 3, Card: 4, Protocol: 5, Result: 6,
	}, 152, []number{{0, 1}, {4, text("R\x00\x00\x00")}, {128, 0}, {132, 2}, {136, 3}, {140, 4}, {144, 5}, {148, 6}}},
	{"reconnect", &pcsclite.Reconnect{
		Card: 1, Share: 2, Protocols: 3, Disposition: 4, Protocol: 5, Result: 6,
	}, 24, []number{{0, 1}, {4, 2}, {8, 3}, {12, 4}, {16, 5}, {20, 6}}},
	{"disconnect", &pcsclite.Disconnect{Card: 1, Disposition: 2, Result: 3}, 12, []number{{0, 1}, {4, 2}, {8, 3}}},
	{"begin", &pcsclite.Begin{Card: 1, Result: 2}, 8, []number{{0, 1}, {4, 2}}},
	{"end", &pcsclite.End{Card: 1, Disposition: 2, Result: 3}, 12, []number{{0, 1}, {4, 2}, {8, 3}}},
	{"status", &pcsclite.Status{Card: 1, Result: 2}, 8, []number{{0, 1}, {4, 2}}},
	{"transmit", &pcsclite.Transmit{
		Card: 1, SendProtocol: 2, SendPCI: 3, SendLength: 4, ReceivePCIType: 5, ReceivePCI: 6, ReceiveLength: 7, Result: 8,
	}, 32, []number{{0, 1}, {4, 2}, {8, 3}, {12, 4}, {16, 5}, {20, 6}, {24, 7}, {28, 8}}},
	{"control", &pcsclite.Control{
		Card: 1, Code: 2, SendLength: 3, ReceiveLength: 4, Returned: 5, Result: 6,
	}, 24, []number{{0, 1}, {4, 2}, {8, 3}, {12, 4}, {16, 5}, {20, 6}}},
	{"attribute", &pcsclite.Attribute{Card: 1, ID: 2, Value: []byte{3, 0, 0, 0, 4}, Result: 6},
		280, []number{{0, 1}, {4, 2}, {8, text("\x03\x00\x00\x00")}, {12, text("\x04\x00\x00\x00")}, {272, 5}, {276, 6}}},
	{"event", &pcsclite.Event{Timeout: 1, Result: 2}, 8, []number{{0, 1}, {4, 2}}},
	{"reader events", &pcsclite.ReaderEvents{Events: 1, Result: 2}, 8, []number{{0, 1}, {4, 2}}},
	{"readers size", &pcsclite.ReadersSize{Entries: 1}, 4, []number{{0, 1}}},
	{"reader state", &pcsclite.ReaderState{
		Name: "R", Events: 1, State: 2, Sharing: -1, ATR: []byte(";ATR"), Protocol: 3,
	}, 184, []number{{0, text("R\x00\x00\x00")}, {128, 1}, {132, 2}, {136, 0xFFFFFFFF}, {140, text(";ATR")}, {176, 4}, {180, 3}}},
}

func text(s string) uint32 { return binary.NativeEndian.Uint32([]byte(s)) }

func TestAppendMatchesPcscLite(t *testing.T) {
	for _, tt := range layouts {
		t.Run(tt.name, func(t *testing.T) {
			b := pcsclite.Append(nil, tt.message)
			require.Len(t, b, tt.size)
			assert.Equal(t, tt.size, pcsclite.Size(tt.message))

			want := make([]byte, tt.size)
			for _, n := range tt.numbers {
				binary.NativeEndian.PutUint32(want[n.offset:], n.value)
			}
			assert.Equal(t, want, b)
		})
	}
}

func TestParseRefusesOtherLengths(t *testing.T) {
	for _, tt := range layouts {
		t.Run(tt.name, func(t *testing.T) {
			b := pcsclite.Append(nil, tt.message)
			for n := range len(b) {
				assert.ErrorIs(t, pcsclite.Parse(b[:n], tt.message), driver.CommError)
			}
			assert.ErrorIs(t, pcsclite.Parse(append(b, 0), tt.message), driver.CommError)
		})
	}
}

func TestParseRefusesMalformedFields(t *testing.T) {
	unterminated := pcsclite.Append(nil, &pcsclite.Connect{})
	copy(unterminated[4:], strings.Repeat("R", 128))
	err := pcsclite.Parse(unterminated, &pcsclite.Connect{})
	assert.ErrorIs(t, err, driver.CommError)
	assert.ErrorContains(t, err, "text of 128 bytes is not terminated")

	long := pcsclite.Append(nil, &pcsclite.ReaderState{})
	binary.NativeEndian.PutUint32(long[176:], 34)
	err = pcsclite.Parse(long, &pcsclite.ReaderState{})
	assert.ErrorIs(t, err, driver.CommError)
	assert.ErrorContains(t, err, "34 bytes used of a field of 33")

	long = pcsclite.Append(nil, &pcsclite.Attribute{})
	binary.NativeEndian.PutUint32(long[272:], 0xFFFFFFFF)
	assert.ErrorIs(t, pcsclite.Parse(long, &pcsclite.Attribute{}), driver.CommError)
}

func TestAppendTruncatesText(t *testing.T) {
	long := strings.Repeat("n", 200)
	var m pcsclite.Connect
	require.NoError(t, pcsclite.Parse(pcsclite.Append(nil, &pcsclite.Connect{Reader: long, Share: 7}), &m))
	assert.Equal(t, long[:pcsclite.MaxReaderName], m.Reader)
	assert.EqualValues(t, 7, m.Share)
}

func TestReadTableOmitsUnusedEntries(t *testing.T) {
	b := pcsclite.AppendTable(nil, []pcsclite.ReaderState{{}, {Name: "one", Events: 1}, {}, {Name: "two"}})
	require.Len(t, b, 4*184)
	table, err := pcsclite.ReadTable(bytes.NewReader(b), 4)
	require.NoError(t, err)
	require.Len(t, table, 2)
	assert.Equal(t, "one", table[0].Name)
	assert.Equal(t, "two", table[1].Name)
}

func TestReadTableIsBounded(t *testing.T) {
	_, err := pcsclite.ReadTable(endlessReader{}, pcsclite.MaxReaders+1)
	assert.ErrorIs(t, err, driver.CommError)
	_, err = pcsclite.ReadTable(endlessReader{}, -1)
	assert.ErrorIs(t, err, driver.CommError)
}

func TestReadTableNamesMalformedEntry(t *testing.T) {
	_, err := pcsclite.ReadTable(endlessReader{}, 2)
	assert.ErrorIs(t, err, driver.CommError)
	assert.ErrorContains(t, err, "reader 0")
}

// endlessReader returns bytes without end.
type endlessReader struct{}

func (endlessReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'A'
	}
	return len(b), nil
}

func TestReaderState(t *testing.T) {
	atr := []byte{0x3B, 0}
	tests := []struct {
		name  string
		state pcsclite.ReaderState
		want  driver.Reader
	}{
		{"empty reader", pcsclite.ReaderState{Name: "R", State: pcsclite.StateAbsent, ATR: atr}, driver.Reader{Name: "R"}},
		{"unknown state", pcsclite.ReaderState{Name: "R", State: pcsclite.StateUnknown}, driver.Reader{Name: "R"}},
		{"card", pcsclite.ReaderState{Name: "R", Events: 5, State: 0x34, ATR: atr},
			driver.Reader{Name: "R", Events: 5, Present: true, ATR: atr}},
		{"mute card", pcsclite.ReaderState{Name: "R", State: pcsclite.StatePresent | pcsclite.StateSwallowed, ATR: atr},
			driver.Reader{Name: "R", Present: true, Mute: true}},
		{"card without power", pcsclite.ReaderState{Name: "R", State: pcsclite.StatePresent, ATR: atr},
			driver.Reader{Name: "R", Present: true, ATR: atr}},
		{"card shared by two programs", pcsclite.ReaderState{Name: "R", State: 0x34, Sharing: 2, ATR: atr},
			driver.Reader{Name: "R", Present: true, InUse: true, ATR: atr}},
		{"exclusive connection", pcsclite.ReaderState{Name: "R", State: 0x34, Sharing: -1, ATR: atr},
			driver.Reader{Name: "R", Present: true, InUse: true, Exclusive: true, ATR: atr}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, tt.state.Reader()) })
	}
}

func TestErrno(t *testing.T) {
	assert.NoError(t, pcsclite.Errno(0))
	assert.Equal(t, driver.UnsupportedFeature, pcsclite.Errno(0x8010001F))
	assert.EqualValues(t, 0x8010001F, pcsclite.Code(driver.UnsupportedFeature))
	for _, e := range []driver.Errno{driver.Cancelled, driver.SharingViolation, driver.ResetCard, driver.RemovedCard} {
		assert.EqualValues(t, e, pcsclite.Code(e))
		assert.Equal(t, e, pcsclite.Errno(uint32(e)))
	}
}
