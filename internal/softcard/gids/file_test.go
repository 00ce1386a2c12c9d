package gids_test

import (
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/stretchr/testify/assert"
)

func TestFileErrors(t *testing.T) {
	f := newSelected(t, gids.Config{})
	f.verifyPIN()
	for command, want := range map[string]string{
		"00 E0 01 00 02 62 00":                               "6A86",
		"00 E0 00 00 02 63 00":                               "6984",
		"00 E0 00 00 02 62 00":                               "6984",
		"00 E0 00 00 09 62 07 82 01 38 83 02 A0 20":          "6984", // kind of an application
		"00 E0 00 00 09 62 07 82 01 39 83 02 3F FF":          "6984",
		"00 E0 00 00 0C 62 0A 82 01 39 83 02 A0 20 8C 01 03": "6984", // missing conditions
		"00 E0 00 00 0B 62 09 82 01 39 83 02 A0 20 8C 00":    "6984",
		"00 44 01 00":       "6A86",
		"00 44 00 00 01 00": "6700",
		"00 E4 01 00":       "6A86",
		"00 E6 01 00":       "6A86",
		"00 02 00 00":       "6D00",
	} {
		f.expect(command, want)
	}
	f.expect("00 E0 00 00 09 62 07 82 01 39 83 02 A0 20", "9000") // no conditions
	f.expect("00 44 00 00", "9000")
	f.expect("00 20 00 82", "9000")
	f.expect("00 E6 00 00", "6982")
	f.expect("00 DB A0 20 03 DF 24 00", "9000") // always allowed
	f.verifyPIN()
	created := 0
	for i := range 200 {
		if answer := f.send(fmt.Sprintf("00 E0 00 00 09 62 07 82 01 39 83 02 C0 %02X", i)); answer[0] == 0x90 {
			created++
		}
	}
	assert.Less(t, created, 160, "maxFiles")
}
