package gids_test

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
)

// all sends commands, one a line. Each is taken, unless another status stands
// behind an arrow.
func (b *bench) all(lines string) {
	b.t.Helper()
	for line := range strings.Lines(lines) {
		command, want, told := strings.Cut(strings.TrimSpace(line), "->")
		if command == "" {
			continue
		}
		if !told {
			want = "9000"
		}
		b.is(command, want)
	}
}

const masterFile = `01 6D7363700000000000 000000000000000000 0000 00000000 00A00000
	000000000000000000 636172646964000000 0000 20DF0000 12A00000
	000000000000000000 636172646170707300 0000 21DF0000 10A00000
	000000000000000000 636172646366000000 0000 22DF0000 10A00000
	6D7363700000000000 636D617066696C6500 0000 23DF0000 10A00000`

// What gids-tool sends to a card that nobody has set up, in order.
func TestInitialisation(t *testing.T) {
	b := newBench(t, gids.Config{Blank: true})
	b.all(`00 A4 04 00 09 A00000039742544659 00 -> 61 12 4F 0B A00000039742544659 02 01 73 03 40 01 C0 9000
		00 CB A0 00 04 5C 02 DF 1F 00 -> 6A82
		00 20 00 80
		00 24 01 80 06 31 32 33 34 35 36
		00 E0 00 00 0E 62 0C 82 01 39 83 02 A0 00 8C 03 03 30 00
		00 44 00 00 00
		00 E0 00 00 0E 62 0C 82 01 39 83 02 A0 10 8C 03 03 30 00
		00 44 00 00 00
		00 E0 00 00 0E 62 0C 82 01 39 83 02 A0 11 8C 03 03 30 FF
		00 44 00 00 00
		00 E0 00 00 0E 62 0C 82 01 39 83 02 A0 12 8C 03 03 20 00
		00 44 00 00 00
		00 E0 00 00 0E 62 0C 82 01 39 83 02 A0 13 8C 03 03 30 30
		00 44 00 00 00
		00 E0 00 00 0E 62 0C 82 01 39 83 02 A0 14 8C 03 03 20 20
		00 44 00 00 00
		00 E0 00 00 1C 62 1A 82 01 18 83 02 B0 80 8C 04 87 00 20 FF A5 0B A4 09 80 01 02 83 01 80 95 01 C0
		00 44 00 00 00
		00 DB 3F FF 26 70 24 84 01 80 A5 1F 87 18 010203040506070801020304050607080102030405060708 88 03 B0 73 DC`)
	b.is("00 DB A0 00 91 DF 1F 81 8D"+masterFile, "9000")
	b.all(`00 DB A0 10 0B DF 21 08 6D 73 63 70 00 00 00 00
		00 DB A0 10 09 DF 22 06 00 00 00 00 00 00
		00 DB A0 10 03 DF 23 00
		00 DB A0 12 13 DF 20 10 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF
		00 87 00 00 04 7C 02 81 00 00 -> 6986
		00 2C 02 80 04 31 32 33 34 -> 6986
		00 A4 00 0C 02 3F FF
		00 44 00 00 00`)

	// It is what a card is like that comes set up.
	ready := selected(t, gids.Config{CardID: [16]byte(decode(t, "00112233445566778899AABBCCDDEEFF"))})
	for _, same := range []string{
		"00 CB A0 00 02 5C 00 00", "00 CB A0 10 02 5C 00 00", "00 CB A0 11 02 5C 00 00", "00 CB A0 12 02 5C 00 00",
		"00 CB 3F FF 04 5C 02 7F 71 00", "00 20 00 80",
		"00 A4 00 04 02 A0 00 00", "00 A4 00 04 02 A0 10 00", "00 A4 00 04 02 A0 11 00", "00 A4 00 04 02 A0 12 00",
		"00 A4 00 04 02 A0 13 00", "00 A4 00 04 02 A0 14 00", "00 A4 00 04 02 B0 80 00",
	} {
		assert.Equal(t, ready.send(same), b.send(same), same)
	}
	b.verify()
	b.admin()
}

const (
	recordName = "320035003700660030003300360032002D0032006500650037002D0034003400660035002D0039003800380035002D003300360066006100340039003000660033003000630031000000000000000000"
	readKey    = "00 CB 3F FF 0A 70 08 84 01 81 A5 03 7F 49 80 00"
)

