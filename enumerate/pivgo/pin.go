//go:build windows || (cgo && !pcsclite_go)

package pivgo

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	pivgo "github.com/go-piv/piv-go/v2/piv"
	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
)

// verify verifies the PIN by the PIN guard of package card. The guard's transaction
// is the one that piv-go holds.
func (k *yubiKey) verify(ctx context.Context, always bool, ask card.PINFunc) error {
	return k.card.DoWithPIN(ctx, card.Verification{
		Application: string(enumerate.PIV),
		Purpose:     "sign",
		Reference:   pin,
		Format:      card.PINFormat{Min: 6, Max: 8, Padded: true},
		Select:      func(*card.Tx) error { return nil }, // piv-go keeps PIV selected
		Identity: func(*card.Tx) (card.Identity, error) {
			serial, err := k.yk.Serial()
			if err != nil {
				return card.Identity{}, err
			}
			return card.NewIdentity("YubiKey serial", binary.BigEndian.AppendUint32(nil, serial), fmt.Sprint(serial)), nil
		},
		Status: func(*card.Tx) (card.PINStatus, error) {
			left, err := k.yk.Retries()
			switch {
			case err == nil:
				return card.PINStatus{Retries: left, Blocked: left == 0}, nil
			case errors.Unwrap(err) == nil: // piv-go reports 9000 (already verified) as an unwrapped error
				return card.PINStatus{Verified: true, Retries: -1}, nil
			}
			return card.PINStatus{}, err
		},
		Verify: func(digits []byte) card.Command {
			return card.Command{INS: insVerify, P2: byte(pin), Data: digits}
		},
		Logout: func(*card.Tx) error { return nil }, // piv-go does not log out
		Always: always,
		PIN:    ask,
	}, func(*card.Tx) error { return nil })
}

const (
	pin       card.Reference = 0x80
	insVerify byte           = 0x20
)

// Transmit implements the card of the guard. It accepts only VERIFY and passes the PIN
// to piv-go.
func (k *yubiKey) Transmit(command []byte) ([]byte, error) {
	if len(command) < 5 || command[1] != insVerify || len(command) != 5+int(command[4]) {
		return nil, errors.New("pivgo: command is not VERIFY")
	}
	err := k.yk.VerifyPIN(string(bytes.TrimRight(command[5:], "\xFF")))
	var refused pivgo.AuthErr
	switch {
	case err == nil:
		return []byte{0x90, 0x00}, nil
	case errors.As(err, &refused) && refused.Retries > 0:
		return []byte{0x63, 0xC0 | byte(min(refused.Retries, 15))}, nil
	case errors.As(err, &refused):
		return []byte{0x69, 0x83}, nil
	}
	return nil, err
}
