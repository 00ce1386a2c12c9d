package piv

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// SetManagementKey changes the management key of a YubiKey. The Admin uses the new one
// from then on, so the caller must not destroy it before. AES needs firmware 5.4.
// touch says whether each use of the key needs a touch.
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
		return fmt.Errorf("touch policy %d does not exist", touch)
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
			switch err := a.card.Admin(key).Check(ctx); {
			case err == nil:
				return Changed
			case errors.Is(err, ErrManagementKey):
				return Unchanged
			}
			return Unknown
		},
	})
	var lost *InterruptedError
	if err == nil || errors.As(err, &lost) && lost.State == Changed {
		a.mu.Lock()
		a.key, a.refused = key, nil
		a.mu.Unlock()
	}
	return err
}

// SetRetries sets the initial retry counters of a YubiKey's PIN and PUK, 1 to 255 each.
// It also sets both to the values of a new YubiKey: PIN 123456, PUK 12345678. It needs
// the PIN beside the management key.
func (a *Admin) SetRetries(ctx context.Context, pin, puk int, ask card.PINFunc) error {
	if err := a.setRetries(ctx, pin, puk, ask); err != nil {
		return fmt.Errorf("piv: set retries: %w", err)
	}
	return nil
}

func (a *Admin) setRetries(ctx context.Context, pin, puk int, ask card.PINFunc) error {
	if pin < 1 || pin > 255 || puk < 1 || puk > 255 {
		return fmt.Errorf("retry counters %d and %d are not between 1 and 255", pin, puk)
	}
	// Checked before the user is asked for the PIN.
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
	v := a.card.verificationOf(&ref, "set the retry counters", newRetryQuery(), ask)
	v.Always = true
	sent := false
	err = a.card.card.DoWithPIN(ctx, v, func(tx *card.Tx) error {
		end, err := a.authenticate(tx)
		if err != nil {
			return err
		}
		defer end()
		_, sent, err = send(tx, card.Command{INS: 0xFA, P1: byte(pin), P2: byte(puk)})
		return err
	})
	if sent {
		err = interrupted(ctx, err, func(ctx context.Context) State {
			return a.card.readState(ctx, byte(ApplicationPIN), func(m *Metadata) bool {
				return m != nil && m.Tries == pin && m.Default
			})
		})
	}
	return err
}

// readState reads the metadata of a PIN or key, nil for an empty slot, after an
// interrupted change, and returns the state that changed sees in it.
func (c *Card) readState(ctx context.Context, reference byte, changed func(*Metadata) bool) State {
	var m *Metadata
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		m, err = metadata(tx, reference)
		return err
	})
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return Unknown
	case changed(m):
		return Changed
	}
	return Unchanged
}

// MoveKey moves a YubiKey's key to another slot, which must be empty. Certificates are
// not moved. It needs firmware 5.7.
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

// DeleteKey deletes a YubiKey's key but not its certificate. It needs firmware 5.7.
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
			return a.card.readState(ctx, byte(from), func(m *Metadata) bool { return m == nil })
		},
	})
	if errors.Is(err, card.StatusReferenceNotFound) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

// Reset resets a YubiKey's PIV application to the state of a new one: it deletes all
// keys but the attestation key, all certificates and objects, and restores PIN, PUK
// and management key. The card accepts that only while PIN and PUK are blocked, so
// Reset blocks them first. The user is not asked.
func (y *YubiKey) Reset(ctx context.Context) error {
	sent := false
	err := y.card.card.Do(ctx, func(tx *card.Tx) error {
		if err := y.card.ensureSame(tx); err != nil {
			return err
		}
		padding := bytes.Repeat([]byte{0xFF}, 16) // no PIN consists of padding alone
		if err := block(tx, card.Command{INS: 0x20, P2: byte(ApplicationPIN), Data: padding[:8]}); err != nil {
			return fmt.Errorf("block the PIN: %w", err)
		}
		if err := block(tx, card.Command{INS: 0x2C, P2: byte(ApplicationPIN), Data: padding}); err != nil {
			return fmt.Errorf("PIN is blocked; block the PUK: %w", err)
		}
		var err error
		if _, sent, err = send(tx, card.Command{INS: 0xFB}); err == nil {
			err = y.card.renewIdentity(tx)
		}
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

// block sends a wrong value until no retries are left.
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
			return malformed("the card accepts padding as a PIN")
		case status == card.StatusMethodBlocked, failed && left == 0:
			return nil
		case !failed:
			return err
		}
	}
	return malformed("the retry counter does not reach 0")
}
