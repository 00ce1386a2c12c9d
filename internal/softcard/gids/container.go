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

// maxContainer is the last container with a key reference.
const maxContainer = 0xFF - 0x81

// Put stores a private key and a certificate in a container, as Windows does. The
// name is kxc, for a key exchange key, or ksc, for a signature key, and the number
// of the container in two hexadecimal digits. A nil key or certificate leaves the
// stored one. The first container becomes the default one.
func (a *Application) Put(name string, private crypto.PrivateKey, certificate []byte) error {
	n, signature, err := parseName(name)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.files[idMasterFile] == nil || a.files[idPublic] == nil {
		return errNotSetUp
	}
	if private != nil {
		signer, alg := supportedKey(private)
		if alg == 0 {
			return fmt.Errorf("unsupported key type %T", private)
		}
		a.putKey(n, signature, signer, alg)
	}
	a.putRecord(n, signature, certificate)
	if certificate != nil {
		if err := a.putFile(directory, a.fileName(n, signature), a.encode(certificate)); err != nil {
			return err
		}
		a.incrementCounter(filesCounter)
	}
	return nil
}

func parseName(name string) (n int, signature bool, err error) {
	number, ok := strings.CutPrefix(name, "kxc")
	if !ok {
		number, signature = strings.CutPrefix(name, "ksc")
	}
	i, err := strconv.ParseUint(number, 16, 8)
	if !ok && !signature || len(number) != 2 || err != nil || i > maxContainer {
		return 0, false, fmt.Errorf("malformed container name %q", name)
	}
	return int(i), signature, nil
}

// fileName returns the name of the file of a container's certificate.
func (a *Application) fileName(n int, signature bool) string {
	prefix, number := "kxc", fmt.Sprintf("%02X", n)
	if signature {
		prefix = "ksc"
	}
	if a.config.Quirks.DecimalNames && n < 100 {
		number = fmt.Sprintf("%02d", n)
	}
	return prefix + number
}

// encode returns the content of a certificate's file.
func (a *Application) encode(certificate []byte) []byte {
	if a.config.Quirks.PlainCertificates {
		return certificate
	}
	content := bytes.NewBuffer([]byte{0x01, 0x00, byte(len(certificate)), byte(len(certificate) >> 8)})
	z := zlibWriters.Get().(*zlib.Writer)
	defer zlibWriters.Put(z)
	z.Reset(content)
	z.Write(certificate) // into memory, so neither call fails
	z.Close()
	return content.Bytes()
}

// zlibWriters are reused, as each takes a megabyte and tests make many cards.
var zlibWriters = sync.Pool{New: func() any {
	z, _ := zlib.NewWriterLevel(nil, zlib.BestCompression) // fails on an undefined level only
	return z
}}

// Offsets of the counters of changes in \cardcf.
const (
	containersCounter = 2
	filesCounter      = 4
)

// incrementCounter increments a counter in \cardcf.
func (a *Application) incrementCounter(offset int) {
	c := a.readFile("", "cardcf")
	if len(c) >= offset+2 {
		binary.LittleEndian.PutUint16(c[offset:], binary.LittleEndian.Uint16(c[offset:])+1)
		a.putFile("", "cardcf", c)
	}
}

// A record of the container map.
const (
	recordSize      = 86
	flagsOffset     = 80
	signatureOffset = 82 // length of the signature key in bits
	exchangeOffset  = 84 // length of the key exchange key in bits
	flagValid       = 0x01
	flagDefault     = 0x02
)

// putRecord writes the record of a container.
func (a *Application) putRecord(n int, signature bool, certificate []byte) {
	m := a.readFile(directory, "cmapfile")
	for len(m) < (n+1)*recordSize {
		m = append(m, make([]byte, recordSize)...)
	}
	r := m[n*recordSize : (n+1)*recordSize]
	name := utf16.Encode([]rune(ContainerName(n)))
	for i, u := range name {
		binary.LittleEndian.PutUint16(r[2*i:], u)
	}
	if r[flagsOffset] == 0 {
		r[flagsOffset] = flagValid
		if !hasDefault(m) {
			r[flagsOffset] |= flagDefault
		}
	}
	offset := exchangeOffset
	if signature {
		offset = signatureOffset
	}
	binary.LittleEndian.PutUint16(r[offset:], uint16(a.keyBits(n, certificate)))
	a.putFile(directory, "cmapfile", m)
	a.incrementCounter(containersCounter)
}

func hasDefault(m []byte) bool {
	for i := flagsOffset; i < len(m); i += recordSize {
		if m[i]&flagDefault != 0 {
			return true
		}
	}
	return false
}

// ContainerName returns the name that Put gives a container: a GUID that ends in
// its number.
func ContainerName(n int) string {
	return fmt.Sprintf("5a17106f-0000-4000-8000-%012x", n)
}

// keyBits returns the length of a container's key: that of the key, else that of
// the certificate, else 2048.
func (a *Application) keyBits(n int, certificate []byte) int {
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

// SetDefault makes a container the default one.
func (a *Application) SetDefault(name string) error {
	n, _, err := parseName(name)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.readFile(directory, "cmapfile")
	if len(m) < (n+1)*recordSize || m[n*recordSize+flagsOffset]&flagValid == 0 {
		return fmt.Errorf("no container %q", name)
	}
	for i := flagsOffset; i < len(m); i += recordSize {
		m[i] &^= flagDefault
	}
	m[n*recordSize+flagsOffset] |= flagDefault
	a.putFile(directory, "cmapfile", m)
	a.incrementCounter(containersCounter)
	return nil
}

// putKey creates the key file of a container and its record in the key map.
func (a *Application) putKey(n int, signature bool, private crypto.Signer, alg Algorithm) {
	id := idFirstKey + uint16(n)
	a.install(parameters(kindKey, id, keyRights, a.templates(id, alg, signature))).key.private = private
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
	if signature {
		kind = 0x9C
	}
	copy(m[1+n*12:], []byte{1, 0, 0, 0, byte(alg), kind, byte(id), byte(id >> 8), 0xFF, 0xFF, 0, 0})
	master.put(tagKeyMap, m)
}

// templates returns the control reference templates of a key file as Windows
// writes them. A key on a curve has no padding.
func (a *Application) templates(id uint16, alg Algorithm, signature bool) (list []byte) {
	q, isRSA := a.config.Quirks, rsaBits[alg] > 0
	add := func(use ber.Tag, scheme byte) {
		list = template{use, scheme | byte(alg)}.appendTo(list, id)
	}
	if isRSA && !signature {
		if !q.PaddedOnly {
			add(useDecipherment, schemeRaw)
		}
		if !q.RawOnly {
			add(useDecipherment, schemeUnpadOAEP)
			add(useDecipherment, schemeUnpad)
		}
	}
	if !isRSA || !q.PaddedOnly {
		add(useSignature, schemeHashed)
	}
	if isRSA && !q.RawOnly {
		add(useSignature, schemePad)
	}
	return list
}
