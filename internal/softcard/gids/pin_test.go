package gids_test

import (
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/stretchr/testify/assert"
)

func TestPIN(t *testing.T) {
	f := newSelected(t, gids.Config{})
	f.expect("00 20 00 80", "63C3")
	f.expect("00 20 00 80 06 303030303030", "63C2")
	f.expect("00 20 00 80 03 303030", "63C2") // too short
	f.expect("00 20 00 80 11 3030303030303030303030303030303030", "63C2")
	assert.Equal(t, gids.Tries{Left: 2, Spent: 1}, f.app.Tries())
	f.verifyPIN()
	assert.Equal(t, gids.Tries{Left: 3, Spent: 1, Verified: true}, f.app.Tries())
	f.expect("00 20 00 80", "63C3") // although verified
	f.expect("00 20 00 82", "9000")
	assert.False(t, f.app.Tries().Verified)
	f.expect("00 20 00 82 01 00", "6700")
	f.expect("00 20 00 83", "6A88")
	f.expect("00 20 01 80", "6A86")
	for _, want := range []string{"63C2", "63C1", "63C0", "6983"} {
		f.expect("00 20 00 80 06 303030303030", want)
	}
	f.expect("00 20 00 80 06 313233343536", "6983")
	f.expect("00 CB 3F FF 04 5C 02 7F 71 00", "7F 71 06 97 01 00 93 01 03 9000")
	f.expect("00 24 00 80 0A 31323334353631323334", "6983")
}

func TestPINQuirks(t *testing.T) {
	f := newSelected(t, gids.Config{Quirks: gids.Quirks{PlainRetries: true, OldTries: true, NoLogout: true, EmptyVerify: iso.WrongLength, SelectKeeps: true}})
	f.expect("00 20 00 80", "6700")
	f.expect("00 20 00 80 06 303030303030", "6302")
	f.expect("00 CB 3F FF 04 5C 02 7F 71 00", "7F 71 07 9F 17 01 02 93 01 03 9000")
	f.expect("00 20 00 82", "6A88")
	f.verifyPIN()
	f.expect("00 A4 04 0C 09 A00000039742544659", "9000")
	assert.True(t, f.app.Tries().Verified)
	f = newSelected(t, gids.Config{Quirks: gids.Quirks{NoStatus: true}})
	f.verifyPIN()
	f.expect("00 CB 3F FF 04 5C 02 7F 71 00", "6A88")
	f.expect("00 A4 04 0C 09 A00000039742544659", "9000")
	assert.False(t, f.app.Tries().Verified)
}

func TestChangePIN(t *testing.T) {
	f := newSelected(t, gids.Config{PUK: "87654321"})
	f.expect("00 24 00 80 0A 31323334353631323334", "9000")
	f.expect("00 20 00 80 04 31323334", "9000")
	f.expect("00 24 00 80 08 3030303031323334", "63C2")
	f.expect("00 24 00 80 07 31323334313233", "63C2") // too short for two PINs: no try is spent
	f.expect("00 24 00 80 21 "+strings.Repeat("31", 33), "63C2")
	f.expect("00 24 00 80 15 31323334"+strings.Repeat("31", 17), "6A80") // new PIN too long
	f.expect("00 20 00 80 04 31323334", "9000")
	f.expect("00 20 00 82", "9000")
	f.expect("00 24 01 80 06 313233343536", "6982")
	f.expect("00 20 00 80 04 31323334", "9000")
	f.expect("00 24 01 80 06 313233343536", "9000") // with a verified PIN
	f.expect("00 24 02 80 06 313233343536", "6A86")
	f.expect("00 24 00 82 06 313233343536", "6A88")
	f.expect("00 24 00 81 10 3837363534333231 3132333435363738", "9000")
	f.expect("00 CB 3F FF 04 5C 02 7F 73 00", "7F 73 06 97 01 03 93 01 03 9000")
	f.expect("00 2C 00 80 0C 3837363534333231 30303030", "63C2")
	f.expect("00 2C 00 80 0C 3132333435363738 30303030", "9000")
	f.expect("00 20 00 80 04 30303030", "9000")
	none := newSelected(t, gids.Config{})
	none.expect("00 2C 00 80 0C 3837363534333231 30303030", "6A86")
	none.expect("00 2C 01 80 04 30303030", "6A86")
	none.expect("00 2C 02 80 04 30303030", "6982")
	none.expect("00 2C 02 81 04 30303030", "6A88")
	none.expect("00 24 00 81 10 3837363534333231 3132333435363738", "6A88")
	none.authenticateAdmin()
	none.expect("00 2C 02 80 03 303030", "6A80")
	none.expect("00 2C 02 80 04 30303030", "9000")
	none.expect("00 2C 02 80 04 30303030", "6982") // the reset ended the authentication
	none.expect("00 20 00 80 04 30303030", "9000")
}

func TestTPMPINLength(t *testing.T) {
	f := newSelected(t, gids.Config{TPM: true})
	f.expect("00 20 00 80 07 31323334353637", "63C3") // too short
	f.expect("00 24 00 80 87 3132333435363738"+strings.Repeat("41", 127), "9000")
	assert.True(t, f.app.Tries().Verified, "CHANGE REFERENCE DATA verifies the PIN")
	f.expect("00 20 00 80 7F"+strings.Repeat("41", 127), "9000")
	f.expect("00 20 00 00 7F"+strings.Repeat("42", 127), "63C2") // reference 00 is the same PIN
	f.expect("00 20 00 80 80"+strings.Repeat("41", 128), "63C2")
}

func TestLockout(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	f := newSelected(t, gids.Config{TPM: true, Lockout: 10 * time.Minute, Now: func() time.Time { return now }})
	right, wrong := "00 20 00 80 08 3132333435363738", "00 20 00 80 08 3030303030303030"
	f.expect(right, "9000")
	for _, want := range []string{"63C2", "63C1", "63C0", "6983"} {
		f.expect(wrong, want)
	}
	now = now.Add(10*time.Minute - 1)
	f.expect(right, "6983")
	f.authenticateAdmin()
	f.expect("00 2C 02 80 08 3837363534333231", "9000")
	f.expect("00 20 00 80 08 3837363534333231", "6983") // a new PIN does not end the lockout
	now = now.Add(1)
	f.expect("00 20 00 80", "63C1")
	f.expect("00 20 00 80 08 3837363534333231", "9000")
	assert.Equal(t, gids.Tries{Left: 3, Spent: 3, Verified: true}, f.app.Tries())
	f.expect(wrong, "63C2")
	now = now.Add(1000 * time.Hour)
	assert.Equal(t, 3, f.app.Tries().Left)
	f.app.SetTriesLeft(0)
	f.expect(wrong, "6983")
	now = now.Add(20 * time.Minute)
	assert.Equal(t, 2, f.app.Tries().Left)
	f.app.SetTriesLeft(-1)
	assert.Zero(t, f.app.Tries().Left)
}
