package gids_test

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A bench is a card to which commands are given in hexadecimal.
type bench struct {
	t   *testing.T
	app *gids.Application
	*iso.Card
}

func newBench(t *testing.T, c gids.Config) *bench {
	t.Helper()
	app := gids.New(c)
	return &bench{t, app, iso.New(iso.Config{}, app)}
}

// selected has the application current.
func selected(t *testing.T, c gids.Config) *bench {
	t.Helper()
	b := newBench(t, c)
	b.is("00 A4 04 0C 09 A00000039742544659", "9000")
	return b
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	require.NoError(t, err)
	return b
}

// send sends a command.
func (b *bench) send(command string) []byte {
	b.t.Helper()
	return b.Transmit(decode(b.t, command))
}

// is sends a command and looks at the whole answer.
func (b *bench) is(command, want string) {
	b.t.Helper()
	assert.Equal(b.t, fmt.Sprintf("%X", decode(b.t, want)), fmt.Sprintf("%X", b.send(command)), command)
}

func (b *bench) verify() {
	b.t.Helper()
	b.is("00 20 00 80 06 313233343536", "9000")
}

// admin proves to be the administrator.
func (b *bench) admin() {
	b.t.Helper()
	b.is("00 22 81 A4 03 83 01 80", "9000")
	answer := b.send("00 87 00 00 04 7C 02 81 00 00")
	require.Len(b.t, answer, 14)
	response := tripleDES(b.t, answer[4:12], true)
	b.is(fmt.Sprintf("00 87 00 00 0C 7C 0A 82 08 %X", response), "9000")
}

func TestSelect(t *testing.T) {
	b := newBench(t, gids.Config{})
	b.is("00 A4 04 00 09 A00000039742544659 00", "61 12 4F 0B A00000039742544659 02 01 73 03 40 01 C0 9000")
	b.is("00 A4 04 04 09 A00000039742544659 00", "62 08 82 01 38 8C 03 03 30 30 9000")
	b.is("00 A4 04 08 09 A00000039742544659 00", "64 09 5F 2F 01 60 7F 65 02 80 00 9000")
	b.is("00 A4 04 0C 09 A00000039742544659", "9000")
	b.is("00 A4 04 01 09 A00000039742544659", "6A86")
	b.is("00 A4 00 0C 02 3F FF", "9000")
	b.is("00 A4 00 04 02 A0 10 00", "62 0C 82 01 39 83 02 A0 10 8C 03 03 30 00 9000")
	b.is("00 A4 00 0C 02 B0 81", "6A82")
	b.is("00 A4 00 0C 03 B0 81 00", "6700")
	b.is("00 A4 01 0C 02 B0 80", "6A86")
	tpm := newBench(t, gids.Config{TPM: true})
	tpm.is("00 A4 04 00 09 A00000039742544659 00", "61 12 4F 0B A00000039742544659 04 01 73 03 40 01 C0 9000")
	quiet := newBench(t, gids.Config{Quirks: gids.Quirks{NoProperties: true}})
	quiet.is("00 A4 04 00 09 A00000039742544659 00", "9000")
}

func TestNewCard(t *testing.T) {
	b := selected(t, gids.Config{CardID: [16]byte{0: 0x11, 15: 0xFF}})
	b.is("00 CB A0 00 04 5C 02 DF 1F 00", `DF 1F 81 8D 01
		6D7363700000000000 000000000000000000 0000 00000000 00A00000
		000000000000000000 636172646964000000 0000 20DF0000 12A00000
		000000000000000000 636172646170707300 0000 21DF0000 10A00000
		000000000000000000 636172646366000000 0000 22DF0000 10A00000
		6D7363700000000000 636D617066696C6500 0000 23DF0000 10A00000 9000`)
	b.is("00 CB A0 10 04 5C 02 DF 21 00", "DF 21 08 6D 73 63 70 00 00 00 00 9000")
	b.is("00 CB A0 10 04 5C 02 DF 22 00", "DF 22 06 00 00 00 00 00 00 9000")
	b.is("00 CB A0 10 04 5C 02 DF 23 00", "DF 23 00 9000")
	b.is("00 CB A0 12 04 5C 02 DF 20 00", "DF 20 10 11 000000000000000000000000 0000 FF 9000")
	b.is("00 CB 3F FF 04 5C 02 7F 71 00", "7F 71 06 97 01 03 93 01 03 9000")
	b.is("00 CB 3F FF 04 5C 02 7F 72 00", "7F 72 06 97 01 03 93 01 03 9000")
	b.is("00 CB 3F FF 04 5C 02 7F 73 00", "6A88")
	b.is("00 CB 2F 01 02 5C 00 00", fmt.Sprintf("43 01 F4 47 03 08 01 80 46 0A %X 9000", "smartlogon"))
	b.is("00 CB A0 10 02 5C 00 00", "DF 21 08 6D 73 63 70 00 00 00 00 DF 22 06 00 00 00 00 00 00 DF 23 00 9000")
}

