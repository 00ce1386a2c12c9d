package ber

import "fmt"

// A Tag is the tag field of an element as encoded, class and constructed bit
// included: 0x53, 0x7F49, 0x5FC102.
type Tag uint32

// Tags of the universal class in certificates (X.690, 8.1.2).
const (
	Boolean         Tag = 0x01
	Integer         Tag = 0x02
	BitString       Tag = 0x03
	OctetString     Tag = 0x04
	Null            Tag = 0x05
	OID             Tag = 0x06
	UTF8String      Tag = 0x0C
	PrintableString Tag = 0x13
	T61String       Tag = 0x14
	IA5String       Tag = 0x16
	UTCTime         Tag = 0x17
	GeneralizedTime Tag = 0x18
	UniversalString Tag = 0x1C
	BMPString       Tag = 0x1E
	Sequence        Tag = 0x30
	Set             Tag = 0x31
)

// Constructed reports whether the value of the element consists of elements.
func (t Tag) Constructed() bool { return t.first()&0x20 != 0 }

// first returns the leading byte of the tag field.
func (t Tag) first() byte {
	switch {
	case t > 0xFFFF:
		return byte(t >> 16)
	case t > 0xFF:
		return byte(t >> 8)
	}
	return byte(t)
}

// String returns the tag in hexadecimal.
func (t Tag) String() string { return fmt.Sprintf("%02X", uint32(t)) }

// An Element is a tag, a length and a value. Its slices point into the input.
type Element struct {
	Tag    Tag
	Value  []byte
	Raw    []byte // tag and length fields included
	Offset int    // of Raw in the outermost input

	strict bool
}

// Inside returns a Reader of the elements in the value of e. It applies the same
// rules and counts offsets from the same outermost input.
func (e Element) Inside() Reader {
	return Reader{rest: e.Value, off: e.Offset + len(e.Raw) - len(e.Value), strict: e.strict}
}

// An Error reports a malformed encoding.
type Error struct {
	Offset int // of the element at fault, in the outermost input
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Reason) }

// A Reader walks the elements of one level. Its zero value reads an empty input.
// After a fault it stays at the faulty element and returns no more elements.
type Reader struct {
	rest   []byte
	off    int
	strict bool
	err    *Error
}

// BER returns a Reader that accepts lengths that are not minimal.
func BER(b []byte) Reader { return Reader{rest: b} }

// DER returns a Reader that refuses lengths that are not minimal.
func DER(b []byte) Reader { return Reader{rest: b, strict: true} }

// More reports whether input is left and no fault has occurred.
func (r *Reader) More() bool { return r.err == nil && len(r.rest) > 0 }

// Offset returns the offset of the next element in the outermost input.
func (r *Reader) Offset() int { return r.off }

// Err returns the first fault, an *[Error], or nil.
func (r *Reader) Err() error {
	if r.err == nil {
		return nil
	}
	return r.err
}

// Next reads the next element. It returns false at the end of the input and at
// a fault; [Reader.Err] distinguishes them.
func (r *Reader) Next() (Element, bool) {
	if !r.More() {
		return Element{}, false
	}
	var tag Tag
	var head, length int
	if b := r.rest; len(b) >= 2 && b[0]&0x1F != 0x1F && b[1] < 0x80 {
		tag, head, length = Tag(b[0]), 2, int(b[1]) // without calls: most elements are short
	} else {
		var n int
		if tag, n = readTag(b); n == 0 {
			return r.fault("tag is cut short or longer than three bytes")
		}
		size, m, reason := readLength(b[n:], r.strict)
		if reason != "" {
			return r.fault(reason)
		}
		head, length = n+m, size
	}
	if length > len(r.rest)-head {
		return r.fault("value is longer than what is left of the data")
	}
	e := Element{
		Tag:    tag,
		Value:  r.rest[head : head+length : head+length],
		Raw:    r.rest[: head+length : head+length],
		Offset: r.off,
		strict: r.strict,
	}
	r.rest = r.rest[head+length:]
	r.off += head + length
	return e, true
}

// Take reads the next element, which must have the given tag. Another tag or the
// end of the input is a fault.
func (r *Reader) Take(tag Tag) (Element, bool) {
	b := r.rest
	// The usual header without a call. The rest is that of Enter.
	if r.err == nil && len(b) >= 2 && Tag(b[0]) == tag && tag&0x1F != 0x1F && b[1] < 0x80 && int(b[1]) <= len(b)-2 {
		n, off := 2+int(b[1]), r.off
		r.rest, r.off = b[n:], off+n
		return Element{Tag: tag, Value: b[2:n:n], Raw: b[:n:n], Offset: off, strict: r.strict}, true
	}
	head, length, ok := r.header(tag)
	if !ok {
		return Element{}, false
	}
	n, off := head+length, r.off
	r.rest, r.off = b[n:], off+n
	return Element{Tag: tag, Value: b[head:n:n], Raw: b[:n:n], Offset: off, strict: r.strict}, true
}

