package driver_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/driver"
)

// readerName is the name of the only reader of a remote.
const readerName = "Remote Reader 0"

// remote is a backend with one reader on another machine. Its card is always
// present and no other program uses it. A command and its response are sent as
// two bytes of length and the data; a message without data resets the card.
type remote struct {
	dial func(context.Context) (net.Conn, error)

	once   sync.Once
	closed chan struct{}
}

func (r *remote) Readers(ctx context.Context) ([]driver.Reader, error) {
	select {
	case <-r.closed:
		return nil, driver.InvalidHandle
	default:
		return []driver.Reader{{Name: readerName, Present: true}}, ctx.Err()
	}
}

// Wait returns at once if the caller does not know the reader yet. Nothing
// changes after that.
func (r *remote) Wait(ctx context.Context, last []driver.Reader) ([]driver.Reader, error) {
	list, err := r.Readers(ctx)
	if err != nil || len(last) != len(list) || last[0].Name != readerName {
		return list, err
	}
	select {
	case <-r.closed:
		return nil, driver.Cancelled
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *remote) Connect(ctx context.Context, reader string) (driver.Card, error) {
	if _, err := r.Readers(ctx); err != nil {
		return nil, err
	}
	if reader != readerName {
		return nil, driver.UnknownReader
	}
	conn, err := r.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", driver.ReaderUnavailable, err)
	}
	return &remoteCard{conn}, nil
}

func (r *remote) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}

type remoteCard struct{ conn net.Conn }

func (*remoteCard) Protocol() driver.Protocol { return driver.T1 }

// Transmit returns NotTransacted after every failure: the command may have
// reached the card.
func (c *remoteCard) Transmit(command []byte) ([]byte, error) {
	length := make([]byte, 2)
	binary.BigEndian.PutUint16(length, uint16(len(command)))
	buffers := net.Buffers{length, command}
	if _, err := buffers.WriteTo(c.conn); err != nil {
		return nil, fmt.Errorf("%w: %w", driver.NotTransacted, err)
	}
	if _, err := io.ReadFull(c.conn, length); err != nil {
		return nil, fmt.Errorf("%w: %w", driver.NotTransacted, err)
	}
	response := make([]byte, binary.BigEndian.Uint16(length))
	if _, err := io.ReadFull(c.conn, response); err != nil {
		return nil, fmt.Errorf("%w: %w", driver.NotTransacted, err)
	}
	return response, nil
}

// Begin and Reconnect have nothing to wait for: no other program uses the card.
func (*remoteCard) Begin(ctx context.Context) error     { return ctx.Err() }
func (*remoteCard) Reconnect(ctx context.Context) error { return ctx.Err() }

func (c *remoteCard) End(reset bool) error {
	if !reset {
		return nil
	}
	_, err := c.conn.Write([]byte{0, 0})
	return err
}

// Close makes a Transmit under way return. The other machine powers the card
// down when the connection ends.
func (c *remoteCard) Close(bool) error {
	c.conn.Close()
	return nil
}

// A backend with one reader, whose card is reached over a network connection.
func ExampleService() {
	backend := &remote{dial: dial, closed: make(chan struct{})}
	service := card.NewService(backend, nil)
	defer service.Close()

	ctx := context.Background()
	c, err := service.Card(ctx, readerName)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.Do(ctx, func(tx *card.Tx) error {
		response, err := tx.Command(card.Command{INS: 0xCA, P1: 0x01, Ne: 256})
		fmt.Printf("%s\n", response)
		return err
	})
	fmt.Println(err)
	// Output:
	// hello
	// <nil>
}

// dial connects to a card that returns "hello" to every command.
func dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		length := make([]byte, 2)
		for {
			if _, err := io.ReadFull(theirs, length); err != nil {
				return
			}
			if length[0] == 0 && length[1] == 0 {
				continue
			}
			command := make([]byte, binary.BigEndian.Uint16(length))
			if _, err := io.ReadFull(theirs, command); err != nil {
				return
			}
			if _, err := theirs.Write([]byte("\x00\x07hello\x90\x00")); err != nil {
				return
			}
		}
	}()
	return ours, nil
}
