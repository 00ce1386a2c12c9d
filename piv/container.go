package piv

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/utf16z"
)

// Objects in which Yubico's minidriver keeps what Windows needs of a smart card
// beside keys and certificates.
const (
	ObjectContainerMap Object = 0x5FFF10
	ObjectRoots        Object = 0x5FFF11 // the first of five
)

// A Container is an entry of the container map of Yubico's minidriver: a key and the
// name that Windows programs have for it.
type Container struct {
	Name    string
	Slot    Slot // as in the map; it may not be valid
	KeySpec byte // 1 for key exchange, 2 for signatures
	Bits    int  // length of the key
	Valid   bool // else the entry is free
	Default bool // for programs that name no container

	// Fingerprint is the SHA-1 hash of the certificate.
	Fingerprint [20]byte
}

// Containers reads the container map. Most cards have none, and the error wraps
// [ErrNotFound]; for those, [ContainerName] returns the names.
func (c *Card) Containers(ctx context.Context) ([]Container, error) {
	content, err := c.Object(ctx, ObjectContainerMap)
	if err != nil {
		return nil, err
	}
	list, err := decodeContainers(content)
	if err != nil {
		return nil, fmt.Errorf("piv: object %v: %w", ObjectContainerMap, err)
	}
	return list, nil
}

// An entry of the map is the name in 40 units of UTF-16, then slot, key
// specification, bits (two bytes), flags, PIN, companion for ECDH, fingerprint.
// Numbers are little-endian.
const (
	containerSize = 107
	nameSize      = 80
	flagValid     = 0x01
	flagDefault   = 0x02
)

func decodeContainers(content []byte) ([]Container, error) {
	records, ok, err := ber.Find(content, 0x81)
	switch {
	case err != nil:
		return nil, malformed(err)
	case !ok:
		return nil, malformed("container map has no element 81")
	case len(records)%containerSize != 0:
		return nil, malformed(fmt.Sprintf("container map of %d bytes does not consist of entries of %d", len(records), containerSize))
	}
	list := make([]Container, 0, len(records)/containerSize)
	for ; len(records) > 0; records = records[containerSize:] {
		r := records[:containerSize]
		rest := r[nameSize:]
		k := Container{
			Name:    utf16z.String(r[:nameSize]),
			Slot:    Slot(rest[0]),
			KeySpec: rest[1],
			Bits:    int(binary.LittleEndian.Uint16(rest[2:])),
			Valid:   rest[4]&flagValid != 0,
			Default: rest[4]&flagDefault != 0,
		}
		copy(k.Fingerprint[:], rest[7:])
		list = append(list, k)
	}
	return list, nil
}

// Roots reads the certificates of authorities that Yubico's minidriver keeps for
// Windows, as a PKCS #7 store. The error wraps [ErrNotFound] if there is none.
func (c *Card) Roots(ctx context.Context) ([]byte, error) {
	var store []byte
	err := c.read(ctx, func(tx *card.Tx) error {
		store = nil
		for i := range Object(maxRoots) {
			content, err := c.readObject(tx, ObjectRoots+i)
			if err != nil {
				return err
			}
			part, last, err := decodeRoots(content)
			if err != nil {
				return fmt.Errorf("part %d: %w", i+1, err)
			}
			store = append(store, part...)
			if last {
				return nil
			}
		}
		return malformed(fmt.Sprintf("store continues after %d objects", maxRoots))
	})
	if err != nil {
		return nil, fmt.Errorf("piv: roots, object %v: %w", ObjectRoots, err)
	}
	return store, nil
}

const maxRoots = 5

// decodeRoots returns the part of the store in one object, and whether it is the
// last.
func decodeRoots(content []byte) (part []byte, last bool, err error) {
	r := ber.BER(content)
	e, ok := r.Next()
	switch {
	case !ok:
		return nil, false, malformed(r.Err())
	case e.Tag != 0x82 && e.Tag != 0x83:
		return nil, false, malformed(fmt.Sprintf("byte 0: tag %v, not 82 or 83", e.Tag))
	}
	return e.Value, e.Tag == 0x82, nil
}

// ContainerName returns the name that Windows' own PIV driver has for the key in a
// slot: the card's UUID with its first three fields little-endian and its last three
// bytes replaced by the tag of the certificate's object. It is empty if s is not
// valid.
func ContainerName(guid [16]byte, s Slot) string {
	if !s.Valid() {
		return ""
	}
	g, o := guid, s.Object()
	return fmt.Sprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%x-%x%06x",
		g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8:10], g[10:13], uint32(o))
}

// FindContainer returns the slot of the key that Windows programs know by a name: one
// of the container map, else one that [ContainerName] returns for the card's UUID.
// Case does not matter. The error wraps [ErrNotFound] if the card has no such
// container.
func (c *Card) FindContainer(ctx context.Context, name string) (Slot, error) {
	list, err := c.Containers(ctx)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	for _, k := range list {
		if k.Valid && k.Slot.Valid() && strings.EqualFold(k.Name, name) {
			return k.Slot, nil
		}
	}
	h, err := c.CHUID(ctx)
	if err != nil {
		return 0, err
	}
	for _, s := range allSlots() {
		if strings.EqualFold(ContainerName(h.GUID, s), name) {
			return s, nil
		}
	}
	return 0, fmt.Errorf("piv: container %.80q: %w", name, ErrNotFound)
}

// allSlots returns the primary and the retired slots.
func allSlots() []Slot {
	list := primary[:]
	for s := firstRetired; s <= lastRetired; s++ {
		list = append(list, s)
	}
	return list
}