// Enter does what Take does and returns a Reader of the element's content. It is
// faster, as an Element is large.
func (r *Reader) Enter(tag Tag) (Reader, bool) {
	head, length, ok := r.header(tag)
	if !ok {
		return Reader{}, false
	}
	n := head + length
	in := Reader{rest: r.rest[head:n:n], off: r.off + head, strict: r.strict}
	r.rest, r.off = r.rest[n:], r.off+n
	return in, true
}

// TakeValue does what Take does and returns the content of the element.
func (r *Reader) TakeValue(tag Tag) ([]byte, bool) {
	head, length, ok := r.header(tag)
	if !ok {
		return nil, false
	}
	n := head + length
	value := r.rest[head:n:n]
	r.rest, r.off = r.rest[n:], r.off+n
	return value, true
}

// header returns the sizes of the next element, which must have the given tag, and
// leaves the element. It returns false at a fault.
func (r *Reader) header(tag Tag) (head, length int, ok bool) {
	b := r.rest
	if r.err != nil {
		return 0, 0, false
	}
	if len(b) < 2 || Tag(b[0]) != tag || tag&0x1F == 0x1F {
		return r.longHeader(tag)
	}
	if head, length = 2, int(b[1]); length >= 0x80 {
		size, m, reason := readLength(b[1:], r.strict)
		if reason != "" {
			r.fault(reason)
			return 0, 0, false
		}
		head, length = 1+m, size
	}
	if length > len(b)-head {
		r.fault("value is longer than what is left of the data")
		return 0, 0, false
	}
	return head, length, true
}

// longHeader is header for tags of several bytes and for an element with another
// tag.
func (r *Reader) longHeader(tag Tag) (head, length int, ok bool) {
	next := *r
	e, ok := next.Next()
	switch {
	case ok && e.Tag == tag:
		return len(e.Raw) - len(e.Value), len(e.Value), true
	case ok:
		r.fault("want tag " + tag.String() + ", found " + e.Tag.String())
	case next.err == nil:
		r.fault("want tag " + tag.String() + ", found the end")
	default:
		r.err = next.err
	}
	return 0, 0, false
}

// Peek returns the tag of the next element, or 0 if there is none.
func (r *Reader) Peek() Tag {
	if !r.More() {
		return 0
	}
	tag, _ := readTag(r.rest)
	return tag
}

// Close returns the first fault, or nil if all of the input was read. Input that
// is left is a fault.
func (r *Reader) Close() error {
	if r.More() {
		r.fault("data after the last element")
	}
	return r.Err()
}

func (r *Reader) fault(reason string) (Element, bool) {
	r.err = &Error{Offset: r.off, Reason: reason}
	return Element{}, false
}

// readTag returns the tag at the front of b and its size, or 0 if the tag is
// malformed. Tag numbers above 30 follow in base 128 (X.690, 8.1.2.4).
func readTag(b []byte) (Tag, int) {
	tag := Tag(b[0])
	if b[0]&0x1F != 0x1F {
		return tag, 1
	}
	for i := 1; i < len(b) && i < 3; i++ {
		tag = tag<<8 | Tag(b[i])
		if b[i]&0x80 == 0 {
			return tag, i + 1
		}
	}
	return 0, 0
}

// readLength returns the length at the front of b and the size of its field, or
// the reason why it is malformed (X.690, 8.1.3 and 10.1).
func readLength(b []byte, strict bool) (length, n int, reason string) {
	if len(b) == 0 {
		return 0, 0, "length is missing"
	}
	if b[0] < 0x80 {
		return int(b[0]), 1, ""
	}
	n = int(b[0] & 0x7F)
	switch {
	case n == 0:
		return 0, 0, "length is indefinite"
	case n > 4:
		return 0, 0, "length takes more than four bytes"
	case n >= len(b):
		return 0, 0, "length is cut short"
	}
	var v uint64 // an int may have 32 bits
	for _, c := range b[1 : 1+n] {
		v = v<<8 | uint64(c)
	}
	if strict && (v < 0x80 || v>>(8*(n-1)) == 0) {
		return 0, 0, "length is not in its shortest form"
	}
	if v > 1<<31-1 {
		return 0, 0, "value is longer than what is left of the data"
	}
	return int(v), 1 + n, ""
}
