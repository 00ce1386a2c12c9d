package vpcd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/vpcd"
)

// echo is a card whose response is the command and the number of resets.
type echo struct {
	resets   byte
	response []byte // overrides the response
}

func (e *echo) ATR() []byte { return []byte{0x3B, 0x80, 0x01, 0x81} }
func (e *echo) Reset()      { e.resets++ }

func (e *echo) Transmit(command []byte) []byte {
	if e.response != nil {
		return e.response
	}
	return append(bytes.Clone(command), e.resets, 0x90, 0x00)
}

// reader is the other side of the connection, as vpcd implements it.
type reader struct {
	t    *testing.T
	conn net.Conn
}

func (r reader) send(message ...byte) {
	r.t.Helper()
	// In two writes, as vpcd does.
	_, err := r.conn.Write(binary.BigEndian.AppendUint16(nil, uint16(len(message))))
	require.NoError(r.t, err)
	_, err = r.conn.Write(message)
	require.NoError(r.t, err)
}

func (r reader) receive() []byte {
	r.t.Helper()
	require.NoError(r.t, r.conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	head := make([]byte, 2)
	_, err := io.ReadFull(r.conn, head)
	require.NoError(r.t, err)
	message := make([]byte, binary.BigEndian.Uint16(head))
	_, err = io.ReadFull(r.conn, message)
	require.NoError(r.t, err)
	return message
}

// insert inserts the card into a reader. The channel receives the result of Dial.
func insert(t *testing.T, ctx context.Context, card vpcd.Card) (reader, <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	result := make(chan error, 1)
	go func() { result <- vpcd.Dial(ctx, l.Addr().String(), card) }()
	conn, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return reader{t, conn}, result
}

func TestDial(t *testing.T) {
	card := new(echo)
	r, result := insert(t, t.Context(), card)

	r.send(0x04)
	assert.Equal(t, card.ATR(), r.receive())
	r.send(0x01)
	r.send(0x00, 0xA4, 0x04, 0x00)
	assert.Equal(t, []byte{0x00, 0xA4, 0x04, 0x00, 0, 0x90, 0x00}, r.receive(), "after power-on")
	r.send(0x02)
	r.send(0x00, 0xA4)
	assert.Equal(t, []byte{0x00, 0xA4, 1, 0x90, 0x00}, r.receive(), "after a reset")
	r.send(0x00)
	r.send(0x01)
	r.send(0x00, 0xA4)
	assert.Equal(t, []byte{0x00, 0xA4, 2, 0x90, 0x00}, r.receive(), "after power-off")

	long := bytes.Repeat([]byte{0x5A}, 65532)
	r.send(long...)
	assert.Equal(t, append(long, 2, 0x90, 0x00), r.receive(), "longest response")

	require.NoError(t, r.conn.Close())
	assert.NoError(t, <-result)
	assert.Equal(t, byte(3), card.resets, "resets after removal")
}

func TestDialEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, result := insert(t, ctx, new(echo))
	r.send(0x04)
	r.receive()
	cancel()
	assert.ErrorIs(t, <-result, context.Canceled)
	_, err := r.conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, io.EOF)
}

func TestServeRefusesMalformedMessages(t *testing.T) {
	tests := []struct {
		name string
		card *echo
		sent []byte
		want string
	}{
		{"empty message", new(echo), []byte{0, 0}, "empty message"},
		{"unknown message", new(echo), []byte{0, 1, 3}, "unknown message 03"},
		{"half a length", new(echo), []byte{0}, "read length: unexpected EOF"},
		{"half a message", new(echo), []byte{0, 4, 1, 2}, "read message of 4 bytes: unexpected EOF"},
		{"length only", new(echo), []byte{0, 4}, "read message of 4 bytes: EOF"},
		{"response too long", &echo{response: make([]byte, 65536)}, []byte{0, 2, 1, 2}, "response of 65536 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			result := make(chan error, 1)
			go func() { result <- vpcd.Serve(t.Context(), ours, tt.card) }()
			_, err := theirs.Write(tt.sent)
			require.NoError(t, err)
			require.NoError(t, theirs.Close())
			assert.ErrorContains(t, <-result, tt.want)
		})
	}
}

func TestDialWithoutReader(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	assert.ErrorContains(t, vpcd.Dial(t.Context(), l.Addr().String(), new(echo)), "virtual reader: ")
}

// script is a connection with input from a buffer.
type script struct {
	net.Conn // nil: other methods are not called
	in       io.Reader
	out      bytes.Buffer
	closed   bool
}

func (s *script) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s *script) Write(b []byte) (int, error) { return s.out.Write(b) }
func (s *script) Close() error                { s.closed = true; return nil }

// FuzzServe checks that the output is a sequence of messages, each the ATR or the
// response to a command of the input.
func FuzzServe(f *testing.F) {
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn, card := &script{in: bytes.NewReader(sent)}, new(echo)
		_ = vpcd.Serve(t.Context(), conn, card)
		assert.True(t, conn.closed)
		assert.NotZero(t, card.resets, "no reset at the end")
		for out := conn.out.Bytes(); len(out) > 0; {
			require.GreaterOrEqual(t, len(out), 2)
			n := int(binary.BigEndian.Uint16(out))
			require.GreaterOrEqual(t, len(out)-2, n)
			response := out[2 : 2+n]
			out = out[2+n:]
			if !bytes.Equal(response, card.ATR()) {
				require.Greater(t, n, 3)
				assert.True(t, bytes.Contains(sent, response[:n-3]))
			}
		}
	})
}