func TestGetData(t *testing.T) {
	b := selected(t, gids.Config{})
	require.NoError(t, b.app.Put("kxc00", testkeys.RSA(1024, 0), nil))
	b.is("00 CB 00 00 04 5C 02 DF 1F 00", "6981") // no file is current
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
		"00 CB A0 13 04 5C 02 DF 1F 00":                   "6982", // not by anybody
		"00 CB 3F FF 04 5C 02 7F 69 00":                   "6984",
		"00 CB 3F FF 02 5C 00 00":                         "6984",
		"00 CB 3F FF 0A 70 08 84 01 82 A5 03 7F 49 80 00": "6984", // there is no such key file
		"00 CB 3F FF 0A 70 08 84 01 80 A5 03 7F 49 80 00": "6982", // the administrator's
		"00 CB 3F FF 07 70 05 A5 03 7F 49 80 00":          "6984",
	} {
		b.is(command, want)
	}
	b.is("00 CB 3F FF 0A 70 08 84 01 81 A5 03 7F 49 80 00", fmt.Sprintf("7F 49 81 88 81 81 80 %X 82 03 01 00 01 9000", testkeys.RSA(1024, 0).N.Bytes()))
	b.is("00 A4 00 0C 02 A0 12", "9000")
	assert.Len(t, b.send("00 CB 00 00 04 5C 02 DF 20 00"), 3+16+2, "the current file")
}

// Who may do what, in a file of each kind.
func TestAccess(t *testing.T) {
	for _, who := range []string{"nobody", "holder", "administrator"} {
		for _, test := range []struct{ file, get, put string }{
			{"A000", "nobody holder administrator", "holder administrator"},
			{"A010", "nobody holder administrator", "holder administrator"},
			{"A011", "", "holder administrator"},
			{"A012", "nobody holder administrator", "administrator"},
			{"A013", "holder administrator", "holder administrator"},
			{"A014", "administrator", "administrator"},
		} {
			t.Run(who+" "+test.file, func(t *testing.T) {
				b := selected(t, gids.Config{})
				b.app.PutObject(uint16(decode(t, test.file)[0])<<8|uint16(decode(t, test.file)[1]), 0xDF70, []byte{7})
				switch who {
				case "holder":
					b.verify()
				case "administrator":
					b.admin()
				}
				want := func(who2, yes string) string {
					if strings.Contains(who2, who) {
						return yes
					}
					return "6982"
				}
				b.is("00 CB "+test.file+" 04 5C 02 DF 70 00", want(test.get, "DF 70 01 07 9000"))
				b.is("00 DB "+test.file+" 04 DF 70 01 08", want(test.put, "9000"))
				b.is("00 20 00 82", "9000")
				if test.file != "A010" && test.file != "A000" && test.file != "A012" {
					b.is("00 CB "+test.file+" 04 5C 02 DF 70 00", "6982")
				}
			})
		}
	}
}

func TestPutData(t *testing.T) {
	b := selected(t, gids.Config{MaxObjects: 5})
	b.verify()
	b.is("00 DB A0 10 05 DF 24 02 01 02", "9000")
	b.is("00 CB A0 10 04 5C 02 DF 24 00", "DF 24 02 01 02 9000")
	b.is("10 DB A0 10 04 DF 24 04 01", "9000")
	b.is("00 DB A0 10 03 02 03 04", "9000")
	b.is("00 CB A0 10 04 5C 02 DF 24 00", "DF 24 04 01 02 03 04 9000")
	b.is("00 DB A0 10 03 DF 24 00", "9000")
	b.is("00 CB A0 10 04 5C 02 DF 24 00", "DF 24 00 9000")
	b.is("00 DB A0 10 03 DF 24 00", "9000") // twice
	b.is("00 CB A0 10 04 5C 02 DF 24 00", "6A88")
	b.is("00 DB A0 10 03 DF 30 00", "9000")
	b.is("00 DB A0 10 03 DF 31 00", "9000")
	b.is("00 DB A0 10 03 DF 32 00", "6A84")
	b.is("00 DB A0 10 03 DF 32 05", "6984")
	b.is("00 DB A0 99 03 DF 32 00", "6A82")
	b.is("00 DB FF FF 03 DF 32 00", "6A86")
	b.is("00 DB B0 80 03 DF 32 00", "6981")
}

