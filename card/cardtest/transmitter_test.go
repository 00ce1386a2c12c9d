package cardtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
)

func TestSoftwareCardsPassTestTransmitter(t *testing.T) {
	for name, options := range map[string][]cardtest.Option{
		"plain":           nil,
		"T=0":             {cardtest.T0},
		"short":           {cardtest.ShortLengths, cardtest.ExactLe},
		"small responses": {cardtest.MaxResponse(16)},
		"empty objects":   {cardtest.PIVEmptyObjects, cardtest.PIVLongLengths, cardtest.PIVShortAID},
	} {
		err := cardtest.TestTransmitter(func() (card.Transmitter, error) { return cardtest.PIV(options...), nil })
		assert.NoError(t, err, name)
	}
}

// broken is a card with one fault.
type broken struct {
	*cardtest.Card
	change func(command, response []byte) []byte
	closed *int
}

func (b broken) Transmit(command []byte) ([]byte, error) {
	response, err := b.Card.Transmit(command)
	if changed := b.change(command, response); changed != nil {
		return changed, err
	}
	return nil, errors.New("broken")
}

func (b broken) Close() error {
	*b.closed++
	return nil
}

func TestErrorsOfTestTransmitter(t *testing.T) {
	var last []byte
	for _, test := range []struct {
		want   string
		change func(command, response []byte) []byte
	}{
		{"select PIV: broken", func(_, _ []byte) []byte { return nil }},
		{"select PIV: response of 1 bytes", func(_, a []byte) []byte { return a[:1] }},
		{"select PIV: status 6A82", func(_, a []byte) []byte { return []byte{0x6A, 0x82} }},
		{"is not an application template", func(c, a []byte) []byte { return []byte{0x90, 0x00} }},
		{"does not end", func(c, a []byte) []byte { return []byte{0x6C, 0x10} }},
		{"select a missing application: status 9000", func(c, a []byte) []byte {
			if bytes.Contains(c, []byte("missing")) {
				return []byte{0x90, 0x00}
			}
			return a
		}},
		{"unknown instruction: response 9000", func(c, a []byte) []byte {
			if c[1] == 0x02 {
				return []byte{0x90, 0x00}
			}
			return a
		}},
		{"read a missing object: status 9000", func(c, a []byte) []byte {
			if bytes.Contains(c, []byte{0x5F, 0xC1, 0x7F}) {
				return []byte{0x53, 0x01, 0x00, 0x90, 0x00}
			}
			return a
		}},
		{"Transmit changed the command", func(c, a []byte) []byte { c[0] ^= 1; return a }},
		{"a later command changed a response", func(c, a []byte) []byte {
			for i := range last {
				last[i] = 0
			}
			last = a
			return a
		}},
		{"second read returns another CHUID", func() func(c, a []byte) []byte {
			n := byte(0)
			return func(c, a []byte) []byte {
				if c[1] == 0xCB {
					n++
					return append([]byte{0x53, 0x01, n}, 0x90, 0x00)
				}
				return a
			}
		}()},
	} {
		closed := 0
		err := cardtest.TestTransmitter(func() (card.Transmitter, error) {
			return broken{cardtest.PIV(), test.change, &closed}, nil
		})
		assert.ErrorContains(t, err, test.want)
		assert.NotZero(t, closed)
	}
	err := cardtest.TestTransmitter(func() (card.Transmitter, error) { return nil, fmt.Errorf("no reader") })
	assert.EqualError(t, err, "cardtest: select PIV: no reader")
}
