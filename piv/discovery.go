package piv

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// The references of the two PINs that a PIV card can have (SP 800-73-4 part 1,
// table 4a).
const (
	ApplicationPIN card.Reference = 0x80
	GlobalPIN      card.Reference = 0x00 // of the card, shared by its applications
)

// A Discovery is the discovery object (SP 800-73-4 part 1, 3.3.2).
type Discovery struct {
	AID []byte

	// Policy is the PIN usage policy, tag 5F2F: the first byte lists what
	// satisfies the access rules, the second which PIN the card prefers.
	Policy uint16
}

// Bits of the PIN usage policy.
const (
	policyGlobalPIN     = 0x2000
	policyGlobalPrimary = 0x0020
)

// PIN returns the PIN that the card prefers, which the user is asked for.
func (d *Discovery) PIN() card.Reference {
	if d.Policy&policyGlobalPIN != 0 && d.Policy&0xFF == policyGlobalPrimary {
		return GlobalPIN
	}
	return ApplicationPIN
}

// Discovery reads the discovery object. It is optional on cards that have only the
// application PIN.
func (c *Card) Discovery(ctx context.Context) (*Discovery, error) {
	content, err := c.Object(ctx, ObjectDiscovery)
	if err != nil {
		return nil, err
	}
	d, err := decodeDiscovery(content)
	if err != nil {
		return nil, fmt.Errorf("piv: object %v: %w", ObjectDiscovery, err)
	}
	return d, nil
}

func decodeDiscovery(content []byte) (*Discovery, error) {
	d := &Discovery{}
	err := fields(content, func(e ber.Element) error {
		switch e.Tag {
		case 0x4F:
			d.AID = e.Value
		case 0x5F2F:
			if len(e.Value) != 2 {
				return malformed(fmt.Sprintf("byte %d: PIN usage policy of %d bytes", e.Offset, len(e.Value)))
			}
			d.Policy = uint16(e.Value[0])<<8 | uint16(e.Value[1])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// pinReference returns the PIN that the card prefers.
func (c *Card) pinReference(ctx context.Context) (ref card.Reference, err error) {
	err = c.read(ctx, func(tx *card.Tx) (err error) {
		ref, err = c.learn(tx)
		return err
	})
	return ref, err
}

func unwrapDiscovery(whole []byte) (*Discovery, error) {
	content, err := unwrap(whole, ObjectDiscovery)
	if err != nil {
		return nil, err
	}
	return decodeDiscovery(content)
}

// learn returns the PIN that the card prefers. It reads the discovery object once and
// keeps it for ensureSelected. The object is optional, so a malformed one counts as
// missing. The application is selected.
func (c *Card) learn(tx *card.Tx) (card.Reference, error) {
	c.mu.Lock()
	learned, ref := c.learned, c.reference
	c.mu.Unlock()
	if learned {
		return ref, nil
	}
	whole, err := getData(tx, ObjectDiscovery)
	if err != nil && !isObjectError(err) {
		return 0, err
	}
	d := &Discovery{}
	if err == nil {
		d, err = unwrapDiscovery(whole)
	}
	ref = ApplicationPIN
	if err == nil {
		ref = d.PIN()
	}
	if err != nil || !bytes.HasPrefix(d.AID, aid[:truncatedLength]) {
		whole = nil // another application may have the same
	}
	if ref != ApplicationPIN {
		switch _, err := c.pinStatus(tx, ref); {
		case errors.Is(err, card.StatusReferenceNotFound):
			ref = ApplicationPIN // every card has it
		case err != nil && !isObjectError(err):
			return 0, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learned, c.reference, c.discovery = true, ref, whole
	return ref, nil
}
