package piv

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// An Object is the tag of a data object on the card (SP 800-73-4 part 1,
// table 3).
type Object uint32

// Objects that this package decodes. [Slot.Object] returns those of certificates.
const (
	ObjectCHUID      Object = 0x5FC102
	ObjectCCC        Object = 0x5FC107
	ObjectKeyHistory Object = 0x5FC10C
	ObjectDiscovery  Object = 0x7E

	bitGroupObject Object = 0x7F61
)

// String returns the tag in hexadecimal.
func (o Object) String() string { return ber.Tag(o).String() }

// Object reads a data object and returns its content, without the outer tag 53 that
// most have. The error wraps [ErrNotFound] if it is missing or empty, and
// [card.StatusNotPermitted] if it needs the PIN: see [Card.ProtectedObject].
func (c *Card) Object(ctx context.Context, tag Object) ([]byte, error) {
	var content []byte
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		content, err = c.readObject(tx, tag)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("piv: object %v: %w", tag, err)
	}
	return content, nil
}

// ProtectedObject reads a data object that needs the PIN, such as the printed
// information or biometric data. The PIN is verified first, unless it is verified
// already, and logged out afterwards, unless a key is open.
func (c *Card) ProtectedObject(ctx context.Context, tag Object, ask card.PINFunc) ([]byte, error) {
	var content []byte
	v := c.verification(fmt.Sprintf("read the object %v", tag), newRetryQuery(), ask)
	err := c.card.DoWithPIN(ctx, v, func(tx *card.Tx) (err error) {
		content, err = c.readObject(tx, tag)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("piv: object %v: %w", tag, err)
	}
	return content, nil
}

// readObject reads an object and returns its content.
func (c *Card) readObject(tx *card.Tx, tag Object) ([]byte, error) {
	whole, err := getData(tx, tag)
	switch {
	case cardapp.LacksObject(err), tag.vendors() && errors.Is(err, card.StatusUnknownINS):
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	case err != nil:
		return nil, c.explainContactless(err)
	}
	return unwrap(whole, tag)
}

// getData sends GET DATA (SP 800-73-4 part 2, 3.1.2).
func getData(tx *card.Tx, tag Object) ([]byte, error) {
	return tx.Command(card.Command{
		INS: 0xCB, P1: 0x3F, P2: 0xFF, Data: cardapp.TagList(ber.Tag(tag)), Ne: card.MaxResponse, Secret: tag.private(),
	})
}

// private reports whether an object needs the PIN to be read, so that it is kept out
// of logs (SP 800-73-4 part 1, table 2). YubiKeys may hold the management key in the
// printed information.
func (o Object) private() bool {
	switch o {
	case 0x5FC103, 0x5FC108, 0x5FC109, 0x5FC121, 0x5FC123: // fingerprints, face, printed, iris, pairing code
		return true
	}
	return false
}

// vendors reports whether an object is none of the standard's, which some cards refuse
// with a status about the instruction.
func (o Object) vendors() bool { return o>>8 == 0x5FFF }

// unwrap returns the content of an object as read: the outer tag is 53, except for
// the discovery object and the BIT group template, which have their own.
func unwrap(whole []byte, tag Object) ([]byte, error) {
	if len(whole) == 0 {
		return nil, ErrNotFound
	}
	outer := ber.Tag(0x53)
	if tag == ObjectDiscovery || tag == bitGroupObject {
		outer = ber.Tag(tag)
	}
	r := ber.BER(whole)
	e, _ := r.Take(outer)
	if err := r.Close(); err != nil {
		return nil, malformed(err)
	}
	if len(e.Value) == 0 {
		return nil, ErrNotFound
	}
	return e.Value, nil
}

// malformed returns an error for data of the card that does not follow the standard.
func malformed(reason any) error { return fmt.Errorf("%w: %v", card.ErrMalformed, reason) }

// fields calls f with each element of an object's content. f ignores unknown tags:
// cards have more elements than the standard.
func fields(content []byte, f func(ber.Element) error) error {
	r := ber.BER(content)
	for {
		e, ok := r.Next()
		if !ok {
			break
		}
		if err := f(e); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil {
		return malformed(err)
	}
	return nil
}
