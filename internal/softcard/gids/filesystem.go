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

// Files of a card that was set up.
const (
	idMasterFile  = 0xA000
	idPublic      = 0xA010
	idAdminPublic = 0xA012
	idAdminKey    = 0xB080
	idFirstKey    = 0xB081
)

// Objects in them whose place is fixed.
const (
	tagMasterFile ber.Tag = 0xDF1F
	tagKeyMap     ber.Tag = 0xDF20 // in the master file
	tagCardID     ber.Tag = 0xDF20 // in the file that the administrator writes
	tagCardApps   ber.Tag = 0xDF21
	tagCounters   ber.Tag = 0xDF22
	tagContainers ber.Tag = 0xDF23

	tagLast ber.Tag = 0xDF7F // of two bytes
)

const directory = "mscp"

// setUp brings the card to the state in which it is issued.
func (a *Application) setUp() {
	a.pin.set([]byte(a.config.PIN))
	if a.config.PUK != "" {
		a.puk.set([]byte(a.config.PUK))
	}
	for _, it := range []struct {
		id     uint16
		rights rights
	}{
		{idMasterFile, userCreates}, {idPublic, everyoneReads}, {0xA011, userExecutes},
		{idAdminPublic, adminWrites}, {0xA013, userReads}, {0xA014, adminReads},
	} {
		a.install(parameters(kindData, it.id, it.rights, nil))
	}
	admin := template{forAuthentication, byte(TripleDES)}
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
	a.state = operational
}

// install makes a file of its parameters, in place of one that there is, and
// activates it.
func (a *Application) install(parameters []byte) *file {
	f, ok := newFile(parameters)
	if !ok {
		panic("gids: this cannot be a file")
	}
	f.active = true
	a.files[f.id] = f
	return f
}

// An entry of the master file table.
const entrySize = 28

func appendEntry(table []byte, dir, name string, tag ber.Tag, ef uint16) []byte {
	e := make([]byte, entrySize)
	copy(e[:8], dir)
	copy(e[9:17], name)
	binary.LittleEndian.PutUint32(e[20:], uint32(tag))
	binary.LittleEndian.PutUint32(e[24:], uint32(ef))
	return append(table, e...)
}

// A place is where a file of the file system is kept.
type place struct {
	file *file
	tag  ber.Tag
}

// entries are those of the master file table.
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

// find looks a file up in the master file table.
func (a *Application) find(dir, name string) (place, bool) {
	want := appendEntry(nil, dir, name, 0, 0)
	for e := range a.entries() {
		if f := a.files[entryFile(e)]; f != nil && f.kind == kindData && bytes.Equal(e[:20], want[:20]) {
			return place{f, entryTag(e)}, true
		}
	}
	return place{}, false
}

// PutFile stores what a file of the file system holds, and makes it where there is
// none.
func (a *Application) PutFile(dir, name string, content []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.putFile(dir, name, content)
}

func (a *Application) putFile(dir, name string, content []byte) error {
	at, ok := a.find(dir, name)
	if !ok {
		master, public := a.files[idMasterFile], a.files[idPublic]
		if master == nil || public == nil {
			return errNotSetUp
		}
		at = place{public, a.freeTag()}
		if at.tag > tagLast {
			return errors.New("there is no room for another file")
		}
		master.put(tagMasterFile, appendEntry(master.objects[tagMasterFile], dir, name, at.tag, idPublic))
	}
	at.file.put(at.tag, content)
	return nil
}

var errNotSetUp = errors.New("the card is not set up")

// freeTag is one in the public file that no object has and the master file does not
// name.
func (a *Application) freeTag() ber.Tag {
	taken := maps.Clone(a.files[idPublic].objects)
	for e := range a.entries() {
		if entryFile(e) == idPublic {
			taken[entryTag(e)] = nil
		}
	}
	tag := tagContainers + 1
	for _, there := taken[tag]; there; _, there = taken[tag] {
		tag++
	}
	return tag
}

// File is what a file of the file system holds, nil where there is none.
func (a *Application) File(dir, name string) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.content(dir, name)
}

func (a *Application) content(dir, name string) []byte {
	at, ok := a.find(dir, name)
	if !ok {
		return nil
	}
	return slices.Clone(at.file.objects[at.tag])
}

// PutObject stores a data object of a file, which is made where there is none; no
// value removes it. It panics over a number that means no file, such as 3FFF.
func (a *Application) PutObject(id uint16, tag ber.Tag, value []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.files[id]
	if f == nil || f.kind != kindData {
		f = a.install(parameters(kindData, id, everyoneReads, nil))
	}
	if value != nil {
		f.put(tag, value)
	} else {
		f.remove(tag)
	}
}

// Object is a data object of a file, nil where there is none.
func (a *Application) Object(id uint16, tag ber.Tag) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.files[id]; f != nil {
		return slices.Clone(f.objects[tag])
	}
	return nil
}
