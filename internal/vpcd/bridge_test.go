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

// echo answers a command with itself and the number of resets so far.
type echo struct {
	resets byte
	answer []byte // instead
}

func (e *echo) ATR() []byte { return []byte{0x3B, 0x80, 0x01, 0x81} }
func (e *echo) Reset()      { e.resets++ }

func (e *echo) Transmit(command []byte) []byte {
	if e.answer != nil {
		return e.answer
	}
	return append(bytes.Clone(command), e.resets, 0x90, 0x00)
}

// reader is the other side: what vpcd does.
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

// plugged is a reader with the card in it, and what becomes of the bridge.
func plugged(t *testing.T, ctx context.Context, card vpcd.Card) (reader, <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	over := make(chan error, 1)
	go func() { over <- vpcd.Dial(ctx, l.Addr().String(), card) }()
	conn, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return reader{t, conn}, over
}

func TestACardAnswersItsReader(t *testing.T) {
	card := new(echo)
	r, over := plugged(t, t.Context(), card)

	r.send(0x04)
	assert.Equal(t, card.ATR(), r.receive())
	r.send(0x01)
	r.send(0x00, 0xA4, 0x04, 0x00)
	assert.Equal(t, []byte{0x00, 0xA4, 0x04, 0x00, 0, 0x90, 0x00}, r.receive(), "power on resets nothing")
	r.send(0x02)
	r.send(0x00, 0xA4)
	assert.Equal(t, []byte{0x00, 0xA4, 1, 0x90, 0x00}, r.receive(), "after a reset")
	r.send(0x00)
	r.send(0x01)
	r.send(0x00, 0xA4)
	assert.Equal(t, []byte{0x00, 0xA4, 2, 0x90, 0x00}, r.receive(), "after a loss of power")

	long := bytes.Repeat([]byte{0x5A}, 65532)
	r.send(long...)
	assert.Equal(t, append(long, 2, 0x90, 0x00), r.receive(), "the longest answer")

	require.NoError(t, r.conn.Close())
	assert.NoError(t, <-over)
	assert.Equal(t, byte(3), card.resets, "unplugged")
}

func TestACardIsUnpluggedWhenItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, over := plugged(t, ctx, new(echo))
	r.send(0x04)
	r.receive()
	cancel()
	assert.ErrorIs(t, <-over, context.Canceled)
	_, err := r.conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, io.EOF)
}

func TestWhatIsNoMessageEndsTheBridge(t *testing.T) {
	tests := []struct {
		name string
		card *echo
		sent []byte
		want string
	}{
		{"no byte", new(echo), []byte{0, 0}, "empty message"},
		{"an order nobody knows", new(echo), []byte{0, 1, 3}, "unknown order 03"},
		{"half a length", new(echo), []byte{0}, "length of a message: unexpected EOF"},
		{"half a message", new(echo), []byte{0, 4, 1, 2}, "message of 4 bytes: unexpected EOF"},
		{"no byte of a message", new(echo), []byte{0, 4}, "message of 4 bytes: EOF"},
		{"too long an answer", &echo{answer: make([]byte, 65536)}, []byte{0, 2, 1, 2}, "answer of 65536 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			over := make(chan error, 1)
			go func() { over <- vpcd.Serve(t.Context(), ours, tt.card) }()
			_, err := theirs.Write(tt.sent)
			require.NoError(t, err)
			require.NoError(t, theirs.Close())
			assert.ErrorContains(t, <-over, tt.want)
		})
	}
}

func TestNoReaderToPlugInto(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	assert.ErrorContains(t, vpcd.Dial(t.Context(), l.Addr().String(), new(echo)), "virtual reader: ")
}

// script is a connection whose other side has said everything already.
type script struct {
	net.Conn // nil: whatever else is called is a mistake
	in       io.Reader
	out      bytes.Buffer
	closed   bool
}

func (s *script) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s *script) Write(b []byte) (int, error) { return s.out.Write(b) }
func (s *script) Close() error                { s.closed = true; return nil }

// Whatever the reader says, what it hears are whole messages, each an ATR or
// the answer to one of its own.
func FuzzServe(f *testing.F) {
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn, card := &script{in: bytes.NewReader(sent)}, new(echo)
		_ = vpcd.Serve(t.Context(), conn, card)
		assert.True(t, conn.closed)
		assert.NotZero(t, card.resets, "unplugged, however it ended")
		for heard := conn.out.Bytes(); len(heard) > 0; {
			require.GreaterOrEqual(t, len(heard), 2)
			n := int(binary.BigEndian.Uint16(heard))
			require.GreaterOrEqual(t, len(heard)-2, n)
			answer := heard[2 : 2+n]
			heard = heard[2+n:]
			if !bytes.Equal(answer, card.ATR()) {
				require.Greater(t, n, 3)
				assert.True(t, bytes.Contains(sent, answer[:n-3]))
			}
		}
	})
}
