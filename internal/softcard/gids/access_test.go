package gids_test

import (
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/stretchr/testify/assert"
)

// TestConditions creates files with every kind of condition.
func TestConditions(t *testing.T) {
	for _, test := range []struct{ condition, allowed string }{
		{"00", "none PIN administrator"},
		{"FF", ""},
		{"10", "PIN"},
		{"90", "PIN"},
		{"20", "administrator"},
		{"A0", "administrator"},
		{"30", "PIN administrator"},
		{"B0", ""},    // both
		{"11", "PIN"}, // over contacts
		{"12", ""},    // contactless
		{"02", ""},
		{"01", "none PIN administrator"},
	} {
		for _, authenticated := range []string{"none", "PIN", "administrator"} {
			t.Run(test.condition+" "+authenticated, func(t *testing.T) {
				f := newSelected(t, gids.Config{})
				f.verifyPIN()
				f.expect("00 E0 00 00 0D 62 0B 82 01 39 83 02 A0 20 8C 02 02 "+test.condition, "9000")
				f.expect("00 44 00 00", "9000")
				f.expect("00 20 00 82", "9000")
				switch authenticated {
				case "PIN":
					f.verifyPIN()
				case "administrator":
					f.authenticateAdmin()
				}
				want := "6982"
				if strings.Contains(test.allowed, authenticated) {
					want = "9000"
				}
				f.expect("00 DB A0 20 03 DF 30 00", want)
			})
		}
	}
	f := newSelected(t, gids.Config{})
	f.verifyPIN()
	f.expect("00 E0 00 00 0D 62 0B 82 01 39 83 02 A0 20 8C 02 02 B0", "9000")
	f.expect("00 44 00 00", "9000")
	f.authenticateAdmin()
	f.expect("00 DB A0 20 03 DF 30 00", "9000") // PIN and administrator
	f.expect("00 CB A0 20 04 5C 02 DF 30 00", "DF 30 00 9000")
}

// TestAccess reads and writes a file of each kind.
func TestAccess(t *testing.T) {
	for _, authenticated := range []string{"none", "PIN", "administrator"} {
		for _, test := range []struct{ file, get, put string }{
			{"A000", "none PIN administrator", "PIN administrator"},
			{"A010", "none PIN administrator", "PIN administrator"},
			{"A011", "", "PIN administrator"},
			{"A012", "none PIN administrator", "administrator"},
			{"A013", "PIN administrator", "PIN administrator"},
			{"A014", "administrator", "administrator"},
		} {
			t.Run(authenticated+" "+test.file, func(t *testing.T) {
				f := newSelected(t, gids.Config{})
				f.app.PutObject(uint16(decode(t, test.file)[0])<<8|uint16(decode(t, test.file)[1]), 0xDF70, []byte{7})
				switch authenticated {
				case "PIN":
					f.verifyPIN()
				case "administrator":
					f.authenticateAdmin()
				}
				want := func(allowed, success string) string {
					if strings.Contains(allowed, authenticated) {
						return success
					}
					return "6982"
				}
				f.expect("00 CB "+test.file+" 04 5C 02 DF 70 00", want(test.get, "DF 70 01 07 9000"))
				f.expect("00 DB "+test.file+" 04 DF 70 01 08", want(test.put, "9000"))
				f.expect("00 20 00 82", "9000")
				if test.file != "A010" && test.file != "A000" && test.file != "A012" {
					f.expect("00 CB "+test.file+" 04 5C 02 DF 70 00", "6982")
				}
			})
		}
	}
}

func TestDeleteFileRights(t *testing.T) {
	f := newSelected(t, gids.Config{})
	f.verifyPIN()
	f.expect("00 E0 00 00 0D 62 0B 82 01 39 83 02 A0 20 8C 02 40 FF", "9000")
	f.expect("00 E4 00 00", "6985") // not activated
	f.expect("00 44 00 00", "9000")
	f.expect("00 E4 00 00", "6982") // never
	f.expect("00 E0 00 00 0D 62 0B 82 01 39 83 02 A0 21 8C 02 40 00", "9000")
	f.expect("00 44 00 00", "9000")
	f.expect("00 20 00 82", "9000")
	f.expect("00 DB A0 21 03 DF 30 00", "6982") // mode without a condition
	f.expect("00 E4 00 00", "9000")             // always
	f.expect("00 A4 00 0C 02 A0 21", "6A82")
}

func TestInitializationRights(t *testing.T) {
	f := newSelected(t, gids.Config{Blank: true})
	f.expect("00 E0 00 00 0E 62 0C 82 01 39 83 02 A0 11 8C 03 03 20 FF", "9000")
	f.expect("00 44 00 00", "9000")
	f.expect("00 DB A0 11 03 DF 30 00", "9000")
	f.expect("00 CB A0 11 04 5C 02 DF 30 00", "6982")
	f.expect("00 24 01 80 06 313233343536", "9000")
	f.verifyPIN()
	f.expect("00 A4 00 0C 01 3F", "6700")
	f.expect("00 A4 00 0C", "9000") // the application
	f.expect("00 44 00 00", "9000")
	assert.False(t, f.app.Tries().Verified, "ACTIVATE FILE ends the authentication")
}