// What Windows sends to bring a key onto a card, and to delete it, in order.
func TestWindows(t *testing.T) {
	key := testkeys.RSA(2048, 0)
	b := newBench(t, gids.Config{})
	b.all(`00 A4 04 00 09 A0 00 00 03 08 00 00 10 00 -> 6A82
		00 A4 00 0C 02 3F FF -> 6A82
		00 A4 04 0C 09 A00000039742544659
		00 A4 00 0C 02 3F FF
		00 CB 3F FF 04 5C 02 7F 73 00 -> 6A88
		00 DB A0 10 09 DF 22 06 00 00 00 00 01 00 -> 6982`)
	b.is("00 CB A0 00 04 5C 02 DF 1F 00", "DF 1F 81 8D"+masterFile+"9000")
	b.verify()
	b.is("00 DB A0 10 09 DF 22 06 00 00 00 00 01 00", "9000")
	b.is("00 DB A0 10 59 DF 23 56"+recordName+"01 00 0000 0000", "9000")
	b.is("00 DB A0 10 09 DF 22 06 00 00 00 00 02 00", "9000")
	b.is("00 DB A0 10 59 DF 23 56"+recordName+"03 00 0000 0000", "9000")
	b.is("00 DB A0 10 09 DF 22 06 00 00 01 00 02 00", "9000")
	b.is("00 A4 00 0C 02 3F FF", "9000")
	b.is("00 E0 00 00 49"+exchangeKey, "9000")
	b.is(readKey, "6985") // not before it is active
	b.is("00 44 00 00", "9000")
	b.chain("DB 3F FF", imported(0x81, x509.MarshalPKCS1PrivateKey(key)), "9000")
	b.is("00 DB A0 00 10 DF 20 0D 01 01 00 00 00 07 9A 81 B0 FF FF 00 00", "9000")
	b.is("00 DB A0 10 09 DF 22 06 00 00 01 00 03 00", "9000")
	b.is("00 DB A0 10 59 DF 23 56"+recordName+"03 00 0000 0008", "9000")
	public := fmt.Sprintf("7F 49 82 01 09 81 82 01 00 %X 82 03 01 00 01", key.N.Bytes())
	b.is(readKey, fmt.Sprintf("%X 61 0E", decode(t, public)[:256]))
	b.is("00 C0 00 00 0E", fmt.Sprintf("%X 9000", decode(t, public)[256:]))
	for _, what := range []string{
		"30 20 30 0C 06 08 2A 86 48 86 F7 0D 02 05 05 00 04 10" + strings.Repeat("11", 16), // MD5
		sha256Prefix + strings.Repeat("22", 32),
		"30 21 30 09 06 05 2B 0E 03 02 1A 05 00 04 14" + strings.Repeat("33", 20), // SHA-1
		strings.Repeat("44", 36), // MD5 and SHA-1, without a name
	} {
		b.is("00 22 41 B6 06 80 01 57 84 01 81", "9000")
		data := decode(t, what)
		made := b.send(fmt.Sprintf("00 2A 9E 9A %02X %X 00", len(data), data))
		assert.Len(t, made, 256+2)
		assert.Equal(t, data, opened(key, made[:256]))
	}
	b.is("00 20 00 82 00", "9000")

	b.is("00 E4 00 00", "6982") // the file that was written last
	b.is("00 A4 00 0C 02 3F FF", "9000")
	b.is("00 E4 00 00", "6986") // the application
	b.verify()
	b.all(`00 A4 00 0C 02 3F FF
		00 A4 00 0C 02 B0 81
		00 E4 00 00
		00 DB A0 00 03 DF 20 00
		00 DB A0 10 09 DF 22 06 00 00 02 00 06 00`)
	b.is("00 DB A0 10 59 DF 23 56"+strings.Repeat("00", 86), "9000")
	b.is("00 20 00 82", "9000")
	b.is(readKey, "6984")
	b.is("00 22 41 B6 06 80 01 57 84 01 81", "6984")
}

// chain sends data in parts of 240 bytes.
func (b *bench) chain(header string, data []byte, want string) {
	b.t.Helper()
	for ; len(data) > 240; data = data[240:] {
		b.is(fmt.Sprintf("10 %s F0 %X", header, data[:240]), "9000")
	}
	b.is(fmt.Sprintf("00 %s %02X %X", header, len(data), data), want)
}

// imported is an RSA key as Windows brings it.
func imported(reference byte, der []byte) []byte {
	content := ber.Append(append(ber.Append(nil, 0x83, []byte{2}), ber.Append(nil, 0x84, []byte{0})...), 0x87, der)
	return ber.Append(nil, 0x70, append(ber.Append(nil, 0x84, []byte{reference}), ber.Append(nil, 0xA5, content)...))
}
