package piv_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// Commands for many tests, with the PIN of the zero Config.
const (
	selectPIV = "00a4040005a000000308"
	verifyPIN = "0020008008313233343536ffff"
	wrongPIN  = "0020008008393939393939ffff"
	queryPIN  = "00200080"
	logout    = "0020ff80"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// A card is a software card with the PIV application selected. Commands and
// responses are hexadecimal.
type card struct {
	t   testing.TB
	app *piv.Application
	iso *iso.Card
}

func newCard(t testing.TB, config piv.Config, others ...iso.Application) *card {
	t.Helper()
	app := piv.New(config)
	c := &card{t, app, iso.New(iso.Config{}, append([]iso.Application{app}, others...)...)}
	require.Equal(t, "9000", status(c.send(selectPIV)))
	return c
}

// send sends a command and returns the response.
func (c *card) send(command string) string {
	c.t.Helper()
	return hex.EncodeToString(c.iso.Transmit(unhex(c.t, command)))
}

// status returns the status word of a response.
func status(resp string) string { return resp[len(resp)-4:] }

// command returns a command with extended lengths and the largest Le.
func command(ins, p1, p2 byte, data []byte) string {
	c := iso.Command{INS: ins, P1: p1, P2: p2, Data: data, Ne: 65536, Extended: true}
	return hex.EncodeToString(c.Append(nil))
}

func tlv(tag ber.Tag, values ...[]byte) []byte {
	var all []byte
	for _, v := range values {
		all = append(all, v...)
	}
	return ber.Append(nil, tag, all)
}

// getDataCommand returns the GET DATA of an object.
func getDataCommand(tag uint32) string {
	header := ber.AppendHeader(nil, ber.Tag(tag), 0)
	return command(0xCB, 0x3F, 0xFF, tlv(0x5C, header[:len(header)-1]))
}

func TestSelect(t *testing.T) {
	tests := []struct {
		name   string
		config piv.Config
		want   string
	}{
		{"full identifier", piv.Config{}, "61164f0ba000000308000010000100" + "79074f05a000000308" + "9000"},
		{"PIX only", piv.Config{Quirks: piv.Quirks{SelectWithPIX: true}}, "61114f06000010000100" + "79074f05a000000308" + "9000"},
		{"label", piv.Config{Label: "Test"}, "611c4f0ba000000308000010000100" + "79074f05a000000308" + "500454657374" + "9000"},
		{"algorithms", piv.Config{Algorithms: []piv.Algorithm{piv.RSA2048, piv.P256}}, "61214f0ba000000308000010000100" + "79074f05a000000308" + "ac09800107800111060100" + "9000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t, tt.config)
			assert.Equal(t, tt.want, c.send("00a4040009a0000003080000100000"))
			assert.Equal(t, tt.want, c.send("00a404000ba00000030800001000010000"))
			assert.Equal(t, "6a82", c.send("00a404000ba00000030800001000020000"), "identifier of another version")
		})
	}
	c := newCard(t, piv.Config{})
	assert.Equal(t, "6a86", c.send("00a4040405a000000308"), "P2 04 requests file control parameters")
	assert.Equal(t, "6a86", c.send("00a40000023f00"), "the master file")
	assert.Equal(t, "6d00", c.send("00fd0000"), "GET VERSION is Yubico's")
}

