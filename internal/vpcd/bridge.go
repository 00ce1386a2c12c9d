package vpcd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// A Card is a software card.
type Card interface {
	ATR() []byte
	Transmit(command []byte) []byte
	Reset()
}

// Messages of one byte from the reader.
const (
	powerOff = 0x00
	powerOn  = 0x01
	reset    = 0x02
	getATR   = 0x04
)

// maxMessage is the maximum length of a message.
const maxMessage = 0xFFFF

// Dial inserts the card into the virtual reader at addr and serves it until ctx ends
// or the reader closes the connection. The error is nil if the reader closed the
// connection, or else that of the context or the connection.
func Dial(ctx context.Context, addr string, card Card) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("virtual reader: %w", err)
	}
	return Serve(ctx, conn, card)
}

// Serve is [Dial] on an existing connection, which it closes.
func Serve(ctx context.Context, conn net.Conn, card Card) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer card.Reset() // a removed card loses its power
	err := serve(conn, card)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func serve(conn net.Conn, card Card) error {
	in := quickACKReader{conn}
	var message, out []byte
	for {
		var head [2]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("virtual reader: read length: %w", err)
		}
		n := int(binary.BigEndian.Uint16(head[:]))
		message = append(message[:0], make([]byte, n)...)
		if _, err := io.ReadFull(in, message); err != nil {
			return fmt.Errorf("virtual reader: read message of %d bytes: %w", n, err)
		}
		response, expected, err := handle(card, message)
		clear(message) // may contain a PIN
		if err != nil {
			return err
		}
		if !expected {
			continue
		}
		// One write: two would delay the response, see quickACKReader.
		out = binary.BigEndian.AppendUint16(out[:0], uint16(len(response)))
		if _, err := conn.Write(append(out, response...)); err != nil {
			return fmt.Errorf("virtual reader: write response of %d bytes: %w", len(response), err)
		}
	}
}

// handle handles a message. Messages that control the power have no response.
func handle(card Card, message []byte) (response []byte, expected bool, err error) {
	switch {
	case len(message) == 0:
		return nil, false, errors.New("virtual reader: empty message")
	case len(message) > 1:
		response = card.Transmit(message)
		if len(response) > maxMessage {
			return nil, false, fmt.Errorf("virtual reader: response of %d bytes, want at most %d", len(response), maxMessage)
		}
		return response, true, nil
	}
	switch code := message[0]; code {
	case powerOff, reset:
		card.Reset()
		return nil, false, nil
	case powerOn:
		return nil, false, nil // the card was reset at power-off
	case getATR:
		return card.ATR(), true, nil
	default:
		return nil, false, fmt.Errorf("virtual reader: unknown message %02X", code)
	}
}

// quickACKReader reads without delaying acknowledgments. vpcd writes length and data
// separately, and by Nagle's algorithm the data waits up to 40 ms for the
// acknowledgment of the length.
type quickACKReader struct{ net.Conn }

func (r quickACKReader) Read(b []byte) (int, error) {
	setQuickACK(r.Conn)
	return r.Conn.Read(b)
}
