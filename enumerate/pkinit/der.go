package pkinit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// Tags of Kerberos (RFC 4120, 5.10) beside those of package ber.
const (
	generalString ber.Tag = 0x1B
	appTicket     ber.Tag = 0x61
	appAuth       ber.Tag = 0x62
	appASReq      ber.Tag = 0x6A
	appASRep      ber.Tag = 0x6B
	appTGSReq     ber.Tag = 0x6C
	appTGSRep     ber.Tag = 0x6D
	appAPReq      ber.Tag = 0x6E
	appEncASRep   ber.Tag = 0x79
	appEncTGSRep  ber.Tag = 0x7A
	appError      ber.Tag = 0x7E
)

// explicit returns the tag of an explicit field, which is constructed.
func explicit(n int) ber.Tag { return ber.Tag(0xA0 | n) }

// implicit returns the tag of a primitive field with an implicit tag.
func implicit(n int) ber.Tag { return ber.Tag(0x80 | n) }

// tlv encodes an element whose value is the concatenation of parts.
func tlv(tag ber.Tag, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := ber.AppendHeader(make([]byte, 0, n+6), tag, n)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func sequence(parts ...[]byte) []byte { return tlv(ber.Sequence, parts...) }

// field encodes an explicit field.
func field(n int, value []byte) []byte { return tlv(explicit(n), value) }

func octets(b []byte) []byte { return tlv(ber.OctetString, b) }

func text(s string) []byte { return tlv(generalString, []byte(s)) }

func oid(content string) []byte { return tlv(ber.OID, []byte(content)) }

// bits encodes a BIT STRING without unused bits.
func bits(b []byte) []byte { return tlv(ber.BitString, []byte{0}, b) }

// integer encodes a number, in the shortest form.
func integer(n int64) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(n))
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xFF && b[1] >= 0x80) {
		b = b[1:]
	}
	return tlv(ber.Integer, b)
}

// unsigned encodes a number that big.Int.Bytes returned.
func unsigned(b []byte) []byte {
	if len(b) == 0 || b[0] >= 0x80 {
		return tlv(ber.Integer, []byte{0}, b)
	}
	return tlv(ber.Integer, b)
}

const kerberosTime = "20060102150405Z"

func timestamp(t time.Time) []byte {
	return tlv(ber.GeneralizedTime, t.UTC().AppendFormat(nil, kerberosTime))
}

// algorithm encodes an AlgorithmIdentifier.
func algorithm(id string, parameters ...[]byte) []byte {
	return sequence(append([][]byte{oid(id)}, parameters...)...)
}

var null = []byte{byte(ber.Null), 0}

// A parser reads the fields of one constructed element. It keeps the first fault,
// and returns zero values after it.
type parser struct {
	r   ber.Reader
	err error
}

func parse(b []byte) *parser { return &parser{r: ber.DER(b)} }

func inside(e ber.Element) *parser { return &parser{r: e.Inside()} }

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// close returns the first fault. Data that is left is one.
func (p *parser) close() error {
	if p.err != nil {
		return p.err
	}
	return p.r.Close()
}

func (p *parser) more() bool { return p.err == nil && p.r.More() }

// take reads the next element, which must have the tag.
func (p *parser) take(tag ber.Tag) ber.Element {
	if p.err != nil {
		return ber.Element{}
	}
	e, _ := p.r.Take(tag)
	if err := p.r.Err(); err != nil {
		p.err = err
	}
	return e
}

// has reports whether the next element has the tag.
func (p *parser) has(tag ber.Tag) bool { return p.more() && p.r.Peek() == tag }

// enter reads the next element, which must have the tag, and calls f for what is
// inside. f must read all of it.
func (p *parser) enter(tag ber.Tag, f func(*parser)) {
	e := p.take(tag)
	if p.err != nil {
		return
	}
	in := inside(e)
	f(in)
	if err := in.close(); err != nil {
		p.err = err
	}
}

// field calls f for the content of an explicit field.
func (p *parser) field(n int, f func(*parser)) { p.enter(explicit(n), f) }

func (p *parser) sequence(f func(*parser)) { p.enter(ber.Sequence, f) }

// optional is field for a field that may be missing.
func (p *parser) optional(n int, f func(*parser)) {
	if p.has(explicit(n)) {
		p.field(n, f)
	}
}

// number reads an INTEGER from low to high.
func (p *parser) number(low, high int64) int64 {
	v := p.take(ber.Integer).Value
	if p.err != nil {
		return 0
	}
	n, err := parseInteger(v)
	switch {
	case err != nil:
		p.fail("%w", err)
	case n < low || n > high:
		p.fail("integer %d is not between %d and %d", n, low, high)
	}
	return n
}

// checkInteger checks that an INTEGER has its shortest form (X.690, 8.3.2).
func checkInteger(v []byte) error {
	if len(v) == 0 || len(v) > 1 && (v[0] == 0 && v[1] < 0x80 || v[0] == 0xFF && v[1] >= 0x80) {
		return errors.New("integer is not in its shortest form")
	}
	return nil
}

func parseInteger(v []byte) (int64, error) {
	if err := checkInteger(v); err != nil {
		return 0, err
	}
	if len(v) > 8 {
		return 0, errors.New("integer is too large")
	}
	n := int64(int8(v[0]))
	for _, b := range v[1:] {
		n = n<<8 | int64(b)
	}
	return n, nil
}

func (p *parser) octets() []byte { return p.take(ber.OctetString).Value }

// bits reads a BIT STRING of whole bytes.
func (p *parser) bits() []byte {
	v := p.take(ber.BitString).Value
	if p.err != nil {
		return nil
	}
	if len(v) == 0 || v[0] != 0 {
		p.fail("bit string has unused bits")
		return nil
	}
	return v[1:]
}

// maxText limits names and texts, in bytes.
const maxText = 4096

func (p *parser) text() string {
	v := p.take(generalString).Value
	if len(v) > maxText {
		p.fail("text of %d bytes", len(v))
		return ""
	}
	return string(v)
}

// time reads a KerberosTime (RFC 4120, 5.2.3): no fraction, always UTC.
func (p *parser) time() time.Time {
	v := p.take(ber.GeneralizedTime).Value
	if p.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(kerberosTime, string(v))
	if err != nil || len(v) != len(kerberosTime) {
		p.fail("malformed time %.32q", v)
	}
	return t
}

// oid reads an OBJECT IDENTIFIER as encoded.
func (p *parser) oid() string { return string(p.take(ber.OID).Value) }

// algorithm reads an AlgorithmIdentifier whose parameters are NULL or absent.
func (p *parser) algorithm() (id string) {
	p.sequence(func(p *parser) {
		id = p.oid()
		if p.has(ber.Null) && len(p.take(ber.Null).Value) != 0 {
			p.fail("NULL is not empty")
		}
	})
	return id
}
