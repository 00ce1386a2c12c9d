package piv

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// SetManagementKey gives a YubiKey another management key, which the Admin uses
// from then on, so it must not be destroyed before. AES needs firmware 5.4. With touch, the card wants to be touched
// whenever the key is used.
func (a *Admin) SetManagementKey(ctx context.Context, key ManagementKey, touch TouchPolicy) error {
	if err := a.setManagementKey(ctx, key, touch); err != nil {
		return fmt.Errorf("piv: set management key: %w", err)
	}
	return nil
}

func (a *Admin) setManagementKey(ctx context.Context, key ManagementKey, touch TouchPolicy) error {
	var p2 byte
	switch touch {
	case TouchDefault, TouchNever:
		p2 = 0xFF
	case TouchAlways:
		p2 = 0xFE
	case TouchCached:
		p2 = 0xFD
	default:
		return fmt.Errorf("there is no touch policy %d", touch)
	}
	if _, err := key.cipher(); err != nil {
		return fmt.Errorf("new key: %w", err)
	}
	data := ber.Append([]byte{byte(key.algorithm)}, managementReference, key.secret.key)
	defer clear(data)
	_, err := a.do(ctx, change{
		check: func(tx *card.Tx) error {
			v, err := a.card.firmware(tx)
			switch {
			case err != nil:
				return err
			case touch == TouchAlways || touch == TouchCached:
				err = v.needs(firmware4, "a touch policy")
			}
			if err == nil && key.algorithm != TripleDES {
				err = v.needs(firmwareAES, key.algorithm.String())
			}
			return err
		},
		command: card.Command{INS: 0xFF, P1: 0xFF, P2: p2, Data: data, Secret: true},
		look: func(ctx context.Context) State {
			// Which of the two does the card have?
			switch err := a.card.Admin(key).Check(ctx); {
			case err == nil:
				return Changed
			case errors.Is(err, ErrManagementKey):
				return Unchanged
			}
			return Unknown
		},
	})
	var broken *InterruptedError
	if err == nil || errors.As(err, &broken) && broken.State == Changed {
		a.mu.Lock()
		a.key, a.refused = key, nil
		a.mu.Unlock()
	}
	return err
}

// SetRetries sets how many tries a YubiKey has for PIN and PUK, 1 to 255 each,
// and gives both the values that new cards have: PIN 123456, PUK 12345678. It
// needs the PIN beside the management key.
func (a *Admin) SetRetries(ctx context.Context, pin, puk int, ask card.PINFunc) error {
	if err := a.setRetries(ctx, pin, puk, ask); err != nil {
		return fmt.Errorf("piv: set retries: %w", err)
	}
	return nil
}

func (a *Admin) setRetries(ctx context.Context, pin, puk int, ask card.PINFunc) error {
	if pin < 1 || pin > 255 || puk < 1 || puk > 255 {
		return fmt.Errorf("%d and %d are not tries between 1 and 255", pin, puk)
	}
	// Nobody is asked for a PIN that would be of no use.
	err := a.card.read(ctx, func(tx *card.Tx) error {
		_, err := a.card.firmware(tx)
		return err
	})
	if err == nil {
		err = a.Check(ctx)
	}
	if err != nil {
		return err
	}
	ref := ApplicationPIN
	v := a.card.verificationOf(&ref, "set the number of tries", newRetryQuery(), ask)
	v.Always = true
	sent := false
	err = a.card.card.DoWithPIN(ctx, v, func(tx *card.Tx) error {
		abandon, err := a.authenticate(tx)
		if err != nil {
			return err
		}
		defer abandon()
		_, sent, err = send(tx, card.Command{INS: 0xFA, P1: byte(pin), P2: byte(puk)})
		return err
	})
	if sent {
		err = interrupted(ctx, err, func(ctx context.Context) State {
			return a.card.lookAtPIN(ctx, func(m *Metadata) bool { return m.Tries == pin && m.Default })
		})
	}
	return err
}

