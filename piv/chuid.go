package piv

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// A CHUID is the Card Holder Unique Identifier (SP 800-73-4 part 1, 3.1.2 and
// table 9). Nothing here is proven: whoever relies on it checks the signature.
type CHUID struct {
	FASCN          []byte   // Federal Agency Smart Credential Number, 25 bytes
	GUID           [16]byte // the card's UUID
	Expires        string   // YYYYMMDD, as on the card
	CardholderUUID []byte   // 16 bytes; nil where there is none
	Signature      []byte   // CMS SignedData of the issuer; may be empty
}

// CHUID reads the Card Holder Unique Identifier.
func (c *Card) CHUID(ctx context.Context) (*CHUID, error) {
	content, err := c.Object(ctx, ObjectCHUID)
	if err != nil {
		return nil, err
	}
	h, err := decodeCHUID(content)
	if err != nil {
		return nil, fmt.Errorf("piv: object %v: %w", ObjectCHUID, err)
	}
	return h, nil
}

func decodeCHUID(content []byte) (*CHUID, error) {
	h := &CHUID{}
	err := fields(content, func(e ber.Element) error {
		want := len(e.Value)
		switch e.Tag {
		case 0x30:
			want, h.FASCN = 25, e.Value
		case 0x34:
			want = len(h.GUID)
			copy(h.GUID[:], e.Value)
		case 0x35:
			want, h.Expires = 8, string(e.Value)
		case 0x36:
			want, h.CardholderUUID = 16, e.Value
		case 0x3E:
			h.Signature = e.Value
		}
		if len(e.Value) != want {
			return malformed(fmt.Sprintf("byte %d: tag %v has %d bytes, not %d", e.Offset, e.Tag, len(e.Value), want))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// name is what the card is called: by the UUID in its CHUID, by its FASC-N where
// there is no UUID, and else by where it is. It is read once.
func (c *Card) name(tx *card.Tx) (string, error) {
	c.mu.Lock()
	name := c.identity
	c.mu.Unlock()
	if name != "" {
		return name, nil
	}
	content, err := readObject(tx, ObjectCHUID)
	if err != nil && !about(err) {
		return "", err
	}
	h := &CHUID{}
	if err == nil {
		if h, err = decodeCHUID(content); err != nil && !errors.Is(err, card.ErrMalformed) {
			return "", err
		}
	}
	switch {
	case err == nil && h.GUID != [16]byte{}:
		g := h.GUID
		name = fmt.Sprintf("PIV card %x-%x-%x-%x-%x", g[:4], g[4:6], g[6:8], g[8:10], g[10:])
	case err == nil && len(h.FASCN) > 0:
		name = fmt.Sprintf("PIV card %X", h.FASCN)
	default:
		name = fmt.Sprintf("PIV card %v in %q", c.card.ATR(), c.card.Reader())
	}
	c.mu.Lock()
	c.identity = name
	c.mu.Unlock()
	return name, nil
}