// TestSecurityStatusLifetime follows the table of SP 800-73-4 part 2, 3.1.1: the
// effect of SELECT and reset on the security status.
func TestSecurityStatusLifetime(t *testing.T) {
	other := func() iso.Application { return iso.NewBystander([]byte{0xF1, 1, 2, 3, 4}, []byte("1")) }
	const selectOther = "00a4040005f101020304"
	config := piv.Config{GlobalPIN: "87654321"}
	const queryGlobal = "00200000"
	tests := []struct {
		name        string
		event       func(c *card)
		pin, global string
	}{
		{"no event", func(*card) {}, "9000", "9000"},
		{"SELECT by partial name", func(c *card) { c.send(selectPIV) }, "9000", "9000"},
		{"SELECT by full name", func(c *card) { c.send("00a404000ba000000308000010000100") }, "9000", "9000"},
		{"SELECT of a missing application", func(c *card) { c.send("00a4040005f900000000") }, "9000", "9000"},
		{"SELECT of another application and back", func(c *card) { c.send(selectOther); c.send(selectPIV) }, "63c3", "9000"},
		{"reset", func(c *card) { c.iso.Reset(); c.send(selectPIV) }, "63c3", "63c3"},
		{"logout", func(c *card) { c.send(logout) }, "63c3", "9000"},
		{"logout of the global PIN", func(c *card) { c.send("0020ff00") }, "9000", "63c3"},
		{"wrong PIN", func(c *card) { c.send(wrongPIN) }, "63c2", "9000"},
		{"badly formatted PIN", func(c *card) { c.send("002000800431323334") }, "9000", "9000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t, config, other())
			require.Equal(t, "9000", c.send(verifyPIN))
			require.Equal(t, "9000", c.send("00200000083837363534333231"))
			tt.event(c)
			assert.Equal(t, tt.pin, c.send(queryPIN))
			assert.Equal(t, tt.global, c.send(queryGlobal))
			assert.Equal(t, tt.pin == "9000", c.app.Tries(0x80).Verified)
			assert.Equal(t, tt.global == "9000", c.app.Tries(0x00).Verified)
		})
	}
}

// objects returns the 36 objects of SP 800-73-4 part 1, table 2, with their
// access rules.
func objects() map[uint32]string {
	all := map[uint32]string{
		0x5FC107: "always, VCI", 0x5FC102: "always", 0x5FC105: "always, VCI", 0x5FC103: "PIN, VCI", 0x5FC106: "always, VCI",
		0x5FC108: "PIN, VCI", 0x5FC101: "always", 0x5FC10A: "always, VCI", 0x5FC10B: "always, VCI", 0x5FC109: "PIN, VCI",
		0x7E: "always", 0x5FC10C: "always, VCI", 0x5FC121: "PIN, VCI", 0x7F61: "always", 0x5FC122: "always", 0x5FC123: "PIN, VCI",
	}
	for tag := uint32(0x5FC10D); tag <= 0x5FC120; tag++ {
		all[tag] = "always, VCI"
	}
	return all
}

func TestObjectAccessRules(t *testing.T) {
	require.Len(t, objects(), 36)
	fill := func(c *card) {
		for tag := range objects() {
			if tag != 0x7E {
				c.app.PutObject(tag, []byte{0x01, 0x01, byte(tag)})
			}
		}
	}
	contact := newCard(t, piv.Config{GlobalPIN: "87654321"})
	fill(contact)
	contactless := newCard(t, piv.Config{Contactless: true})
	fill(contactless)
	for tag, rule := range objects() {
		t.Run(fmt.Sprintf("%X", tag), func(t *testing.T) {
			readable := hex.EncodeToString(tlv(0x53, []byte{0x01, 0x01, byte(tag)})) + "9000"
			switch tag {
			case 0x7E:
				readable = "7e124f0ba0000003080000100001005f2f0260109000"
			case 0x7F61:
				readable = "7f61030101619000"
			}
			pin, vci := strings.HasPrefix(rule, "PIN"), strings.HasSuffix(rule, "VCI")
			read := getDataCommand(tag)

			contact.send(logout)
			contact.send("0020ff00")
			want := readable
			if pin {
				want = "6982"
			}
			assert.Equal(t, want, contact.send(read), "without PIN")
			contact.send(verifyPIN)
			assert.Equal(t, readable, contact.send(read), "with the application PIN")
			contact.send(logout)
			contact.send("00200000083837363534333231")
			assert.Equal(t, readable, contact.send(read), "with the global PIN")

			want = readable
			if vci {
				want = "6982"
			} else if tag == 0x7E {
				want = "7e124f0ba0000003080000100001005f2f0240009000"
			}
			assert.Equal(t, want, contactless.send(read), "contactless")
		})
	}
}

