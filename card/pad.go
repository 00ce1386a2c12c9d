package card

import (
	"bytes"
	"encoding/binary"

	"github.com/smartlogon/smartlogon/card/driver"
)

// Features of a reader with a keypad (PC/SC part 10, 2.3).
const (
	featureVerify = 0x06 // FEATURE_VERIFY_PIN_DIRECT
	featureModify = 0x07 // FEATURE_MODIFY_PIN_DIRECT
)

// A pad is the keypad of a reader: control codes, 0 for what it cannot do.
type pad struct{ verify, modify uint32 }

// pad asks the reader for its features (PC/SC part 10, 2.2). A reader that does
// not support the request has none.
func (tx *Tx) pad() (p pad) {
	reader, ok := tx.link.card.(driver.Controller)
	if !ok {
		return p
	}
	list, err := reader.Control(driver.FeatureRequest, nil)
	if err != nil {
		return p
	}
	for ; len(list) >= 6 && list[1] == 4; list = list[6:] {
		switch code := binary.BigEndian.Uint32(list[2:]); list[0] {
		case featureVerify:
			p.verify = code
		case featureModify:
			p.modify = code
		}
	}
	return p
}

// padTakes reports whether the keypad can do what the guard wants.
func (g *guard) padTakes() bool {
	if g.change == nil {
		return g.pad.verify != 0
	}
	// If a PIN is not padded, only the card knows where the old one ends.
	return g.pad.modify != 0 && g.change.Allow == nil && g.v.Format.Padded && g.change.NewFormat.Padded
}

// padVerifyTrip builds the structure that has the user enter a PIN on the reader
// (PC/SC part 10, 2.5.2), with the command inside. What is entered is not known, so
// it is not remembered.
func (g *guard) padVerifyTrip() *trip {
	f := g.v.Format
	c := g.v.Verify(f.blank())
	c.Secret = true
	order := append(padHead(f),
		byte(f.Max), byte(f.Min), // wPINMaxExtraDigit
		padEnter,
		0xFF,    // bNumberMessage: the reader's own
		0, 0, 0, // wLangId, bMsgIndex
		0, 0, 0) // bTeoPrologue
	return &trip{command: c, pad: g.pad.verify, order: padCommand(order, c)}
}

// padChangeTrip builds the structure that has the user enter the old PIN, and the
// new one twice (PC/SC part 10, 2.5.3).
func (g *guard) padChangeTrip() *trip {
	f, n := g.v.Format, g.change.NewFormat
	c := g.change.Replace(f.blank(), n.blank())
	c.Secret = true
	order := append(padHead(n),
		0, byte(f.Max), // bInsertionOffsetOld, bInsertionOffsetNew
		byte(n.Max), byte(n.Min), // wPINMaxExtraDigit
		padOldAndTwice,
		padEnter,
		3,    // bNumberMessage: old, new, once more
		0, 0, // wLangId
		0, 1, 2, // bMsgIndex1 to 3
		0, 0, 0) // bTeoPrologue
	return &trip{command: c, changes: true, pad: g.pad.modify, order: padCommand(order, c)}
}

const (
	padTimeout     = 30   // seconds, for the first key and between keys
	padBytesASCII  = 0x82 // bmFormatString: the PIN is ASCII, from the first byte on, left justified
	padEnter       = 0x02 // bEntryValidationCondition: the enter key
	padOldAndTwice = 0x03 // bConfirmPIN: old PIN once, new PIN twice
)

// padHead returns the part that both structures begin with.
func padHead(f PINFormat) []byte {
	size := byte(0) // of the block that the PIN stands in; 0: no longer than the PIN
	if f.Padded {
		size = byte(f.Max)
	}
	return []byte{padTimeout, padTimeout, padBytesASCII, size, 0}
}

// padCommand appends the command that the reader fills in.
func padCommand(order []byte, c Command) []byte {
	apdu := append([]byte{c.CLA, c.INS, c.P1, c.P2, byte(len(c.Data))}, c.Data...)
	order = binary.LittleEndian.AppendUint32(order, uint32(len(apdu)))
	return append(order, apdu...)
}

// blank returns the place that the reader writes a PIN to.
func (f PINFormat) blank() []byte {
	if !f.Padded {
		return nil
	}
	return bytes.Repeat([]byte{0xFF}, f.Max)
}

// Status words of the reader in place of the card (PC/SC part 10, 2.5.2): no PIN was
// sent.
const (
	padDiffers  Status = 0x6402 // the two entries of the new PIN differ
	padTooShort Status = 0x6403 // or too long
)
