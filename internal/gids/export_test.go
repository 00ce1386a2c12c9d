package gids

import (
	"github.com/smartlogon/smartlogon/internal/ber"
)

// What the fuzz targets reach beside the exported interface: each takes bytes
// that come from the card.
var (
	Unpack           = unpack
	DecodeContainers = decodeContainers
	ApplyKeyMap      = applyKeyMap
	DecodeTries      = decodeTries
	IsOther          = isOther
	AppendInteger    = appendInteger
)

// Unwrap takes the content out of an object.
func Unwrap(whole []byte, tag uint32) ([]byte, error) { return unwrap(whole, ber.Tag(tag)) }

// A TestFile is an entry of the master file table, as tests look at it.
type TestFile struct {
	Dir, Name   string
	Object      string
	Certificate bool
	Indices     []int
	Err         error
}

// DecodeMasterFile reads the table.
func DecodeMasterFile(content []byte) (list []TestFile, err error) {
	files, err := decodeMasterFile(content)
	for _, f := range files {
		t := TestFile{f.dir, f.spelt, f.at.String(), f.isCertificate(), nil, f.err}
		if t.Certificate {
			t.Indices = f.indices()
		}
		list = append(list, t)
	}
	return list, err
}

// Reference is the reference of the key of a container.
func (k Container) Reference() byte { return k.reference }

// Valid reports whether the record is in use.
func (k Container) Valid() bool { return k.valid }

// Limits that fuzz targets check.
const (
	MaxContainers  = maxContainers
	FileRecordSize = fileRecordSize
	KeyRecordSize  = keyRecordSize
	ContainerSize  = containerSize
)
