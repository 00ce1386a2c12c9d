package explain

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"unicode/utf16"
)

var (
	errEmpty   = errors.New("empty file")
	errUnknown = errors.New("not a certificate: neither PEM, DER nor base64")
)

const whitespace = " \t\r\n\v\f"

// certificates yields the certificates in a file. It yields an error for each
// damaged one, and for a file without certificates. It reads PEM (RFC 7468), DER, DER
// in base64, and PKCS #7; text can be UTF-8 or UTF-16.
//
// It is an iterator since a list of tiny elements would need many times the memory
// of the file.
func certificates(file []byte) iter.Seq2[[]byte, error] {
	text := toUTF8(file)
	if len(bytes.Trim(text, whitespace)) == 0 {
		return only(nil, errEmpty)
	}
	// A binary file can contain PEM markers, in a name or in signed data. Text cannot
	// begin like a SEQUENCE of 128 bytes or more.
	isBinary := file[0] == 0x30 && len(file) > 1 && file[1] >= 0x80 && file[1] <= 0x84
	if _, _, ok := nextMarker(text); ok && !isBinary {
		return pemCertificates(text)
	}
	if file[0] == 0x30 {
		return derCertificates(trimDER(file))
	}
	if der, ok := decodeBase64(text); ok && der[0] == 0x30 {
		return derCertificates(der)
	}
	return only(nil, errUnknown)
}

func only(der []byte, err error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) { yield(der, err) }
}

// toUTF8 converts UTF-16 to UTF-8, and removes a byte order mark. PowerShell 5 writes
// UTF-16, and Windows editors write the byte order mark. No DER begins like either.
func toUTF8(file []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(file, []byte("\xEF\xBB\xBF")):
		return file[3:]
	case bytes.HasPrefix(file, []byte("\xFF\xFE")), asciiAt(file, 0):
		order = binary.LittleEndian
	case bytes.HasPrefix(file, []byte("\xFE\xFF")), asciiAt(file, 1):
		order = binary.BigEndian
	default:
		return file
	}
	units := make([]uint16, len(file)/2)
	for i := range units {
		units[i] = order.Uint16(file[2*i:])
	}
	text := make([]byte, 0, len(units))
	for _, r := range utf16.Decode(units) {
		if r != '\uFEFF' {
			text = append(text, string(r)...)
		}
	}
	return text
}

// asciiAt reports whether the first three 16-bit units of a file are ASCII characters
// with their significant bytes at the given offset.
func asciiAt(file []byte, offset int) bool {
	if len(file) < 6 {
		return false
	}
	for i := 0; i < 6; i += 2 {
		if c := file[i+offset]; c == 0 || c > 0x7F || file[i+1-offset] != 0 {
			return false
		}
	}
	return true
}
