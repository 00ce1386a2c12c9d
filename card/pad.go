package card

import (
	"bytes"
	"encoding/binary"

	"github.com/smartlogon/smartlogon/card/driver"
)

// Features of a reader with keys of its own (PC/SC part 10, 2.3).
const (
	featureVerify = 0x06 // FEATURE_VERIFY_PIN_DIRECT
	featureModify = 0x07 // FEATURE_MODIFY_PIN_DIRECT
)

// A pad is what a reader with keys of its own is told by: control codes, 0 where
// it cannot do that.
type pad struct{ verify, modify uint32 }

// pad asks the reader for its features (PC/SC part 10, 2.2). A reader that does
// not know the question has none.
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

// padTakes reports whether the pad can do what the guard wants.
func (g *guard) padTakes() bool {
	if g.change == nil {
		return g.pad.verify != 0
	}
	// Where a PIN is not padded, only the card knows where the old one ends.
	return g.pad.modify != 0 && !g.allowed() && g.v.Format.Padded && g.change.NewFormat.Padded
}

// typed makes what has the person type on the reader: the structure of PC/SC
// part 10 (2.5.2 and 2.5.3), with the command inside. What is typed is not known,
// so nothing of it is remembered.
func (g *guard) typed() sending {
	f := g.v.Format
	if g.change == nil {
		c := g.v.Verify(f.blank())
		c.Secret = true
		order := append(padHead(f),
			byte(f.Max), byte(f.Min), // wPINMaxExtraDigit
			padEnter,
			0xFF,    // bNumberMessage: the reader's own
			0, 0, 0, // wLangId, bMsgIndex
			0, 0, 0) // bTeoPrologue
		return sending{command: c, pad: g.pad.verify, order: padCommand(order, c)}
	}
	n := g.change.NewFormat
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
	return sending{command: c, pad: g.pad.modify, order: padCommand(order, c)}
}

const (
	padTimeout     = 30   // seconds, for the first key and between two
	padBytesASCII  = 0x82 // bmFormatString: the PIN is ASCII, from the first byte on, left justified
	padEnter       = 0x02 // bEntryValidationCondition: the key for it is pressed
	padOldAndTwice = 0x03 // bConfirmPIN: the old one is asked for, and the new one twice
)

// padHead is the part that both structures begin with.
func padHead(f PINFormat) []byte {
	size := byte(0) // of the block that the PIN stands in; 0: no longer than the PIN
	if f.Padded {
		size = byte(f.Max)
	}
	return []byte{padTimeout, padTimeout, padBytesASCII, size, 0}
}

// padCommand ends a structure with the command that the reader fills in.
func padCommand(order []byte, c Command) []byte {
	apdu := append([]byte{c.CLA, c.INS, c.P1, c.P2, byte(len(c.Data))}, c.Data...)
	order = binary.LittleEndian.AppendUint32(order, uint32(len(apdu)))
	return append(order, apdu...)
}

// blank is the place that the reader writes a PIN to.
func (f PINFormat) blank() []byte {
	if !f.Padded {
		return nil
	}
	return bytes.Repeat([]byte{0xFF}, f.Max)
}

// Statuses of the reader, in place of the card's (PC/SC part 10, 2.5.2): no PIN
// was sent.
const (
	padDiffers  Status = 0x6402 // the new PIN was typed in two ways
	padTooShort Status = 0x6403 // or too long
)

// sendPIN sends a PIN, or has it typed.
func (tx *Tx) sendPIN(out sending) error {
	if out.pad != 0 {
		traceOf(tx.ctx).pad(tx.card.reader)
	}
	_, err := tx.exchange(&exchange{tx: tx, command: out.command, pad: out.pad, order: out.order, heard: out.heard})
	return wrap(tx.card.reader, insName(out.command.INS), err)
}

// give sends bytes to the card, or to the reader.
func (x *exchange) give(out []byte) ([]byte, error) {
	if x.pad == 0 {
		return x.tx.link.card.Transmit(out)
	}
	reader, ok := x.tx.link.card.(driver.Controller)
	if !ok {
		return nil, driver.UnsupportedFeature
	}
	return reader.Control(x.pad, out)
}
