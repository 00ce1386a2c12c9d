package prompt_test

import (
	"context"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/stretchr/testify/require"
)

// sentPIN returns what a card gets as the PIN and whether the PIN carries the
// consent to the last try.
func sentPIN(t *testing.T, pin card.PIN) (digits string, consent bool) {
	t.Helper()
	none := card.PIN{}
	if pin == none || pin == none.AllowLastTry() { // entered on the reader's keypad
		return "", pin != none
	}
	var sent []byte
	c := card.New("a reader", transmitter(func(command []byte) ([]byte, error) {
		sent = append(sent[:0], command[5:]...)
		return []byte{0x90, 0x00}, nil
	}))
	err := c.DoWithPIN(t.Context(), card.Verification{
		Format:   card.PINFormat{Min: 1, Max: 64},
		Select:   func(*card.Tx) error { return nil },
		Identity: func(*card.Tx) (card.Identity, error) { return card.NewIdentity("test", []byte{1}, "1234"), nil },
		Status:   func(*card.Tx) (card.PINStatus, error) { return card.PINStatus{Retries: 2}, nil },
		Verify:   func(pin []byte) card.Command { return card.Command{INS: 0x20, Data: pin} },
		Logout:   func(*card.Tx) error { return nil },
		PIN:      func(context.Context, card.PINRequest) (card.PIN, error) { return pin, nil },
	}, func(*card.Tx) error { return nil })
	require.NoError(t, err)
	return string(sent), pin == pin.AllowLastTry()
}

type transmitter func([]byte) ([]byte, error)

func (f transmitter) Transmit(command []byte) ([]byte, error) { return f(command) }

var request = card.PINRequest{Reader: "a reader", Card: card.NewIdentity("test", []byte{1}, "1234"), Purpose: "sign", Retries: 2}