// lookAtPIN says, by metadata of the PIN, whether a change was made.
func (c *Card) lookAtPIN(ctx context.Context, changed func(*Metadata) bool) State {
	y, err := c.YubiKey(ctx)
	if err != nil {
		return Unknown
	}
	m, err := y.Metadata(ctx, byte(ApplicationPIN))
	switch {
	case err != nil:
		return Unknown
	case changed(m):
		return Changed
	}
	return Unchanged
}

// MoveKey moves a YubiKey's key to another slot, which must be empty.
// Certificates stay where they are. It needs firmware 5.7.
func (a *Admin) MoveKey(ctx context.Context, from, to Slot) error {
	err := errNoSlot
	if from.Valid() && to.Valid() && from != to {
		err = a.move(ctx, byte(to), from, "moving a key")
	}
	if err != nil {
		return fmt.Errorf("piv: move key from %v to %v: %w", from, to, err)
	}
	return nil
}

// DeleteKey removes a YubiKey's key. The certificate stays. It needs firmware
// 5.7.
func (a *Admin) DeleteKey(ctx context.Context, s Slot) error {
	err := errNoSlot
	if s.Valid() {
		const nowhere = 0xFF
		err = a.move(ctx, nowhere, s, "deleting a key")
	}
	if err != nil {
		return fmt.Errorf("piv: delete key %v: %w", s, err)
	}
	return nil
}

func (a *Admin) move(ctx context.Context, to byte, from Slot, what string) error {
	_, err := a.do(ctx, change{
		check: func(tx *card.Tx) error {
			v, err := a.card.firmware(tx)
			if err != nil {
				return err
			}
			return v.needs(firmware57, what)
		},
		command: card.Command{INS: 0xF6, P1: to, P2: byte(from)},
		look: func(ctx context.Context) State {
			return a.card.lookAtKey(ctx, from, func(m *Metadata) bool { return m == nil })
		},
	})
	if errors.Is(err, card.StatusReferenceNotFound) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

// Reset makes a YubiKey's PIV application as new: it removes all keys but the one
// that attests, all certificates and objects, and gives PIN, PUK and management
// key the values that new cards have. The card does so only for who has used up
// all tries, so Reset first blocks the PIN and the PUK. Nothing is asked.
func (y *YubiKey) Reset(ctx context.Context) error {
	sent := false
	err := y.card.card.Do(ctx, func(tx *card.Tx) error {
		if err := y.card.ensureSame(tx); err != nil {
			return err
		}
		// A value that no PIN has, as all its bytes are padding.
		var none [16]byte
		for i := range none {
			none[i] = 0xFF
		}
		if err := block(tx, card.Command{INS: 0x20, P2: byte(ApplicationPIN), Data: none[:8]}); err != nil {
			return fmt.Errorf("block the PIN: %w", err)
		}
		if err := block(tx, card.Command{INS: 0x2C, P2: byte(ApplicationPIN), Data: none[:]}); err != nil {
			return fmt.Errorf("PIN is blocked; block the PUK: %w", err)
		}
		var err error
		_, sent, err = send(tx, card.Command{INS: 0xFB})
		tx.ForgetIdentity(application)
		return err
	})
	if sent {
		err = interrupted(ctx, err, func(ctx context.Context) State {
			switch status, err := y.card.PINStatus(ctx); {
			case err != nil:
				return Unknown
			case status.Blocked:
				return Unchanged
			}
			return Changed
		})
	}
	if err != nil {
		return fmt.Errorf("piv: reset: %w", err)
	}
	y.card.mu.Lock()
	y.card.learned, y.card.discovery = false, nil
	y.card.mu.Unlock()
	return nil
}

// block sends a wrong value until no tries are left.
func block(tx *card.Tx, wrong card.Command) error {
	wrong.Secret = true
	for range 256 { // a counter has one byte
		_, err := tx.Command(wrong)
		var status card.Status
		left, failed := 0, false
		if errors.As(err, &status) {
			left, failed = status.Retries()
		}
		switch {
		case err == nil:
			return malformed("the card takes a value that it cannot have")
		case status == card.StatusMethodBlocked, failed && left == 0:
			return nil
		case !failed:
			return err
		}
	}
	return malformed("tries do not end")
}
