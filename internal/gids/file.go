package gids

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// An object is the address of a data object: its tag in an elementary file.
type object struct {
	ef  uint16
	tag ber.Tag
}

func (o object) String() string { return fmt.Sprintf("%04X/%v", o.ef, o.tag) }

// Objects with a fixed address.
var (
	masterFile = object{0xA000, 0xDF1F}
	keyMap     = object{0xA000, 0xDF20}
	cardID     = object{0xA012, 0xDF20}
	pinStatus  = object{0x3FFF, 0x7F71}
	pukStatus  = object{0x3FFF, 0x7F73}
)

// maxShort is the Ne of a short command. Windows sends only short commands, so every
// card supports them.
const maxShort = 256

// readObject reads the content of a data object with GET DATA. The error wraps
// [ErrNotFound] if the card does not have the object.
func readObject(tx *card.Tx, o object) ([]byte, error) {
	response, err := tx.Command(card.Command{
		INS: 0xCB, P1: byte(o.ef >> 8), P2: byte(o.ef), Ne: maxShort,
		Data: cardapp.TagList(o.tag),
	})
	switch {
	case cardapp.LacksObject(err):
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	case err != nil:
		return nil, err
	}
	return unwrap(response, o.tag)
}

// unwrap returns the content of an object, which the card returns with tag and
// length.
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

// A file is one entry of the master file table. The names are in lower case, since
// Windows ignores case.
type file struct {
	dir, name string
	original  string // the name as it is on the card
	at        object
	err       error // why the entry is malformed
}

// A record of the table holds two names of up to 8 characters, padded with zeros, two
// reserved bytes, and two numbers, little endian.
const (
	fileRecordSize = 28
	fileNameSize   = 9
	fileTagAt      = 20
	fileEFAt       = 24
	tableVersion   = 0x01 // the first byte of the master file table and of the key map
)

// decodeMasterFile decodes the table. A malformed record becomes an entry with an
// error. An error about what follows the last whole record comes with the entries
// before it.
func decodeMasterFile(content []byte) ([]file, error) {
	records, err := tableRecords(content, fileRecordSize)
	var files []file
	for ; len(records) > 0; records = records[fileRecordSize:] {
		r := records[:fileRecordSize]
		f := file{dir: strings.ToLower(fileName(r)), original: fileName(r[fileNameSize:])}
		f.name = strings.ToLower(f.original)
		tag, ef := binary.LittleEndian.Uint32(r[fileTagAt:]), binary.LittleEndian.Uint32(r[fileEFAt:])
		if f.name == "" {
			continue // a directory
		}
		f.at = object{uint16(ef), ber.Tag(tag)}
		if ef > 0xFFFF || tag>>8&0x1F != 0x1F || tag&0x80 != 0 || tag > 0xFFFF {
			f.err = malformed("master file table: tag %X in file %X: not two bytes each", tag, ef)
		}
		files = append(files, f)
	}
	return files, err
}

// tableRecords returns the whole records of a table, which follow its version.
func tableRecords(content []byte, size int) (records []byte, err error) {
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
	name, _, _ := bytes.Cut(b[:fileNameSize], []byte{0})
	return string(name)
}

// findFile returns the entry of a file.
func findFile(files []file, dir, name string) (file, bool) {
	for _, f := range files {
		if f.dir == dir && f.name == name {
			return f, true
		}
	}
	return file{}, false
}

// readFile reads a file by its names.
func readFile(tx *card.Tx, files []file, dir, name string) ([]byte, error) {
	f, ok := findFile(files, dir, name)
	switch {
	case !ok:
		return nil, ErrNotFound
	case f.err != nil:
		return nil, f.err
	}
	return readObject(tx, f.at)
}
