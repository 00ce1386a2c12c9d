package gids

import (
	"encoding/binary"

	"github.com/smartlogon/smartlogon/internal/utf16z"
)

// A Container is one record of the container map: a place for a key, and its name
// for Windows programs.
type Container struct {
	Index        int
	Name         string // a GUID as a rule
	Default      bool   // the one that Windows takes where a program names none
	SignBits     int    // the length of its signature key, 0 if it has none
	ExchangeBits int    // the same of its key exchange key

	reference byte // of its key
	valid     bool // else the record is free
}

// A record has a name in 40 units of UTF-16, flags, a byte that means nothing, and
// the lengths of the two keys in bits, the lower byte first.
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

// maxContainers is how many keys there are references for.
const maxContainers = 0xFF - firstKey + 1

// decodeContainers reads the container map. Records are numbered by their place,
// so free ones are in the list, too. What is left over at the end makes an error,
// and the records before it count.
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

// A record of the key map says of a container whether it is in use, the algorithm
// and the kind of its key, and which file the key is in, the lower byte first: its
// reference, then B0. What follows means nothing here.
const (
	keyRecordSize = 12
	keyFileAt     = 6
	keyFileHigh   = 0xB0
	keyInUse      = 1
)

// applyKeyMap takes the references of keys from the key map. Where it says nothing
// the rule holds that container n has the key 81+n.
func applyKeyMap(list []Container, content []byte) error {
	records, err := table(content, keyRecordSize)
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