func TestGetData(t *testing.T) {
	c := newCard(t, piv.Config{GUID: [16]byte{0xAD, 0x64, 15: 0x44}})
	c.app.PutObject(0x5FC101, []byte{0xFE, 0x00})
	tests := []struct{ name, command, want string }{
		{"CHUID", getDataCommand(0x5FC102), "533b3019d4e739da739ced39ce739d836858210842108421c84210c3eb3410ad640000000000000000000000000044350832303439313233313e00fe009000"},
		{"card capability container", getDataCommand(0x5FC107), "5333f015a000000116ff02ad64000000000000000000000000f10121f20121f300f40100f50110f600f700fa00fb00fc00fd00fe009000"},
		{"discovery object", "00cb3fff035c017e00", "7e124f0ba0000003080000100001005f2f0240009000"},
		{"no Le", "00cb3fff055c035fc101", "5302fe009000"},
		{"missing object", "00cb3fff055c035fc10500", "6a82"},
		{"key history without retired certificates", getDataCommand(0x5FC10C), "6a82"},
		{"object undefined by the standard", getDataCommand(0x5FC124), "6a82"},
		{"object of Yubico", getDataCommand(0x5FFF00), "6a82"},
		{"P1-P2 of another file", "00cb3f00055c035fc10200", "6a86"},
		{"no data", "00cb3fff00", "6a80"},
		{"empty tag list", "00cb3fff025c0000", "6a80"},
		{"tag of four bytes", "00cb3fff065c045fc1020000", "6a80"},
		{"tag padded to three bytes", "00cb3fff055c0300007e00", "6a80"},
		{"two tag lists", "00cb3fff085c017e5c035fc10200", "6a80"},
		{"no tag list", "00cb3fff0553035fc10200", "6a80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, c.send(tt.command)) })
	}
}

func TestPutObjectAcceptsAnyTag(t *testing.T) {
	c := newCard(t, piv.Config{})
	c.app.PutObject(0x5FC104, []byte{0xFE, 0x00})
	assert.Equal(t, "5302fe009000", c.send(getDataCommand(0x5FC104)))
}

func TestPutObjectRemovesWithAnEmptyValue(t *testing.T) {
	c := newCard(t, piv.Config{})
	value := []byte{0xFE, 0x00}
	c.app.PutObject(0x5FC101, value)
	value[0] = 0
	assert.Equal(t, []byte{0xFE, 0x00}, c.app.Object(0x5FC101), "PutObject clones the value")
	c.app.PutObject(0x5FC101, nil)
	assert.Equal(t, "6a82", c.send(getDataCommand(0x5FC101)))
	assert.Nil(t, c.app.Object(0x5FC101))
}

func TestRandomUUID(t *testing.T) {
	first, second := piv.New(piv.Config{}).Object(0x5FC102), piv.New(piv.Config{}).Object(0x5FC102)
	assert.NotEqual(t, first, second)
	guid, ok, err := ber.Find(first, 0x34)
	require.NoError(t, err)
	require.True(t, ok)
	assert.Equal(t, byte(0x40), guid[6]&0xF0, "version 4")
	assert.Equal(t, byte(0x80), guid[8]&0xC0, "variant of RFC 4122")
}

func TestKeyHistoryCountsRetiredCertificates(t *testing.T) {
	c := newCard(t, piv.Config{})
	for n := range byte(20) {
		require.NoError(t, c.app.Put(0x82+n, nil, []byte{0x30, 0x00}))
		want := hex.EncodeToString(tlv(0x53, tlv(0xC1, []byte{n + 1}), tlv(0xC2, []byte{0}), tlv(0xFE))) + "9000"
		assert.Equal(t, want, c.send(getDataCommand(0x5FC10C)))
	}
	c.app.PutObject(0x5FC10D, nil)
	assert.Equal(t, "5308c10113c20100fe009000", c.send(getDataCommand(0x5FC10C)), "a gap is not counted")
	c.app.PutObject(0x5FC10C, unhex(t, "c10103c20100fe00"))
	assert.Equal(t, "5308c10103c20100fe009000", c.send(getDataCommand(0x5FC10C)), "PutObject replaces the computed object")
	require.NoError(t, c.app.Put(0x82, nil, []byte{0x30, 0x00}))
	assert.Equal(t, "5308c10103c20100fe009000", c.send(getDataCommand(0x5FC10C)))
}

func TestConcurrentUse(t *testing.T) {
	c := newCard(t, piv.Config{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				c.iso.Transmit([]byte{0x00, 0x20, 0x00, 0x80})
				c.app.Tries(0x80)
				c.app.Object(0x5FC102)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 201, c.iso.Count().Exchanges)
}
