package gids_test

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
)

const masterFile = `01 6D7363700000000000 000000000000000000 0000 00000000 00A00000
	000000000000000000 636172646964000000 0000 20DF0000 12A00000
	000000000000000000 636172646170707300 0000 21DF0000 10A00000
	000000000000000000 636172646366000000 0000 22DF0000 10A00000
	6D7363700000000000 636D617066696C6500 0000 23DF0000 10A00000`

// TestGIDSToolTrace replays a recorded initialization by gids-tool.
func TestGIDSToolTrace(t *testing.T) {
	f := newFixture(t, gids.Config{Blank: true})
	f.expectAll(`00 A4 04 00 09 A00000039742544659 00 -> 61 12 4F 0B A00000039742544659 02 01 73 03 40 01 C0 9000
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
	f.expect("00 DB A0 00 91 DF 1F 81 8D"+masterFile, "9000")
	f.expectAll(`00 DB A0 10 0B DF 21 08 6D 73 63 70 00 00 00 00
		00 DB A0 10 09 DF 22 06 00 00 00 00 00 00
		00 DB A0 10 03 DF 23 00
		00 DB A0 12 13 DF 20 10 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF
		00 87 00 00 04 7C 02 81 00 00 -> 6986
		00 2C 02 80 04 31 32 33 34 -> 6986
		00 A4 00 0C 02 3F FF
		00 44 00 00 00`)

	// The card is now like one of New.
	initialized := newSelected(t, gids.Config{CardID: [16]byte(decode(t, "00112233445566778899AABBCCDDEEFF"))})
	for _, command := range []string{
		"00 CB A0 00 02 5C 00 00", "00 CB A0 10 02 5C 00 00", "00 CB A0 11 02 5C 00 00", "00 CB A0 12 02 5C 00 00",
		"00 CB 3F FF 04 5C 02 7F 71 00", "00 20 00 80",
		"00 A4 00 04 02 A0 00 00", "00 A4 00 04 02 A0 10 00", "00 A4 00 04 02 A0 11 00", "00 A4 00 04 02 A0 12 00",
		"00 A4 00 04 02 A0 13 00", "00 A4 00 04 02 A0 14 00", "00 A4 00 04 02 B0 80 00",
	} {
		assert.Equal(t, initialized.send(command), f.send(command), command)
	}
	f.verifyPIN()
	f.authenticateAdmin()
}

// TestInitialization sends the commands with which gids-tool initializes a card.
func TestInitialization(t *testing.T) {
	f := newSelected(t, gids.Config{Blank: true})
	f.expect("00 CB A0 00 04 5C 02 DF 1F 00", "6A82")
	f.expect("00 20 00 80 06 313233343536", "6985")
	f.expect("00 44 00 00 00", "6985") // no PIN
	f.expect("00 24 01 80 03 313233", "6A80")
	f.expect("00 24 01 80 06 313233343536", "9000")
	f.expect("00 24 01 81 08 3132333435363738", "9000")
	for file, rights := range map[string]string{"A000": "30 00", "A010": "30 00", "A011": "30 FF", "A012": "20 00", "A013": "30 30", "A014": "20 20"} {
		f.expect("00 E0 00 00 0E 62 0C 82 01 39 83 02 "+file+" 8C 03 03 "+rights, "9000")
		f.expect("00 DB "+file+" 03 DF 1F 00", "6985") // not activated
		f.expect("00 CB "+file+" 04 5C 02 DF 1F 00", "6985")
		f.expect("00 44 00 00 00", "9000")
	}
	f.expect("00 E0 00 00 0E 62 0C 82 01 39 83 02 A0 00 8C 03 03 30 00", "6984")
	f.expect("00 E0 00 00 1C 62 1A 82 01 18 83 02 B0 80 8C 04 87 00 20 FF A5 0B A4 09 80 01 02 83 01 80 95 01 C0", "9000")
	f.expect("00 44 00 00 00", "9000")
	f.expect("00 DB 3F FF 26 70 24 84 01 80 A5 1F 87 18 010203040506070801020304050607080102030405060708 88 03 B0 73 DC", "9000")
	f.expect("00 DB A0 10 09 DF 22 06 00 00 00 00 00 00", "9000")
	f.expect("00 DB A0 12 13 DF 20 10 00112233445566778899AABBCCDDEEFF", "9000")
	f.expect("00 A4 00 0C 02 3F FF", "9000")
	f.expect("00 44 00 00 00", "9000")
	f.expect("00 DB A0 10 03 DF 24 00", "6982") // the conditions apply
	f.verifyPIN()
	f.expect("00 DB A0 10 03 DF 24 00", "9000")
	f.expect("00 DB A0 12 03 DF 20 00", "6982")
	f.authenticateAdmin()
	f.expect("00 DB A0 12 03 DF 20 00", "9000")
	f.expect("00 CB 3F FF 04 5C 02 7F 73 00", "7F 73 06 97 01 03 93 01 03 9000")
	f.expect("00 20 00 82", "9000")
	f.expect("00 E6 00 00", "6982")
	f.verifyPIN()
	f.expect("00 E6 00 00", "9000")
	f.expect("00 CB A0 00 04 5C 02 DF 1F 00", "6285")
}

const (
	recordName = "320035003700660030003300360032002D0032006500650037002D0034003400660035002D0039003800380035002D003300360066006100340039003000660033003000630031000000000000000000"
	readKey    = "00 CB 3F FF 0A 70 08 84 01 81 A5 03 7F 49 80 00"
)

// TestWindowsTrace replays recorded commands of Windows that import a key, use it
// and delete it.
func TestWindowsTrace(t *testing.T) {
	key := testkeys.RSA(2048, 0)
	f := newFixture(t, gids.Config{})
	f.expectAll(`00 A4 04 00 09 A0 00 00 03 08 00 00 10 00 -> 6A82
		00 A4 00 0C 02 3F FF -> 6A82
		00 A4 04 0C 09 A00000039742544659
		00 A4 00 0C 02 3F FF
		00 CB 3F FF 04 5C 02 7F 73 00 -> 6A88
		00 DB A0 10 09 DF 22 06 00 00 00 00 01 00 -> 6982`)
	f.expect("00 CB A0 00 04 5C 02 DF 1F 00", "DF 1F 81 8D"+masterFile+"9000")
	f.verifyPIN()
	f.expect("00 DB A0 10 09 DF 22 06 00 00 00 00 01 00", "9000")
	f.expect("00 DB A0 10 59 DF 23 56"+recordName+"01 00 0000 0000", "9000")
	f.expect("00 DB A0 10 09 DF 22 06 00 00 00 00 02 00", "9000")
	f.expect("00 DB A0 10 59 DF 23 56"+recordName+"03 00 0000 0000", "9000")
	f.expect("00 DB A0 10 09 DF 22 06 00 00 01 00 02 00", "9000")
	f.expect("00 A4 00 0C 02 3F FF", "9000")
	f.expect("00 E0 00 00 49"+exchangeKey, "9000")
	f.expect(readKey, "6985") // not activated
	f.expect("00 44 00 00", "9000")
	f.sendChain("DB 3F FF", importData(0x81, x509.MarshalPKCS1PrivateKey(key)), "9000")
	f.expect("00 DB A0 00 10 DF 20 0D 01 01 00 00 00 07 9A 81 B0 FF FF 00 00", "9000")
	f.expect("00 DB A0 10 09 DF 22 06 00 00 01 00 03 00", "9000")
	f.expect("00 DB A0 10 59 DF 23 56"+recordName+"03 00 0000 0008", "9000")
	public := fmt.Sprintf("7F 49 82 01 09 81 82 01 00 %X 82 03 01 00 01", key.N.Bytes())
	f.expect(readKey, fmt.Sprintf("%X 61 0E", decode(t, public)[:256]))
	f.expect("00 C0 00 00 0E", fmt.Sprintf("%X 9000", decode(t, public)[256:]))
	for _, info := range []string{
		"30 20 30 0C 06 08 2A 86 48 86 F7 0D 02 05 05 00 04 10" + strings.Repeat("11", 16), // MD5
		sha256Prefix + strings.Repeat("22", 32),
		"30 21 30 09 06 05 2B 0E 03 02 1A 05 00 04 14" + strings.Repeat("33", 20), // SHA-1
		strings.Repeat("44", 36), // MD5 and SHA-1 without an identifier
	} {
		f.expect("00 22 41 B6 06 80 01 57 84 01 81", "9000")
		data := decode(t, info)
		signature := f.send(fmt.Sprintf("00 2A 9E 9A %02X %X 00", len(data), data))
		assert.Len(t, signature, 256+2)
		assert.Equal(t, data, unpad(key, signature[:256]))
	}
	f.expect("00 20 00 82 00", "9000")

	f.expect("00 E4 00 00", "6982") // the current file
	f.expect("00 A4 00 0C 02 3F FF", "9000")
	f.expect("00 E4 00 00", "6986") // the application
	f.verifyPIN()
	f.expectAll(`00 A4 00 0C 02 3F FF
		00 A4 00 0C 02 B0 81
		00 E4 00 00
		00 DB A0 00 03 DF 20 00
		00 DB A0 10 09 DF 22 06 00 00 02 00 06 00`)
	f.expect("00 DB A0 10 59 DF 23 56"+strings.Repeat("00", 86), "9000")
	f.expect("00 20 00 82", "9000")
	f.expect(readKey, "6984")
	f.expect("00 22 41 B6 06 80 01 57 84 01 81", "6984")
}
