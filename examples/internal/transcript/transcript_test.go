package transcript

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func bytesOf(text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func getData(object string, ne int) card.Command {
	return card.Command{INS: insGetData, P1: 0x3F, P2: 0xFF, Data: bytesOf(object), Ne: ne}
}

func TestMasks(t *testing.T) {
	for _, test := range []struct {
		name     string
		command  card.Command
		response string
		want     string
	}{
		{"SELECT", card.Command{INS: insSelect, P1: 4, Data: bytesOf("A000000308"), Ne: 256}, "61114F06000010000100 9000", "61114F06000010000100"},
		{"CHUID", getData("5C035FC102", 256), "53 14 30020102 34020304 3508 2020202020202020 3E00 9000", "53143002<2>3402<2>350820202020202020203E00"},
		{"discovery object", getData("5C017E", 256), "5302 4F00 9000", "53024F00"},
		{"certificate", getData("5C035FC105", 256), "53 0A 7003 010203 710100 FE00 9000", "530A7003<3>710100FE00"},
		{"printed information", getData("5C035FC109", 256), "53 06 0101 41 050142 9000", "53060101<1>0501<1>"},
		{"longer tag", getData("5C0400000000", 256), "DF2103 010203 9000", "DF2103<3>"},
		{"table of files", getData("5C02DF1F", 256), "DF1F02 0102 9000", "DF1F020102"},
		{"cut off", getData("5C035FC105", 8), "53820100 7081FC 01 6100", "538201007081FC<1>"},
		{"no elements", getData("5C035FC105", 256), "7080 0102 9000", "7080<2>"},
		{"long lengths", getData("5C035FC105", 256), "5384 0000000101 9000", "5384<5>"},
		{"endless tag", getData("5C035FC105", 256), "FFFFFFFFFFFFFFFFFFFF 9000", "FFFFFFFFFFFFFF<3>"},
		{"metadata of a PIN", card.Command{INS: insMetadata, P2: 0x80, Ne: 256}, "0101FF 050101 06020303 9000", "0101FF05010106020303"},
		{"metadata of a key", card.Command{INS: insMetadata, P2: 0x9A, Ne: 256}, "010107 0404 86020102 9000", "0101070404<4>"},
		{"version", card.Command{INS: insVersion, Ne: 256}, "050403 9000", "050403"},
		{"serial number", card.Command{INS: 0xF8, Ne: 256}, "01020304 9000", "<4>"},
		{"status only", getData("5C035FC105", 256), "6A82", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			response := bytesOf(test.response)
			assert.Equal(t, test.want, maskOf(test.command).hide(response[:len(response)-2]))
		})
	}
}

func TestCommands(t *testing.T) {
	for want, test := range map[string]struct {
		command card.Command
		show    bool
	}{
		"00CB3FFF035C017E00":         {getData("5C017E", 256), false},
		"00CB3FFF0000035C017E0000":   {getData("5C017E", 1<<16), false},
		"00F7009A00":                 {card.Command{INS: 0xF7, P2: 0x9A, Ne: 256}, false},
		"00F7009A000000":             {card.Command{INS: 0xF7, P2: 0x9A, Ne: 1 << 16}, false},
		"00200080":                   {card.Command{INS: 0x20, P2: 0x80}, false},
		"00200080<PIN>":              {card.Command{INS: 0x20, P2: 0x80, Data: []byte{}}, true},
		"0087079A<secret>":           {card.Command{INS: 0x87, P1: 7, P2: 0x9A, Data: []byte{}, Ne: 256}, true},
		"00DB3FFF085C035FC105<3>":    {card.Command{INS: insPutData, P1: 0x3F, P2: 0xFF, Data: bytesOf("5C035FC105 530101")}, false},
		"00DB3FFF085C035FC105530101": {card.Command{INS: insPutData, P1: 0x3F, P2: 0xFF, Data: bytesOf("5C035FC105 530101")}, true},
		"00DB3FFF03<3>":              {card.Command{INS: insPutData, P1: 0x3F, P2: 0xFF, Data: bytesOf("530101")}, false},
		"00470000000100<256>":        {card.Command{INS: 0x47, Data: make([]byte, 256)}, false},
		"00C0000008":                 {card.Command{INS: insGetResponse, Ne: 8}, false},
	} {
		assert.Equal(t, want, hideCommand(test.command, test.show))
	}
}

