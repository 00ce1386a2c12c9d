package challenge

import "encoding/binary"

// appendField appends the length of value in two bytes, big endian, and value. The
// callers bound the length.
func appendField(dst, value []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
	return append(dst, value...)
}

// fields reads what appendField wrote, and numbers. After a read beyond the end it
// returns zero values and done reports false.
type fields struct {
	rest  []byte
	short bool
}

// take returns the next n bytes.
func (f *fields) take(n int) []byte {
	if f.short || n > len(f.rest) {
		f.short = true
		return nil
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) uint8() byte {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) uint16() uint16 {
	if b := f.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (f *fields) uint64() uint64 {
	if b := f.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// field returns the next field of appendField.
func (f *fields) field() []byte { return f.take(int(f.uint16())) }

// done reports whether no read went beyond the end and nothing is left.
func (f *fields) done() bool { return !f.short && len(f.rest) == 0 }
