package piv_test

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/part10"
)

// A habit responds to a command in the place of a software card; send is the card.
type habit func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error)

// A habitCard is a driver whose cards have a habit. It records the commands that it
// gets.
type habitCard struct {
	driver.Service
	habit habit

	mu       sync.Mutex
	commands [][]byte
}

// withHabit returns a driver with one card. A nil habit is the card's.
func withHabit(soft *cardtest.Card, h habit) *habitCard {
	return &habitCard{Service: cardtest.NewReaders(soft).Driver(), habit: h}
}

// count returns the number of commands with an instruction.
func (d *habitCard) count(ins byte) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.commands {
		if c[1] == ins {
			n++
		}
	}
	return n
}

func (d *habitCard) Connect(ctx context.Context, reader string) (driver.Card, error) {
	c, err := d.Service.Connect(ctx, reader)
	return habitConnection{c, d}, err
}

type habitConnection struct {
	driver.Card
	driver *habitCard
}

func (c habitConnection) Transmit(command []byte) ([]byte, error) {
	c.driver.mu.Lock()
	c.driver.commands = append(c.driver.commands, slices.Clone(command))
	c.driver.mu.Unlock()
	if c.driver.habit == nil {
		return c.Card.Transmit(command)
	}
	return c.driver.habit(command, c.Card.Transmit)
}

// Control reports that the reader takes extended lengths (PC/SC part 10,
// dwMaxAPDUDataSize).
func (c habitConnection) Control(code uint32, _ []byte) ([]byte, error) {
	const properties = 0x42000012
	switch code {
	case driver.FeatureRequest:
		return []byte{byte(part10.TLVProperties), 4, 0x42, 0x00, 0x00, 0x12}, nil
	case properties:
		return []byte{0x0A, 4, 0, 0, 1, 0}, nil
	}
	return nil, driver.UnsupportedFeature
}

// respondTo returns a habit that responds to commands that contain part, of one
// instruction.
func respondTo(ins byte, part, response []byte) habit {
	return func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		if command[1] == ins && bytes.Contains(command, part) {
			return bytes.Clone(response), nil
		}
		return send(command)
	}
}

// insteadOfMissing returns a habit that responds to GET DATA where the card responds
// 6A82.
func insteadOfMissing(response []byte) habit {
	return func(command []byte, send func([]byte) ([]byte, error)) ([]byte, error) {
		got, err := send(command)
		if command[1] == 0xCB && bytes.Equal(got, []byte{0x6A, 0x82}) {
			return bytes.Clone(response), err
		}
		return got, err
	}
}
