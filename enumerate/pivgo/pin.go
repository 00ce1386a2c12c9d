//go:build windows || (cgo && !pcsclite_go)

package pivgo

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	pivgo "github.com/go-piv/piv-go/v2/piv"
	"github.com/smartlogon/smartlogon/card"
)

// verify has the PIN guard of package card verify the PIN. Piv-go does what the
// guard says, in place of a section of its own.
func (k *yubiKey) verify(ctx context.Context, always bool, ask card.PINFunc) error {
	return k.card.DoWithPIN(ctx, card.Verification{
		Purpose:   "sign",
		Reference: pin,
		Format:    card.PINFormat{Min: 6, Max: 8, Padded: true},
		Select:    func(*card.Tx) error { return nil }, // piv-go keeps it selected
		Identity: func(*card.Tx) (string, error) {
			serial, err := k.yk.Serial()
			return fmt.Sprintf("YubiKey %d", serial), err
		},
		Status: func(*card.Tx) (card.PINStatus, error) {
			left, err := k.yk.Retries()
			switch {
			case err == nil:
				return card.PINStatus{Retries: left, Blocked: left == 0}, nil
			case errors.Unwrap(err) == nil: // it wonders why the YubiKey says that all is well
				return card.PINStatus{Verified: true, Retries: -1}, nil
			}
			return card.PINStatus{}, err
		},
		Verify: func(digits []byte) card.Command {
			return card.Command{INS: insVerify, P2: byte(pin), Data: digits}
		},
		Logout: func(*card.Tx) error { return nil }, // as piv-go does
		Always: always,
		PIN:    ask,
	}, func(*card.Tx) error { return nil })
}

const (
	pin       card.Reference = 0x80
	insVerify                = 0x20
)

// Transmit takes the one command that the guard sends, and gives the PIN in it to
// piv-go.
func (k *yubiKey) Transmit(command []byte) ([]byte, error) {
	if len(command) < 5 || command[1] != insVerify || len(command) != 5+int(command[4]) {
		return nil, errors.New("pivgo: only a PIN is sent this way")
	}
	err := k.yk.VerifyPIN(string(bytes.TrimRight(command[5:], "\xFF")))
	var wrong pivgo.AuthErr
	switch {
	case err == nil:
		return []byte{0x90, 0x00}, nil
	case errors.As(err, &wrong) && wrong.Retries > 0:
		return []byte{0x63, 0xC0 | byte(min(wrong.Retries, 15))}, nil
	case errors.As(err, &wrong):
		return []byte{0x69, 0x83}, nil
	}
	return nil, err
}
