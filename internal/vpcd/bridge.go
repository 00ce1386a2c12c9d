package vpcd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// A Card is what can be plugged in.
type Card interface {
	ATR() []byte
	Transmit(command []byte) []byte
	Reset()
}

// Messages of one byte, from the reader.
const (
	powerOff = 0x00
	powerOn  = 0x01
	reset    = 0x02
	getATR   = 0x04
)

// maxMessage is the longest message that its length field can tell.
const maxMessage = 0xFFFF

// Dial plugs the card into the virtual reader at addr until ctx ends or the
// reader goes. The error is that of the context, of the connection, or nil when
// the reader went.
func Dial(ctx context.Context, addr string, card Card) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("virtual reader: %w", err)
	}
	return Serve(ctx, conn, card)
}

// Serve is [Dial] with a connection that exists already. It closes conn.
func Serve(ctx context.Context, conn net.Conn, card Card) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer card.Reset() // it is unplugged
	err := serve(conn, card)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func serve(conn net.Conn, card Card) error {
	// One read asks for the length, another for the rest, and each of them
	// may be the one that the reader's kernel waits for.
	in := prompt{conn}
	var message, answer []byte
	for {
		var head [2]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("virtual reader: length of a message: %w", err)
		}
		n := int(binary.BigEndian.Uint16(head[:]))
		message = append(message[:0], make([]byte, n)...)
		if _, err := io.ReadFull(in, message); err != nil {
			return fmt.Errorf("virtual reader: message of %d bytes: %w", n, err)
		}
		reply, wanted, err := handle(card, message)
		clear(message) // it can have held a PIN
		if err != nil {
			return err
		}
		if !wanted {
			continue
		}
		// One write, so that the length does not travel alone.
		answer = binary.BigEndian.AppendUint16(answer[:0], uint16(len(reply)))
		if _, err := conn.Write(append(answer, reply...)); err != nil {
			return fmt.Errorf("virtual reader: answer of %d bytes: %w", len(reply), err)
		}
	}
}

// handle does what a message asks for. Not every message has an answer.
func handle(card Card, message []byte) (reply []byte, wanted bool, err error) {
	switch {
	case len(message) == 0:
		return nil, false, errors.New("virtual reader: empty message")
	case len(message) > 1:
		reply = card.Transmit(message)
		if len(reply) > maxMessage {
			return nil, false, fmt.Errorf("virtual reader: answer of %d bytes, at most %d can be told", len(reply), maxMessage)
		}
		return reply, true, nil
	}
	switch order := message[0]; order {
	case powerOff, reset:
		card.Reset()
		return nil, false, nil
	case powerOn:
		return nil, false, nil // the card is as it was left without power
	case getATR:
		return card.ATR(), true, nil
	default:
		return nil, false, fmt.Errorf("virtual reader: unknown order %02X", order)
	}
}

// prompt reads from a connection whose other side gets its acknowledgements at
// once. vpcd sends length and data apart; a delayed acknowledgement of the
// first holds back the second for 40 ms.
type prompt struct{ net.Conn }

func (p prompt) Read(b []byte) (int, error) {
	acknowledgeAtOnce(p.Conn)
	return p.Conn.Read(b)
}
