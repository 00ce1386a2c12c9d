package gids

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/smartlogon/smartlogon/internal/ber"
)

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
	if a.files[idMasterFile] == nil || a.files[idPublic] == nil {
		return errNotSetUp
	}
	if private != nil {
		signer, alg := usable(private)
		if alg == 0 {
			return fmt.Errorf("GIDS has no keys like this %T", private)
		}
		a.putKey(n, signs, signer, alg)
	}
	a.putContainer(n, signs, certificate)
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
func (a *Application) putContainer(n int, signs bool, certificate []byte) {
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
	binary.LittleEndian.PutUint16(r[at:], uint16(a.bits(n, certificate)))
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

// bits is the length of a container's key: as the key itself says, or else the
// certificate. Where neither does it is the length that most have.
func (a *Application) bits(n int, certificate []byte) int {
	var public crypto.PublicKey
	if f := a.files[idFirstKey+uint16(n)]; f != nil && f.key.private != nil {
		public = f.key.private.Public()
	} else if parsed, err := x509.ParseCertificate(certificate); err == nil {
		public = parsed.PublicKey
	}
	switch alg := algorithmOf(public); {
	case rsaBits[alg] > 0:
		return rsaBits[alg]
	case curves[alg] != nil:
		return curves[alg].Params().BitSize
	}
	return rsaBits[RSA2048]
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
	if len(m) < (n+1)*recordSize || m[n*recordSize+flagsAt]&flagValid == 0 {
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
func (a *Application) putKey(n int, signs bool, private crypto.Signer, alg Algorithm) {
	id := idFirstKey + uint16(n)
	a.install(parameters(kindKey, id, keyRights, a.templates(id, alg, signs))).key.private = private
	if a.config.Quirks.NoKeyMap {
		return
	}
	master := a.files[idMasterFile]
	m := slices.Clone(master.objects[tagKeyMap])
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
	copy(m[1+n*12:], []byte{1, 0, 0, 0, byte(alg), kind, byte(id), byte(id >> 8), 0xFF, 0xFF, 0, 0})
	master.put(tagKeyMap, m)
}

// templates are what a key may be used for, as Windows writes it when it makes the
// key file. Nobody pads for a key on a curve.
func (a *Application) templates(id uint16, alg Algorithm, signs bool) (list []byte) {
	q, isRSA := a.config.Quirks, rsaBits[alg] > 0
	add := func(use ber.Tag, way byte) {
		list = template{use, way | byte(alg)}.appendTo(list, id)
	}
	if isRSA && !signs {
		if !q.PaddedOnly {
			add(forDecipherment, wayRaw)
		}
		if !q.RawOnly {
			add(forDecipherment, wayUnpadOAEP)
			add(forDecipherment, wayUnpad)
		}
	}
	if !isRSA || !q.PaddedOnly {
		add(forSignature, wayHashed)
	}
	if isRSA && !q.RawOnly {
		add(forSignature, wayPad)
	}
	return list
}
