package gids

import (
	"encoding/binary"

	"github.com/smartlogon/smartlogon/internal/utf16z"
)

// A Container is one record of the container map: a place for keys, with the name
// that Windows programs use.
type Container struct {
	Index        int
	Name         string // usually a GUID
	Default      bool   // Windows uses it for programs that name no container
	SignBits     int    // the length of its signature key, 0 if it has none
	ExchangeBits int    // the length of its key exchange key, 0 if it has none

	reference byte // of its key
	valid     bool // the record is in use
}

// A record holds a name in 40 units of UTF-16, flags, a reserved byte, and the
// lengths of the two keys in bits, little endian.
const (
	containerSize  = 86
	containerName  = 80
	containerFlags = 80
	signBitsAt     = 82
	exchangeBitsAt = 84

	flagValid   = 0x01
	flagDefault = 0x02
)

// firstKey is the reference of the key of container 0.
const firstKey = 0x81

// maxContainers is the number of key references.
const maxContainers = 0xFF - firstKey + 1

// decodeContainers decodes the container map. The position of a record is the number
// of the container, so unused records are in the list, too. An error about what
// follows the last whole record comes with the records before it.
func decodeContainers(content []byte) ([]Container, error) {
	var err error
	if rest := len(content) % containerSize; rest > 0 {
		content = content[:len(content)-rest]
		err = malformed("byte %d: %d bytes left over, a record has %d", len(content), rest, containerSize)
	}
	if most := maxContainers * containerSize; len(content) > most {
		err = malformed("byte %d: more than %d records", most, maxContainers)
		content = content[:most]
	}
	var list []Container
	for i := 0; len(content) > 0; i, content = i+1, content[containerSize:] {
		r := content[:containerSize]
		list = append(list, Container{
			Index:        i,
			Name:         utf16z.String(r[:containerName]),
			Default:      r[containerFlags]&(flagValid|flagDefault) == flagValid|flagDefault,
			SignBits:     int(binary.LittleEndian.Uint16(r[signBitsAt:])),
			ExchangeBits: int(binary.LittleEndian.Uint16(r[exchangeBitsAt:])),
			reference:    byte(firstKey + i),
			valid:        r[containerFlags]&flagValid != 0,
		})
	}
	return list, err
}

// A record of the key map states whether a container is in use, the algorithm and
// the type of its key, and the file that holds the key, little endian: its low byte
// is the reference of the key, its high byte is B0. The rest is not used here.
const (
	keyRecordSize = 12
	keyFileAt     = 6
	keyFileHigh   = 0xB0
	keyInUse      = 1
)

// applyKeyMap sets the references of keys that the key map states.
func applyKeyMap(list []Container, content []byte) error {
	records, err := tableRecords(content, keyRecordSize)
	for i := range list {
		if len(records) < keyRecordSize {
			break
		}
		r := records[:keyRecordSize]
		records = records[keyRecordSize:]
		reference := r[keyFileAt]
		if binary.LittleEndian.Uint32(r) == keyInUse && r[keyFileAt+1] == keyFileHigh && reference >= firstKey {
			list[i].reference = reference
		}
	}
	return err
}

// has reports whether the container has a key of that kind.
func (k Container) has(signature bool) bool {
	if signature {
		return k.valid && k.SignBits > 0
	}
	return k.valid && k.ExchangeBits > 0
}