// record reports exchanges as package card does.
func record(r *Recorder, reader string, c card.Command, response string) {
	r.Trace().Command(reader, c, bytesOf(response), time.Millisecond)
}

func TestRecorder(t *testing.T) {
	const first, second = "Yubico YubiKey [0012345678] 00 00", "ACS ACR1281"
	write := func(all bool) string {
		r := &Recorder{All: all}
		record(r, first, getData("5C035FC105", 256), "5382010870820102 AABB 6104")
		record(r, second, card.Command{INS: 0xF8, Ne: 256}, "01020304 9000")
		record(r, first, card.Command{INS: insGetResponse, Ne: 4}, "CCDDEEFF 9000")
		r.Trace().Command(first, card.Command{INS: insVersion}, nil, 0)
		var out bytes.Buffer
		require.NoError(t, r.Write(&out, []card.Reader{{Name: first, ATR: bytesOf("3B00")}}))
		return regexp.MustCompile(`\d{4}-\d\d-\d\d`).ReplaceAllString(out.String(), "DATE")
	}
	assert.Equal(t, `{"card":"?","atr":"3B00","reader":"Yubico YubiKey [?] 00 00","kind":"recorded","date":"DATE","masked":true}
{"c":"00CB3FFF055C035FC10500","a":"5382010870820102<2>","sw":"6104"}
{"c":"00C0000004","a":"<4>","sw":"9000"}
{"c":"00FD0000","a":"","sw":"none","note":"no response"}
{"card":"?","atr":"","reader":"ACS ACR1281","kind":"recorded","date":"DATE","masked":true}
{"c":"00F8000000","a":"<4>","sw":"9000"}
`, write(false))
	unmasked := write(true)
	assert.Contains(t, unmasked, `"a":"5382010870820102AABB","sw":"6104"`)
	assert.Contains(t, unmasked, `"a":"01020304"`)
	assert.Contains(t, unmasked, `"reader":"Yubico YubiKey [0012345678] 00 00"`)
}

func TestRecorderIsBounded(t *testing.T) {
	r := new(Recorder)
	for range maxLines + 1 {
		record(r, "R", card.Command{INS: insVersion}, "9000")
	}
	var out bytes.Buffer
	assert.ErrorContains(t, r.Write(&out, nil), "more than 20000 exchanges")
	assert.Equal(t, maxLines+1, strings.Count(out.String(), "\n"))
	assert.ErrorIs(t, r.Write(failingWriter{}, nil), errWrite)
}

var errWrite = errors.New("cannot write")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errWrite }

// FuzzElements checks that a mask accounts for each byte, however the response is split,
// and shows only headers and harmless values.
func FuzzElements(f *testing.F) {
	f.Add(bytesOf("5382010870820102AABB"), 4)
	f.Add(bytesOf("533B3019AABB"), 1)
	f.Add(bytesOf("7F4982010981"), 3)
	f.Fuzz(func(t *testing.T, response []byte, at int) {
		whole := (&elements{harmless: harmlessObjects}).hide(response)
		require.Equal(t, len(response), length(t, whole))
		at = min(max(at, 0), len(response))
		parts := &elements{harmless: harmlessObjects}
		text := parts.hide(response[:at]) + parts.hide(response[at:])
		require.Equal(t, shown(whole), shown(text))
		encoded, err := json.Marshal(line{A: text})
		require.NoError(t, err)
		require.NotEmpty(t, encoded)
	})
}

var left = regexp.MustCompile(`<(\d+)>`)

// shown returns the text without what is left out.
func shown(text string) string { return left.ReplaceAllString(text, "") }

// length returns the number of bytes that a text stands for.
func length(t *testing.T, text string) int {
	n := len(bytesOf(shown(text)))
	for _, match := range left.FindAllStringSubmatch(text, -1) {
		hidden, err := strconv.Atoi(match[1])
		require.NoError(t, err)
		n += hidden
	}
	return n
}
