package piv

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// A CHUID is the Card Holder Unique Identifier (SP 800-73-4 part 1, 3.1.2 and
// table 9). The signature is not checked, so nothing here is proven.
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

// readIdentity reads which card it is: by its whole CHUID, since a GUID may be zero
// and a FASC-N shared, else by the serial number of a YubiKey.
func (c *Card) readIdentity(tx *card.Tx) (card.Identity, error) {
	content, err := readObject(tx, ObjectCHUID)
	switch {
	case err == nil:
		return card.NewIdentity("PIV CHUID", content, labelOf(content)), nil
	case !isObjectError(err):
		return card.Identity{}, err
	case !c.isYubiKey():
		return card.Identity{}, nil
	}
	v, is, err := c.yubiKey(tx)
	if err != nil || !is || v.Less(firmwareSerial) {
		return card.Identity{}, err
	}
	serial, err := tx.Command(card.Command{INS: 0xF8, Ne: 256})
	switch {
	case err == nil && len(serial) == 4:
		return card.NewIdentity("YubiKey serial", serial, fmt.Sprint(binary.BigEndian.Uint32(serial))), nil
	case err == nil || isObjectError(err):
		return card.Identity{}, nil
	}
	return card.Identity{}, err
}

// labelOf returns the GUID of a CHUID, else its FASC-N, else the start of its hash.
func labelOf(content []byte) string {
	h, err := decodeCHUID(content)
	switch {
	case err != nil:
	case h.GUID != [16]byte{}:
		g := h.GUID
		return fmt.Sprintf("%x-%x-%x-%x-%x", g[:4], g[4:6], g[6:8], g[8:10], g[10:])
	case len(h.FASCN) > 0:
		return fmt.Sprintf("%X", h.FASCN)
	}
	sum := sha256.Sum256(content)
	return fmt.Sprintf("CHUID %X", sum[:4])
}

// Identity reads which card it is, as [card.Tx.Identify] compares it: by its CHUID,
// else by the serial number of a YubiKey. It is zero if the card has neither.
func (c *Card) Identity(ctx context.Context) (card.Identity, error) {
	var id card.Identity
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		id, err = tx.Identify(application, c.readIdentity)
		return err
	})
	if err != nil {
		return card.Identity{}, fmt.Errorf("piv: identity: %w", err)
	}
	return id, nil
}