func TestPIN(t *testing.T) {
	b := selected(t, gids.Config{})
	b.is("00 20 00 80", "63C3")
	b.is("00 20 00 80 06 303030303030", "63C2")
	b.is("00 20 00 80 03 303030", "63C2") // too short to be one
	b.is("00 20 00 80 11 3030303030303030303030303030303030", "63C2")
	assert.Equal(t, gids.Tries{Left: 2, Spent: 1}, b.app.Tries())
	b.verify()
	assert.Equal(t, gids.Tries{Left: 3, Spent: 1, Verified: true}, b.app.Tries())
	b.is("00 20 00 80", "63C3") // even so
	b.is("00 20 00 82", "9000")
	assert.False(t, b.app.Tries().Verified)
	b.is("00 20 00 82 01 00", "6700")
	b.is("00 20 00 83", "6A88")
	b.is("00 20 01 80", "6A86")
	for _, want := range []string{"63C2", "63C1", "63C0", "6983"} {
		b.is("00 20 00 80 06 303030303030", want)
	}
	b.is("00 20 00 80 06 313233343536", "6983")
	b.is("00 CB 3F FF 04 5C 02 7F 71 00", "7F 71 06 97 01 00 93 01 03 9000")
	b.is("00 24 00 80 0A 31323334353631323334", "6983")
}

func TestQuirksOfThePIN(t *testing.T) {
	b := selected(t, gids.Config{Quirks: gids.Quirks{PlainRetries: true, OldTries: true, NoLogout: true, EmptyVerify: iso.WrongLength, SelectKeeps: true}})
	b.is("00 20 00 80", "6700")
	b.is("00 20 00 80 06 303030303030", "6302")
	b.is("00 CB 3F FF 04 5C 02 7F 71 00", "7F 71 07 9F 17 01 02 93 01 03 9000")
	b.is("00 20 00 82", "6A88")
	b.verify()
	b.is("00 A4 04 0C 09 A00000039742544659", "9000")
	assert.True(t, b.app.Tries().Verified)
	b = selected(t, gids.Config{Quirks: gids.Quirks{NoStatus: true}})
	b.verify()
	b.is("00 CB 3F FF 04 5C 02 7F 71 00", "6A88")
	b.is("00 A4 04 0C 09 A00000039742544659", "9000")
	assert.False(t, b.app.Tries().Verified)
}

func TestChangeOfThePIN(t *testing.T) {
	b := selected(t, gids.Config{PUK: "87654321"})
	b.is("00 24 00 80 0A 31323334353631323334", "9000")
	b.is("00 20 00 80 04 31323334", "9000")
	b.is("00 24 00 80 08 3030303031323334", "63C2")
	b.is("00 24 00 80 07 31323334313233", "63C2") // they cannot be two: that costs nothing
	b.is("00 24 00 80 21 "+strings.Repeat("31", 33), "63C2")
	b.is("00 24 00 80 15 31323334"+strings.Repeat("31", 17), "6A80") // the new one is too long
	b.is("00 20 00 80 04 31323334", "9000")
	b.is("00 20 00 82", "9000")
	b.is("00 24 01 80 06 313233343536", "6982")
	b.is("00 20 00 80 04 31323334", "9000")
	b.is("00 24 01 80 06 313233343536", "9000") // whoever is the holder may
	b.is("00 24 02 80 06 313233343536", "6A86")
	b.is("00 24 00 82 06 313233343536", "6A88")
	b.is("00 24 00 81 10 3837363534333231 3132333435363738", "9000")
	b.is("00 CB 3F FF 04 5C 02 7F 73 00", "7F 73 06 97 01 03 93 01 03 9000")
	b.is("00 2C 00 80 0C 3837363534333231 30303030", "63C2")
	b.is("00 2C 00 80 0C 3132333435363738 30303030", "9000")
	b.is("00 20 00 80 04 30303030", "9000")
	none := selected(t, gids.Config{})
	none.is("00 2C 00 80 0C 3837363534333231 30303030", "6A86")
	none.is("00 2C 01 80 04 30303030", "6A86")
	none.is("00 2C 02 80 04 30303030", "6982")
	none.is("00 2C 02 81 04 30303030", "6A88")
	none.is("00 24 00 81 10 3837363534333231 3132333435363738", "6A88")
	none.admin()
	none.is("00 2C 02 80 03 303030", "6A80")
	none.is("00 2C 02 80 04 30303030", "9000")
	none.is("00 2C 02 80 04 30303030", "6982") // nobody is anybody afterwards
	none.is("00 20 00 80 04 30303030", "9000")
}

