package gids

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// An object is where a data object is: its tag, in an elementary file.
type object struct {
	ef  uint16
	tag ber.Tag
}

func (o object) String() string { return fmt.Sprintf("%04X/%v", o.ef, o.tag) }

// Objects whose place is fixed.
var (
	masterFile = object{0xA000, 0xDF1F}
	keyMap     = object{0xA000, 0xDF20}
	cardID     = object{0xA012, 0xDF20}
)

// maxShort is the Ne of a short command. This package does not ask for more at a
// time: Windows does not, and so every card knows it.
const maxShort = 256

// readObject reads the content of a data object with GET DATA. The error wraps
// [ErrNotFound] where there is none.
func readObject(tx *card.Tx, o object) ([]byte, error) {
	answer, err := tx.Command(card.Command{
		INS: 0xCB, P1: byte(o.ef >> 8), P2: byte(o.ef), Ne: maxShort,
		Data: cardapp.TagList(o.tag),
	})
	switch {
	case errors.Is(err, card.StatusNotFound), errors.Is(err, card.StatusReferenceNotFound):
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	case err != nil:
		return nil, err
	}
	return unwrap(answer, o.tag)
}

// unwrap takes the content out of an object as the card gives it.
func unwrap(whole []byte, tag ber.Tag) ([]byte, error) {
	if len(whole) == 0 {
		return nil, ErrNotFound
	}
	r := ber.BER(whole)
	e, _ := r.Take(tag)
	if err := r.Close(); err != nil {
		return nil, malformed("%w", err)
	}
	return e.Value, nil
}

// A file is one entry of the master file table. Names are in lower case, as
// Windows compares them without regard to it.
type file struct {
	dir, name string
	spelt     string // the name as it is on the card
	at        object
	err       error // what is wrong with the entry, nil if nothing
}

// A record of the table has two names of up to 8 characters filled with zeros, two
// bytes that mean nothing, and two numbers with the lower byte first.
const (
	fileRecordSize = 28
	fileNameSize   = 9
	fileTagAt      = 20
	fileEFAt       = 24
	tableVersion   = 0x01 // the first byte of the master file table and of the key map
)

// decodeMasterFile reads the table. A record that makes no sense is one entry
// with an error; what is left over at the end makes an error of its own, and the
// entries before it count.
func decodeMasterFile(content []byte) ([]file, error) {
	records, err := table(content, fileRecordSize)
	var files []file
	for ; len(records) > 0; records = records[fileRecordSize:] {
		r := records[:fileRecordSize]
		f := file{dir: strings.ToLower(fileName(r)), spelt: fileName(r[fileNameSize:])}
		f.name = strings.ToLower(f.spelt)
		tag, ef := binary.LittleEndian.Uint32(r[fileTagAt:]), binary.LittleEndian.Uint32(r[fileEFAt:])
		if f.name == "" {
			continue // a directory
		}
		f.at = object{uint16(ef), ber.Tag(tag)}
		if ef > 0xFFFF || tag>>8&0x1F != 0x1F || tag&0x80 != 0 || tag > 0xFFFF {
			f.err = malformed("master file table: %q is in %X/%X, which is no object of two bytes in a file", f.spelt, ef, tag)
		}
		files = append(files, f)
	}
	return files, err
}

// table takes the version off, and what is no whole record.
func table(content []byte, size int) (records []byte, err error) {
	if len(content) == 0 {
		return nil, malformed("empty")
	}
	if content[0] != tableVersion {
		return nil, malformed("byte 0: version %02X, not %02X", content[0], tableVersion)
	}
	records = content[1:]
	if rest := len(records) % size; rest > 0 {
		records = records[:len(records)-rest]
		err = malformed("byte %d: %d bytes left over, a record has %d", 1+len(records), rest, size)
	}
	return records, err
}

func fileName(b []byte) string {
	b = b[:fileNameSize]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// find finds an entry of the table.
func find(files []file, dir, name string) (file, bool) {
	for _, f := range files {
		if f.dir == dir && f.name == name {
			return f, true
		}
	}
	return file{}, false
}

// readFile reads a file of the card by its names.
func readFile(tx *card.Tx, files []file, dir, name string) ([]byte, error) {
	f, ok := find(files, dir, name)
	switch {
	case !ok:
		return nil, ErrNotFound
	case f.err != nil:
		return nil, f.err
	}
	content, err := readObject(tx, f.at)
	if err != nil {
		return nil, fmt.Errorf("object %v: %w", f.at, err)
	}
	return content, nil
}
