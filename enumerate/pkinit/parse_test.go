package pkinit

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A reader reads one kind of message.
type reader struct {
	name string
	from func(record) []byte
	read func([]byte) error
}

var readers = []reader{
	{"reply", func(r record) []byte { return r.reply }, func(b []byte) error { _, err := parseReply(b, appASRep); return err }},
	{"PKINIT data", func(r record) []byte { return r.pkReply }, func(b []byte) error { _, err := parsePKASRep(b); return err }},
	{"signed data", func(r record) []byte { return r.signed }, func(b []byte) error { _, err := parseCMS(b); return err }},
	{"key", func(r record) []byte { return r.keyInfo }, func(b []byte) error { _, err := parseKeyInfo(b); return err }},
	{"encrypted part", func(r record) []byte { return r.encPart }, func(b []byte) error { _, err := parseEncPart(b); return err }},
	{"error", func(r record) []byte { return r.errorMsg }, func(b []byte) error { _, err := parseError(b); return err }},
	{"methods", func(r record) []byte { return r.methods }, func(b []byte) error { _, err := errorMessage{data: b}.methods(); return err }},
	{"names", func(r record) []byte { return r.names }, func(b []byte) error { _, err := parsePKINITNames(b); return err }},
}

// TestTruncatedMessages shortens each message at every byte.
func TestTruncatedMessages(t *testing.T) {
	record := recordLogin(t)
	for _, r := range readers {
		t.Run(r.name, func(t *testing.T) {
			b := r.from(record)
			require.NoError(t, r.read(b))
			for n := range b {
				require.Error(t, r.read(b[:n]), "%d of %d bytes", n, len(b))
			}
			assert.Error(t, r.read(append(b[:len(b):len(b)], 0)), "a byte more")
		})
	}
}

// TestChangedSignedData changes each bit of a signed reply: it must not verify.
func TestChangedSignedData(t *testing.T) {
	record := recordLogin(t)
	m, err := parseCMS(record.signed)
	require.NoError(t, err)
	_, err = m.verify(oidDHKeyData, false)
	require.NoError(t, err)
	content := string(m.content)
	for i := range record.signed {
		b := append([]byte(nil), record.signed...)
		b[i] ^= 1 << (i % 8)
		changed, err := parseCMS(b)
		if err != nil {
			continue
		}
		if _, err := changed.verify(oidDHKeyData, false); err == nil {
			assert.Equal(t, content, string(changed.content), "byte %d", i)
			assert.Equal(t, m.signer.attributes, changed.signer.attributes, "byte %d", i)
		}
	}
}

func TestMalformedElements(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		read func(*parser)
	}{
		{"integer with a leading zero", []byte{2, 2, 0, 1}, func(p *parser) { p.number(0, 10) }},
		{"integer with a leading FF", []byte{2, 2, 0xFF, 0xFF}, func(p *parser) { p.number(-10, 10) }},
		{"empty integer", []byte{2, 0}, func(p *parser) { p.number(0, 10) }},
		{"integer of 9 bytes", []byte{2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0}, func(p *parser) { p.number(0, 10) }},
		{"integer out of range", []byte{2, 1, 11}, func(p *parser) { p.number(0, 10) }},
		{"bit string without a count", []byte{3, 0}, func(p *parser) { p.bits() }},
		{"bit string with unused bits", []byte{3, 2, 1, 2}, func(p *parser) { p.bits() }},
		{"flags of 8 bits", []byte{3, 2, 0, 2}, func(p *parser) { p.flags() }},
		{"time with a fraction", append([]byte{24, 17}, "20260101000000.5Z"...), func(p *parser) { p.time() }},
		{"time without a zone", append([]byte{24, 14}, "20260101000000"...), func(p *parser) { p.time() }},
		{"time that does not exist", append([]byte{24, 15}, "20260231000000Z"...), func(p *parser) { p.time() }},
		{"NULL with a value", []byte{0x30, 5, 6, 0, 5, 1, 0}, func(p *parser) { p.algorithm() }},
		{"length that is not minimal", []byte{4, 0x81, 1, 0}, func(p *parser) { p.octets() }},
		{"indefinite length", []byte{0x30, 0x80, 0, 0}, func(p *parser) { p.sequence(func(*parser) {}) }},
		{"data after the element", []byte{4, 1, 0, 0}, func(p *parser) { p.octets() }},
		{"long text", tlv(generalString, make([]byte, maxText+1)), func(p *parser) { p.text() }},
	} {
		p := parse(c.b)
		c.read(p)
		assert.Error(t, p.close(), c.name)
	}
}

func TestIntegers(t *testing.T) {
	for _, n := range []int64{0, 1, 127, 128, 255, 256, 1<<31 - 1, 1<<32 - 1, -1, -128, -129, 1<<63 - 1, -1 << 63} {
		p := parse(integer(n))
		assert.Equal(t, n, p.number(-1<<63, 1<<63-1))
		assert.NoError(t, p.close())
	}
	assert.Equal(t, []byte{2, 1, 0}, unsigned(nil))
	assert.Equal(t, []byte{2, 2, 0, 0x80}, unsigned([]byte{0x80}))
}

func TestStatusOfWindows(t *testing.T) {
	data := sequence(field(1, integer(3)), field(2, octets([]byte{0x80, 0x03, 0, 0xC0, 0, 0, 0, 0, 1, 0, 0, 0})))
	assert.EqualValues(t, 0xC0000380, errorMessage{data: data}.status())
	assert.Zero(t, errorMessage{data: data[:10]}.status())
	assert.Zero(t, errorMessage{}.status())
}
