package gids

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"

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

	lastTag ber.Tag = 0xDF7F // of two bytes
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
		a.add(&file{id: it.id, kind: kindData, rights: it.rights, active: true, objects: make(map[ber.Tag][]byte)})
	}
	a.add(&file{
		id: idAdminKey, kind: kindKey, rights: adminKeyRights, active: true,
		templates: []template{{forAuthentication, byte(TripleDES)}},
		key:       key{admin: slices.Clone(a.config.AdminKey)},
	})
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

// find looks a file up in the master file table.
func (a *Application) find(dir, name string) (place, bool) {
	want := appendEntry(nil, dir, name, 0, 0)[:20]
	master := a.files[idMasterFile]
	if master == nil {
		return place{}, false
	}
	table := master.objects[tagMasterFile]
	for i := 1; i+entrySize <= len(table); i += entrySize {
		e := table[i : i+entrySize]
		if bytes.Equal(e[:20], want) {
			f := a.files[uint16(binary.LittleEndian.Uint32(e[24:]))]
			return place{f, ber.Tag(binary.LittleEndian.Uint32(e[20:]))}, f != nil
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
		at = place{a.files[idPublic], tagContainers + 1}
		if at.file == nil {
			return errors.New("the card is not set up")
		}
		for _, there := at.file.objects[at.tag]; there; _, there = at.file.objects[at.tag] {
			at.tag++
		}
		if at.tag > lastTag {
			return errors.New("there is no room for another file")
		}
		master := a.files[idMasterFile]
		master.put(tagMasterFile, appendEntry(master.objects[tagMasterFile], dir, name, at.tag, at.file.id))
	}
	at.file.put(at.tag, content)
	return nil
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

// PutObject stores a data object of a file; no value removes it.
func (a *Application) PutObject(id uint16, tag ber.Tag, value []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.files[id]
	switch {
	case f == nil:
		f = &file{id: id, kind: kindData, rights: everyoneReads, active: true, objects: make(map[ber.Tag][]byte)}
		a.add(f)
		fallthrough
	case value != nil:
		f.put(tag, value)
	default:
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

// maxContainer is the last container that there is a key reference for.
const maxContainer = 0xFF - 0x81

// Put gives a container a private key and a certificate, as Windows would. It is
// called kxc, for a key exchange key, or ksc, for a signature key, and its number in
// two hexadecimal digits. Either may be nil, which leaves what is there. The first
// one is the default container.
func (a *Application) Put(name string, private crypto.PrivateKey, certificate []byte) error {
	n, signs, err := parseName(name)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.files[idMasterFile] == nil {
		return errors.New("the card is not set up")
	}
	var public crypto.PublicKey
	if private != nil {
		signer, ok := private.(crypto.Signer)
		if !ok || AlgorithmOf(signer.Public()) == 0 {
			return fmt.Errorf("GIDS has no keys like this %T", private)
		}
		public = signer.Public()
	} else if parsed, err := x509.ParseCertificate(certificate); err == nil {
		public = parsed.PublicKey
	}
	a.putContainer(n, signs, public)
	if private != nil {
		a.putKey(n, signs, private)
	}
	if certificate != nil {
		if err := a.putFile(directory, a.fileName(n, signs), a.encode(certificate)); err != nil {
			return err
		}
		a.count(4)
	}
	return nil
}

func parseName(name string) (n int, signs bool, err error) {
	number, ok := strings.CutPrefix(name, "kxc")
	if !ok {
		number, signs = strings.CutPrefix(name, "ksc")
	}
	i, err := strconv.ParseUint(number, 16, 8)
	if !ok && !signs || len(number) != 2 || err != nil || i > maxContainer {
		return 0, false, fmt.Errorf("%q is not kxc or ksc and the two digits of a container", name)
	}
	return int(i), signs, nil
}

func (a *Application) fileName(n int, signs bool) string {
	prefix, number := "kxc", fmt.Sprintf("%02X", n)
	if signs {
		prefix = "ksc"
	}
	if a.config.Quirks.DecimalNames && n < 100 {
		number = fmt.Sprintf("%02d", n)
	}
	return prefix + number
}

// encode makes the content of a certificate's file.
func (a *Application) encode(certificate []byte) []byte {
	if a.config.Quirks.PlainCertificates {
		return certificate
	}
	out := bytes.NewBuffer([]byte{0x01, 0x00, byte(len(certificate)), byte(len(certificate) >> 8)})
	z := packers.Get().(*zlib.Writer)
	defer packers.Put(z)
	z.Reset(out)
	z.Write(certificate) // into memory, which never fails
	z.Close()
	return out.Bytes()
}

// packers are kept, as each takes a megabyte: tests make many cards.
var packers = sync.Pool{New: func() any {
	z, _ := zlib.NewWriterLevel(nil, zlib.BestCompression) // a level that there is
	return z
}}

// count counts a change in the counter at an offset of \cardcf.
func (a *Application) count(at int) {
	c := a.content("", "cardcf")
	if len(c) >= at+2 {
		binary.LittleEndian.PutUint16(c[at:], binary.LittleEndian.Uint16(c[at:])+1)
		a.putFile("", "cardcf", c)
	}
}

// A record of the container map.
const (
	recordSize  = 86
	flagsAt     = 80
	signBitsAt  = 82
	otherBitsAt = 84
	flagValid   = 0x01
	flagDefault = 0x02
)

// putContainer writes the record of a container.
func (a *Application) putContainer(n int, signs bool, public crypto.PublicKey) {
	m := a.content(directory, "cmapfile")
	for len(m) < (n+1)*recordSize {
		m = append(m, make([]byte, recordSize)...)
	}
	r := m[n*recordSize : (n+1)*recordSize]
	name := utf16.Encode([]rune(ContainerName(n)))
	for i, u := range name {
		binary.LittleEndian.PutUint16(r[2*i:], u)
	}
	if r[flagsAt] == 0 {
		r[flagsAt] = flagValid
		if !hasDefault(m) {
			r[flagsAt] |= flagDefault
		}
	}
	at := otherBitsAt
	if signs {
		at = signBitsAt
	}
	binary.LittleEndian.PutUint16(r[at:], uint16(bits(public)))
	a.putFile(directory, "cmapfile", m)
	a.count(2)
}

func hasDefault(m []byte) bool {
	for i := flagsAt; i < len(m); i += recordSize {
		if m[i]&flagDefault != 0 {
			return true
		}
	}
	return false
}

// ContainerName is the name of a container that was made by Put: a GUID, made of its
// number.
func ContainerName(n int) string {
	return fmt.Sprintf("5a17106f-0000-4000-8000-%012x", n)
}

func bits(public crypto.PublicKey) int {
	switch alg := AlgorithmOf(public); {
	case rsaBits[alg] > 0:
		return rsaBits[alg]
	case curves[alg] != nil:
		return curves[alg].Params().BitSize
	}
	return 2048 // there is no telling
}

// SetDefault makes another container the default one.
func (a *Application) SetDefault(name string) error {
	n, _, err := parseName(name)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.content(directory, "cmapfile")
	if len(m) < (n+1)*recordSize {
		return fmt.Errorf("there is no container %q", name)
	}
	for i := flagsAt; i < len(m); i += recordSize {
		m[i] &^= flagDefault
	}
	m[n*recordSize+flagsAt] |= flagDefault
	a.putFile(directory, "cmapfile", m)
	a.count(2)
	return nil
}

// putKey makes the key file of a container, and its record in the key map.
func (a *Application) putKey(n int, signs bool, private crypto.PrivateKey) {
	alg := AlgorithmOf(private.(crypto.Signer).Public())
	f := a.files[idFirstKey+uint16(n)]
	if f == nil {
		f = &file{id: idFirstKey + uint16(n), kind: kindKey, rights: keyRights, active: true}
		a.add(f)
	}
	f.key, f.templates = key{private: private}, a.templates(alg, signs, private)
	if a.config.Quirks.NoKeyMap {
		return
	}
	master := a.files[idMasterFile]
	m := master.objects[tagKeyMap]
	if len(m) == 0 {
		m = []byte{0x01}
	}
	for len(m) < 1+(n+1)*12 {
		m = append(m, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0)
	}
	kind := byte(0x9A)
	if signs {
		kind = 0x9C
	}
	copy(m[1+n*12:], []byte{1, 0, 0, 0, byte(alg), kind, byte(0x81 + n), 0xB0, 0xFF, 0xFF, 0, 0})
	master.put(tagKeyMap, m)
}

// templates are what a key may be used for.
func (a *Application) templates(alg Algorithm, signs bool, private crypto.PrivateKey) (list []template) {
	_, isRSA := private.(*rsa.PrivateKey)
	add := func(use ber.Tag, way byte) {
		q := a.config.Quirks
		padding := way == wayUnpad || way == wayUnpadOAP || way == wayPad
		if padding && q.RawOnly || !padding && q.PaddedOnly || padding && !isRSA {
			return
		}
		list = append(list, template{use, way + byte(alg)})
	}
	if !signs {
		add(forDecipherment, wayRaw)
		add(forDecipherment, wayUnpadOAP)
		add(forDecipherment, wayUnpad)
	}
	add(forSignature, wayHashed)
	add(forSignature, wayPad)
	return list
}
