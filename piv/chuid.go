package piv

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// A CHUID is the Card Holder Unique Identifier (SP 800-73-4 part 1, 3.1.2 and
// table 9). The signature is not verified.
type CHUID struct {
	FASCN          []byte   // Federal Agency Smart Credential Number, 25 bytes
	GUID           [16]byte // the card's UUID
	Expires        string   // YYYYMMDD, as on the card
	CardholderUUID []byte   // 16 bytes; nil if there is none
	Signature      []byte   // CMS SignedData of the issuer; may be empty
}

// CHUID reads the Card Holder Unique Identifier.
func (c *Card) CHUID(ctx context.Context) (*CHUID, error) {
	var content []byte
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		if content, err = c.readObject(tx, ObjectCHUID); err != nil {
			return err
		}
		// A caller may choose a card by its CHUID, so this identifies it.
		_, err = tx.Identify(application, func(*card.Tx) (card.Identity, error) {
			return identityOf(content), nil
		})
		return err
	})
	var h *CHUID
	if err == nil {
		h, err = decodeCHUID(content)
	}
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
