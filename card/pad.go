package card

import (
	"bytes"
	"encoding/binary"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/part10"
)

// A pad is the keypad of a reader: control codes, 0 for what it does not support.
type pad struct{ verify, modify uint32 }

// pad requests the features of the reader (PC/SC part 10, 2.2). A reader that does
// not support the request has none.
func (tx *Tx) pad() pad {
	reader, ok := tx.link.card.(driver.Controller)
	if !ok {
		return pad{}
	}
	var list []byte
	var err error
	left := tx.leaveBehind(func() { list, err = reader.Control(driver.FeatureRequest, nil) })
	if left != nil || err != nil {
		return pad{}
	}
	features := part10.ParseFeatures(list)
	return pad{features[part10.VerifyPIN], features[part10.ModifyPIN]}
}

// padSupports reports whether the user can enter the PINs of the guard on the keypad.
func (g *guard) padSupports() bool {
	if g.change == nil {
		return g.pad.verify != 0
	}
	// Without padding, only the card knows where the old PIN ends.
	return g.pad.modify != 0 && g.change.Allow == nil && g.v.Format.Padded && g.change.NewFormat.Padded
}

// padVerifyTrip builds the structure by which the user enters a PIN on the reader
// (PC/SC part 10, 2.5.2), with the command in it. The program does not learn the PIN,
// so a refused one is not remembered.
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

// padChangeTrip builds the structure by which the user enters the old PIN once and
// the new one twice (PC/SC part 10, 2.5.3).
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

// padHead returns the beginning of both structures.
func padHead(f PINFormat) []byte {
	size := byte(0) // of the block with the PIN; 0: the size of the PIN
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

// blank returns the bytes that the reader replaces with the PIN.
func (f PINFormat) blank() []byte {
	if !f.Padded {
		return nil
	}
	return bytes.Repeat([]byte{0xFF}, f.Max)
}

// Status words of the reader itself (PC/SC part 10, 2.5.2): no PIN was sent.
const (
	padDiffers  Status = 0x6402 // the two entries of the new PIN differ
	padTooShort Status = 0x6403 // or too long
)
