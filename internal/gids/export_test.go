package gids

import (
	"github.com/smartlogon/smartlogon/internal/ber"
)

// What fuzz targets use beside the exported interface: functions that get bytes
// from the card.
var (
	Unpack           = unpack
	DecodeContainers = decodeContainers
	ApplyKeyMap      = applyKeyMap
	DecodeRetries    = decodeRetries
	IsOther          = isOther
	AppendInteger    = appendInteger
)

// Unwrap returns the content of an object.
func Unwrap(whole []byte, tag uint32) ([]byte, error) { return unwrap(whole, ber.Tag(tag)) }

// A TestFile is an entry of the master file table.
type TestFile struct {
	Dir, Name   string
	Object      string
	Certificate bool
	Indices     []int
	Err         error
}

// DecodeMasterFile decodes the table.
func DecodeMasterFile(content []byte) (list []TestFile, err error) {
	files, err := decodeMasterFile(content)
	for _, f := range files {
		t := TestFile{f.dir, f.original, f.at.String(), f.isCertificate(), nil, f.err}
		if t.Certificate {
			t.Indices = f.indices()
		}
		list = append(list, t)
	}
	return list, err
}

// Reference returns the reference of the key of a container.
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
