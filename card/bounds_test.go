package card_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
)

// A narrowReader loses commands and responses of a certain length or more.
type narrowReader struct {
	driver.Service
	command, response int // 0: none
	longest           int // command that was sent
}

func (r *narrowReader) Connect(ctx context.Context, name string) (driver.Card, error) {
	c, err := r.Service.Connect(ctx, name)
	return &narrowCard{c, r}, err
}

type narrowCard struct {
	driver.Card
	reader *narrowReader
}

func (c *narrowCard) Transmit(command []byte) ([]byte, error) {
	r := c.reader
	r.longest = max(r.longest, len(command))
	if r.command > 0 && len(command) >= r.command {
		return nil, driver.InternalError
	}
	response, err := c.Card.Transmit(command)
	if err == nil && r.response > 0 && len(response)-2 >= r.response {
		return nil, driver.InternalError
	}
	return response, err
}

func TestOptionsBoundExchanges(t *testing.T) {
	object := bytes.Repeat([]byte{0xA5}, 1000)
	get := card.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Data: []byte{0x5C, 3, 0x5F, 0xC1, 0x0A}, Ne: card.MaxResponse}
	for _, test := range []struct {
		name    string
		reader  narrowReader
		options card.Options
		err     error
	}{
		{"wide reader", narrowReader{}, card.Options{}, nil},
		{"responses of 256 bytes are lost", narrowReader{response: 256}, card.Options{MaxResponse: 255}, nil},
		{"without the bound", narrowReader{response: 256}, card.Options{}, card.ErrReset},
		{"short responses", narrowReader{response: 65}, card.Options{MaxResponse: 64}, nil},
		{"short commands", narrowReader{command: 41}, card.Options{MaxCommand: 40}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			readers := cardtest.NewReaders(cardtest.PIV().PutObject(0x5FC10A, object))
			defer readers.Close()
			test.reader.Service = readers.Driver()
			s := card.NewService(&test.reader, &test.options)
			defer s.Close()
			c, err := s.Card(t.Context(), zero)
			require.NoError(t, err)
			err = c.Do(t.Context(), func(tx *card.Tx) error {
				if _, err := tx.Select(pivAID); err != nil {
					return err
				}
				response, err := tx.Command(get)
				if err == nil {
					assert.True(t, bytes.HasSuffix(response, object))
				}
				return err
			})
			assert.ErrorIs(t, err, test.err)
			if test.err == nil && test.options.MaxCommand > 0 {
				assert.LessOrEqual(t, test.reader.longest, test.options.MaxCommand)
			}
		})
	}
}

// Data that does not fit into MaxCommand is chained.
func TestMaxCommandChains(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.PIV())
	defer readers.Close()
	r := &narrowReader{Service: readers.Driver(), command: 101}
	s := card.NewService(r, &card.Options{MaxCommand: 100})
	defer s.Close()
	c, err := s.Card(t.Context(), zero)
	require.NoError(t, err)
	err = c.Do(t.Context(), func(tx *card.Tx) error {
		if _, err := tx.Select(pivAID); err != nil {
			return err
		}
		_, err := tx.Command(card.Command{INS: 0x87, P1: 0x07, P2: 0x9A, Data: make([]byte, 500), Ne: 256})
		return err
	})
	var status card.Status
	assert.ErrorAs(t, err, &status, "the card received the whole command and refused it")
	assert.Greater(t, r.longest, 90)
}
