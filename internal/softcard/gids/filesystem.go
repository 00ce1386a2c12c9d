package gids

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// Files of an initialized card.
const (
	idMasterFile  = 0xA000
	idPublic      = 0xA010
	idAdminPublic = 0xA012
	idAdminKey    = 0xB080
	idFirstKey    = 0xB081
)

// Objects in these files.
const (
	tagMasterFile ber.Tag = 0xDF1F
	tagKeyMap     ber.Tag = 0xDF20 // in the master file
	tagCardID     ber.Tag = 0xDF20 // in idAdminPublic
	tagCardApps   ber.Tag = 0xDF21
	tagCounters   ber.Tag = 0xDF22
	tagContainers ber.Tag = 0xDF23

	tagLast ber.Tag = 0xDF7F // the last tag of two bytes
)

// directory is the only directory of the file system.
const directory = "mscp"

// initialize puts the card into the state in which it is issued.
func (a *Application) initialize() {
	a.pin.replace([]byte(a.config.PIN))
	if a.config.PUK != "" {
		a.puk.replace([]byte(a.config.PUK))
	}
	for _, f := range []struct {
		id     uint16
		rights rights
	}{
		{idMasterFile, userCreates}, {idPublic, publicUserWrites}, {0xA011, userExecutes},
		{idAdminPublic, publicAdminWrites}, {0xA013, userReads}, {0xA014, adminReads},
	} {
		a.install(parameters(kindData, f.id, f.rights, nil))
	}
	admin := template{useAuthentication, byte(TripleDES)}
	a.install(parameters(kindKey, idAdminKey, adminKeyRights, admin.appendTo(nil, idAdminKey))).key.admin = slices.Clone(a.config.AdminKey)
	id := a.config.CardID
	if id == [16]byte{} {
		rand.Read(id[:])
	}
	table := []byte{0x01}
	table = appendEntry(table, directory, "", 0, idMasterFile)
	table = appendEntry(table, "", "cardid", tagCardID, idAdminPublic)
	table = appendEntry(table, "", "cardapps", tagCardApps, idPublic)
	table = appendEntry(table, "", "cardcf", tagCounters, idPublic)
	table = appendEntry(table, directory, "cmapfile", tagContainers, idPublic)
	a.files[idMasterFile].put(tagMasterFile, table)
	a.files[idAdminPublic].put(tagCardID, id[:])
	a.files[idPublic].put(tagCardApps, []byte(directory+"\x00\x00\x00\x00"))
	a.files[idPublic].put(tagCounters, make([]byte, 6))
	a.files[idPublic].put(tagContainers, nil)
	a.state = stateOperational
}

// install creates and activates a file. It replaces a file with the same
// identifier.
func (a *Application) install(parameters []byte) *file {
	f, ok := newFile(parameters)
	if !ok {
		panic("gids: malformed file parameters")
	}
	f.active = true
	a.files[f.id] = f
	return f
}

// entrySize is the size of an entry of the master file table.
const entrySize = 28

func appendEntry(table []byte, dir, name string, tag ber.Tag, ef uint16) []byte {
	e := make([]byte, entrySize)
	copy(e[:8], dir)
	copy(e[9:17], name)
	binary.LittleEndian.PutUint32(e[20:], uint32(tag))
	binary.LittleEndian.PutUint32(e[24:], uint32(ef))
	return append(table, e...)
}

// A location is the data object that holds a file of the file system.
type location struct {
	file *file
	tag  ber.Tag
}

// entries yields the entries of the master file table.
func (a *Application) entries() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var table []byte
		if master := a.files[idMasterFile]; master != nil {
			table = master.objects[tagMasterFile]
		}
		for i := 1; i+entrySize <= len(table); i += entrySize {
			if !yield(table[i : i+entrySize]) {
				return
			}
		}
	}
}

func entryTag(e []byte) ber.Tag { return ber.Tag(binary.LittleEndian.Uint32(e[20:])) }
func entryFile(e []byte) uint16 { return uint16(binary.LittleEndian.Uint32(e[24:])) }

// lookup returns the location of a file by the master file table.
func (a *Application) lookup(dir, name string) (location, bool) {
	want := appendEntry(nil, dir, name, 0, 0)
	for e := range a.entries() {
		if f := a.files[entryFile(e)]; f != nil && f.kind == kindData && bytes.Equal(e[:20], want[:20]) {
			return location{f, entryTag(e)}, true
		}
	}
	return location{}, false
}

// PutFile stores the content of a file of the file system. It creates a missing
// file.
func (a *Application) PutFile(dir, name string, content []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.putFile(dir, name, content)
}

func (a *Application) putFile(dir, name string, content []byte) error {
	at, ok := a.lookup(dir, name)
	if !ok {
		master, public := a.files[idMasterFile], a.files[idPublic]
		if master == nil || public == nil {
			return errNotSetUp
		}
		at = location{public, a.freeTag()}
		if at.tag > tagLast {
			return errors.New("there is no room for another file")
		}
		master.put(tagMasterFile, appendEntry(master.objects[tagMasterFile], dir, name, at.tag, idPublic))
	}
	at.file.put(at.tag, content)
	return nil
}

var errNotSetUp = errors.New("the card is not set up")

// freeTag returns a tag that neither the objects of the public file nor the master
// file table use.
func (a *Application) freeTag() ber.Tag {
	used := maps.Clone(a.files[idPublic].objects)
	for e := range a.entries() {
		if entryFile(e) == idPublic {
			used[entryTag(e)] = nil
		}
	}
	tag := tagContainers + 1
	for _, exists := used[tag]; exists; _, exists = used[tag] {
		tag++
	}
	return tag
}

// File returns the content of a file of the file system, or nil.
func (a *Application) File(dir, name string) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.readFile(dir, name)
}

func (a *Application) readFile(dir, name string) []byte {
	at, ok := a.lookup(dir, name)
	if !ok {
		return nil
	}
	return slices.Clone(at.file.objects[at.tag])
}

// PutObject stores a data object of a file. It creates a missing file. A nil value
// removes the object. It panics on a reserved file identifier, such as 3FFF.
func (a *Application) PutObject(id uint16, tag ber.Tag, value []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.files[id]
	if f == nil || f.kind != kindData {
		f = a.install(parameters(kindData, id, publicUserWrites, nil))
	}
	if value != nil {
		f.put(tag, value)
	} else {
		f.remove(tag)
	}
}

// Object returns a data object of a file, or nil.
func (a *Application) Object(id uint16, tag ber.Tag) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.files[id]; f != nil {
		return slices.Clone(f.objects[tag])
	}
	return nil
}
