package gids_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGetData(t *testing.T) {
	f := newSelected(t, gids.Config{})
	require.NoError(t, f.app.Put("kxc00", testkeys.RSA(1024, 0), nil))
	f.expect("00 CB 00 00 04 5C 02 DF 1F 00", "6981") // no file is current
	for command, want := range map[string]string{
		"00 CB FF FF 04 5C 02 DF 1F 00":                   "6A86",
		"00 CB A0 99 04 5C 02 DF 1F 00":                   "6A82",
		"00 CB A0 10 04 5C 02 DF 7F 00":                   "6A88",
		"00 CB A0 10 05 5C 03 DF 81 00 00":                "6A88",
		"00 CB B0 81 04 5C 02 DF 1F 00":                   "6981",
		"00 CB A0 10 04 5D 02 DF 1F 00":                   "6984",
		"00 CB A0 10 03 5C 01 DF 00":                      "6984",
		"00 CB 2F 01 04 5C 02 DF 1F 00":                   "6984",
		"00 CB A0 11 04 5C 02 DF 1F 00":                   "6982", // never
		"00 CB A0 13 04 5C 02 DF 1F 00":                   "6982", // PIN or administrator
		"00 CB 3F FF 04 5C 02 7F 69 00":                   "6984",
		"00 CB 3F FF 02 5C 00 00":                         "6984",
		"00 CB 3F FF 0A 70 08 84 01 82 A5 03 7F 49 80 00": "6984", // missing key file
		"00 CB 3F FF 0A 70 08 84 01 80 A5 03 7F 49 80 00": "6982", // the administrator's key
		"00 CB 3F FF 07 70 05 A5 03 7F 49 80 00":          "6984",
	} {
		f.expect(command, want)
	}
	f.expect("00 CB 3F FF 0A 70 08 84 01 81 A5 03 7F 49 80 00", fmt.Sprintf("7F 49 81 88 81 81 80 %X 82 03 01 00 01 9000", testkeys.RSA(1024, 0).N.Bytes()))
	f.expect("00 A4 00 0C 02 A0 12", "9000")
	assert.Len(t, f.send("00 CB 00 00 04 5C 02 DF 20 00"), 3+16+2, "current file")
}

// TestGetDataByParameters compares with a GidsApplet on JCOP31 (vletoux/GidsApplet
// issue 10). Windows sends this command to find out what kind of card it is.
func TestGetDataByParameters(t *testing.T) {
	newSelected(t, gids.Config{}).expect("00 CA 7F 68 00", "6A88")
}

func TestPutData(t *testing.T) {
	f := newSelected(t, gids.Config{MaxObjects: 5})
	f.verifyPIN()
	f.expect("00 DB A0 10 05 DF 24 02 01 02", "9000")
	f.expect("00 CB A0 10 04 5C 02 DF 24 00", "DF 24 02 01 02 9000")
	f.expect("10 DB A0 10 04 DF 24 04 01", "9000")
	f.expect("00 DB A0 10 03 02 03 04", "9000")
	f.expect("00 CB A0 10 04 5C 02 DF 24 00", "DF 24 04 01 02 03 04 9000")
	f.expect("00 DB A0 10 03 DF 24 00", "9000")
	f.expect("00 CB A0 10 04 5C 02 DF 24 00", "DF 24 00 9000")
	f.expect("00 DB A0 10 03 DF 24 00", "9000") // an empty value removes an empty object
	f.expect("00 CB A0 10 04 5C 02 DF 24 00", "6A88")
	f.expect("00 DB A0 10 03 DF 30 00", "9000")
	f.expect("00 DB A0 10 03 DF 31 00", "9000")
	f.expect("00 DB A0 10 03 DF 32 00", "6A84")
	f.expect("00 DB A0 10 03 DF 32 05", "6984")
	f.expect("00 DB A0 99 03 DF 32 00", "6A82")
	f.expect("00 DB FF FF 03 DF 32 00", "6A86")
	f.expect("00 DB B0 80 03 DF 32 00", "6981")
}

func TestMemoryLimits(t *testing.T) {
	f := newSelected(t, gids.Config{MaxObjects: 50})
	f.verifyPIN()
	value := strings.Repeat("55", 60000)
	put := func(tag int) []byte {
		return f.send(fmt.Sprintf("00 DB A0 10 00 EA65 DF %02X 82 EA60 %s", tag, value))
	}
	stored := 0
	for tag := 0x24; tag < 0x24+40 && bytes.Equal(put(tag), []byte{0x90, 0x00}); tag++ {
		stored++
	}
	assert.Equal(t, 1<<20/60000, stored)
	f.expect("00 DB A0 10 04 DF 24 01 00", "9000") // a shorter value
	assert.Equal(t, []byte{0x90, 0x00}, put(0x60))
	plain := newSelected(t, gids.Config{})
	plain.verifyPIN()
	for tag := 0x24; tag < 0x24+27; tag++ {
		plain.expect(fmt.Sprintf("00 DB A0 10 03 DF %02X 00", tag), "9000")
	}
	plain.expect("00 DB A0 10 03 DF 60 00", "6A84") // 30, as on the GidsApplet
}
