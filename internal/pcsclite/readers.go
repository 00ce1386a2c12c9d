package pcsclite

import (
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/card/driver"
)

const (
	readerField = 128 // name and NUL
	atrField    = 33

	// MaxReaderName is the maximum length of the name of a reader in bytes.
	MaxReaderName = readerField - 1

	// FixedReaders is the number of entries in a table up to version 4.5.
	FixedReaders = 16

	// MaxReaders is the maximum number of entries that ReadTable reads.
	MaxReaders = 1024
)

// States of a reader, one bit each.
const (
	StateUnknown    = 0x01
	StateAbsent     = 0x02
	StatePresent    = 0x04
	StateSwallowed  = 0x08 // the card does not answer to reset
	StatePowered    = 0x10
	StateNegotiable = 0x20
)

// SharingExclusive is the Sharing of a card with an exclusive connection.
const SharingExclusive = -1

// A ReaderState is an entry of the table of readers. It is unused if Name is empty.
type ReaderState struct {
	Name     string
	Events   uint32 // insertions and removals, 0 to 0xFFFF
	State    uint32
	Sharing  int32 // number of connections, or SharingExclusive
	ATR      []byte
	Protocol uint32
}

func (m *ReaderState) layout(c *cursor) {
	c.text(&m.Name, readerField)
	c.u32(&m.Events)
	c.u32(&m.State)
	c.i32(&m.Sharing)
	c.bytes(&m.ATR, atrField)
	var padding []byte
	c.bytes(&padding, 3)
	c.used(&m.ATR)
	c.u32(&m.Protocol)
}

// AppendTable appends a table of readers.
func AppendTable(b []byte, readers []ReaderState) []byte {
	for i := range readers {
		b = Append(b, &readers[i])
	}
	return b
}

// ReadTable reads a table of n entries, at most MaxReaders, and omits unused ones.
func ReadTable(r io.Reader, n int) ([]ReaderState, error) {
	if n < 0 || n > MaxReaders {
		return nil, malformed("table of %d readers, want at most %d", n, MaxReaders)
	}
	var entry ReaderState
	size := Size(&entry)
	b := make([]byte, n*size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	var readers []ReaderState
	for i := range n {
		if b[i*size] == 0 {
			continue
		}
		entry = ReaderState{}
		if err := Parse(b[i*size:(i+1)*size], &entry); err != nil {
			return nil, fmt.Errorf("reader %d: %w", i, err)
		}
		readers = append(readers, entry)
	}
	return readers, nil
}

// ReadersSize is the response to CmdReadersSize: the number of entries of the
// table, used or not.
type ReadersSize struct{ Entries uint32 }

func (m *ReadersSize) layout(c *cursor) { c.u32(&m.Entries) }

// ReaderEvents is the response to CmdReaderEvents: how often a reader was added or
// removed.
type ReaderEvents struct{ Events, Result uint32 }

func (m *ReaderEvents) layout(c *cursor) {
	c.u32(&m.Events)
	c.u32(&m.Result)
}

// An Event ends a wait. Result is 0 after a change or CmdStopWaiting, and
// Cancelled after [Cancel].
type Event struct{ Timeout, Result uint32 }

func (m *Event) layout(c *cursor) {
	c.u32(&m.Timeout)
	c.u32(&m.Result)
}

// Reader converts an entry for package driver.
func (m *ReaderState) Reader() driver.Reader {
	r := driver.Reader{
		Name:      m.Name,
		Events:    m.Events,
		Present:   m.State&StatePresent != 0,
		InUse:     m.Sharing != 0,
		Exclusive: m.Sharing == SharingExclusive,
	}
	r.Mute = r.Present && m.State&StateSwallowed != 0
	if r.Present && !r.Mute && len(m.ATR) > 0 {
		r.ATR = m.ATR
	}
	return r
}