func TestThatCardsForget(t *testing.T) {
	b := selected(t, gids.Config{})
	for _, forget := range []func(){b.Reset, func() { b.is("00 20 00 82", "9000") }} {
		b.verify()
		b.admin()
		forget()
		b.is("00 A4 04 0C 09 A00000039742544659", "9000")
		b.is("00 DB A0 10 03 DF 24 00", "6982")
		b.is("00 DB A0 14 03 DF 24 00", "6982")
	}
}

func TestPersonalisation(t *testing.T) {
	app := gids.New(gids.Config{})
	key := testkeys.RSA(2048, 0)
	for _, name := range []string{"kxc00", "ksc02"} {
		require.NoError(t, app.Put(name, key, []byte{0x30, 0x03, 0x02, 0x01, 0x05}))
	}
	file := app.File("mscp", "kxc00")
	assert.Equal(t, decode(t, "01 00 05 00 78 DA"), file[:6])
	for _, packed := range [][]byte{file[4:], decode(t, "78 DA 33 60 66 62 64 05 00 01 0E 00 3C")} { // as Windows packs it
		z, err := zlib.NewReader(bytes.NewReader(packed))
		require.NoError(t, err)
		plain, err := io.ReadAll(z)
		require.NoError(t, err)
		assert.Equal(t, []byte{0x30, 0x03, 0x02, 0x01, 0x05}, plain)
	}
	m := app.File("mscp", "cmapfile")
	require.Len(t, m, 3*86)
	assert.Equal(t, decode(t, "03 00 0000 0008"), m[80:86])
	assert.Equal(t, make([]byte, 86), m[86:172], "a gap")
	assert.Equal(t, decode(t, "01 00 0008 0000"), m[172+80:])
	assert.Equal(t, decode(t, "01 01000000 07 9A 81B0 FFFF 0000 00000000 00 00 FFFF FFFF 0000 01000000 07 9C 83B0 FFFF 0000"), app.Object(0xA000, 0xDF20))
	assert.Equal(t, decode(t, "00 00 0200 0200"), app.File("", "cardcf"))
	require.NoError(t, app.SetDefault("ksc02"))
	m = app.File("mscp", "cmapfile")
	assert.Equal(t, []byte{1, 3}, []byte{m[80], m[172+80]})

	for _, test := range []struct {
		name string
		key  crypto.PrivateKey
	}{{"kxc", key}, {"abc00", key}, {"kxc7F", key}, {"kxcXX", key}, {"kxc00", testkeys.Ed25519()}, {"kxc00", 7}} {
		assert.Error(t, app.Put(test.name, test.key, nil), test)
	}
	assert.Error(t, app.SetDefault("kxc55"))
	assert.Error(t, app.SetDefault("kxc01"), "a gap")
	assert.Error(t, app.SetDefault("x"))
	assert.Error(t, gids.New(gids.Config{Blank: true}).Put("kxc00", key, nil))

	decimal := gids.New(gids.Config{Quirks: gids.Quirks{DecimalNames: true, PlainCertificates: true, NoKeyMap: true}})
	require.NoError(t, decimal.Put("kxc0A", nil, []byte{0x30, 0x00}))
	require.NoError(t, decimal.Put("kxc0A", key, nil))
	assert.Equal(t, []byte{0x30, 0x00}, decimal.File("mscp", "kxc10"))
	assert.Nil(t, decimal.Object(0xA000, 0xDF20))
	assert.Nil(t, decimal.File("mscp", "kxc0A"))
	decimal.PutObject(0xA000, 0xDF1F, nil)
	assert.Nil(t, decimal.File("mscp", "kxc10"))
	decimal.PutObject(0xA099, 0xDF1F, []byte{1})
	assert.Equal(t, []byte{1}, decimal.Object(0xA099, 0xDF1F))
	assert.Nil(t, decimal.Object(0xA098, 0xDF1F))
	assert.True(t, bytes.Equal(decimal.AID(), app.AID()))
}
