package iso_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// A recorder responds to 00 01 P1 P2 with P1P2 bytes and to 00 02 with the data of
// the command, and records the calls of its methods.
type recorder struct {
	aid    []byte
	refuse iso.Status
	log    []string
}

func (a *recorder) AID() []byte { return a.aid }

func (a *recorder) Select(iso.Command) iso.Response {
	a.log = append(a.log, "select")
	if a.refuse != 0 {
		return a.refuse.Response()
	}
	return iso.Data([]byte{0x61, 0x00})
}

func (a *recorder) Process(c iso.Command) iso.Response {
	a.log = append(a.log, fmt.Sprintf("%02X %d", c.INS, len(c.Data)))
	switch c.INS {
	case 0x01:
		b := make([]byte, int(c.P1)<<8|int(c.P2))
		for i := range b {
			b[i] = byte(i)
		}
		return iso.Data(b)
	case 0x02:
		return iso.Data(bytes.Clone(c.Data))
	}
	return iso.UnknownInstruction.Response()
}

func (a *recorder) Chains(ins byte) bool { return ins == 0x02 }
func (a *recorder) Deselect()            { a.log = append(a.log, "deselect") }
func (a *recorder) Reset()               { a.log = append(a.log, "reset") }

func newRecorder() *recorder { return &recorder{aid: []byte{0xF0, 1, 2, 3, 4, 5, 6}} }

func count(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%02x", byte(i))
	}
	return b.String()
}

// format returns a short response in hexadecimal, and of a long one its length and
// status word.
func format(response []byte) string {
	s := hex.EncodeToString(response)
	if len(s) > 64 {
		return fmt.Sprintf("%d bytes, %s", len(response)-2, s[len(s)-4:])
	}
	return s
}

func TestTransmit(t *testing.T) {
	type step struct{ command, response string }
	zeros := func(n int) string { return strings.Repeat("00", n) }
	tests := []struct {
		name   string
		config iso.Config
		steps  []step
	}{
		{"without Le a short response is complete", iso.Config{}, []step{{"00010003", count(3) + "9000"}}},
		{"Le 00 returns 256 bytes, GET RESPONSE the rest", iso.Config{}, []step{
			{"0001010500", "256 bytes, 6105"}, {"00c0000000", "00010203049000"}, {"00c0000000", "6a80"},
		}},
		{"256 or more waiting bytes are 6100", iso.Config{}, []step{
			{"0001030000", "256 bytes, 6100"}, {"00c0000000", "256 bytes, 6100"}, {"00c0000000", "256 bytes, 9000"},
		}},
		{"GET RESPONSE without Le", iso.Config{}, []step{{"0001010200", "256 bytes, 6102"}, {"00c00000", "00019000"}}},
		{"GET RESPONSE returns as much as its Le", iso.Config{}, []step{
			{"0001000502", "00016103"}, {"00c0000001", "026102"}, {"00c0000001", "036101"}, {"00c0000005", "049000"},
		}},
		{"GET RESPONSE with P1 or P2 is refused", iso.Config{}, []step{
			{"0001000502", "00016103"}, {"00c0000100", "6a86"}, {"00c0000000", "0203049000"},
		}},
		{"another command discards waiting data", iso.Config{}, []step{
			{"0001000502", "00016103"}, {"0001000100", "009000"}, {"00c0000000", "6a80"},
		}},
		{"so does a refused one", iso.Config{}, []step{
			{"0001000502", "00016103"}, {"80010001", "6e00"}, {"00c0000000", "6a80"},
		}},
		{"extended Le 0000 returns everything", iso.Config{}, []step{{"0001040000" + "0000", "1024 bytes, 9000"}}},
		{"extended Le", iso.Config{}, []step{{"00010400" + "000200", "512 bytes, 6100"}}},
		{"extended data without Le", iso.Config{}, []step{{"00020000" + "000003" + "aabbcc", "aabbcc9000"}}},
		{"extended data with Le", iso.Config{}, []step{{"00020000" + "000003" + "aabbcc" + "0002", "aabb6101"}}},
		{"extended data longer than 255", iso.Config{}, []step{{"00020000" + "00012c" + zeros(300) + "0000", "300 bytes, 9000"}}},

		{"one byte", iso.Config{}, []step{{"00", "6700"}}},
		{"no byte", iso.Config{}, []step{{"", "6700"}}},
		{"less data than Lc", iso.Config{}, []step{{"0002000003aabb", "6700"}}},
		{"more data than Lc", iso.Config{}, []step{{"0002000001aabbcc", "6700"}}},
		{"Lc 00 before data", iso.Config{}, []step{{"0002000000aa", "6700"}}},
		{"extended Lc 0000 before data", iso.Config{}, []step{{"00020000000000aabb", "6700"}}},
		{"extended data cut short", iso.Config{}, []step{{"00020000000003aabb", "6700"}}},
		{"extended Le cut short", iso.Config{}, []step{{"00020000000002aabb00", "6700"}}},

		{"proprietary class", iso.Config{}, []step{{"80010001", "6e00"}}},
		{"reserved class", iso.Config{}, []step{{"20010001", "6e00"}}},
		{"logical channel 1", iso.Config{}, []step{{"01010001", "6881"}}},
		{"logical channel 4", iso.Config{}, []step{{"40010001", "6881"}}},
		{"secure messaging", iso.Config{}, []step{{"0c010001", "6882"}}},
		{"unknown instruction", iso.Config{}, []step{{"00770000", "6d00"}}},

		{"chain of three", iso.Config{}, []step{
			{"1002000002aabb", "9000"}, {"1002000001cc", "9000"}, {"0002000001dd00", "aabbccdd9000"},
		}},
		{"chain whose last part has no data", iso.Config{}, []step{{"1002000001aa", "9000"}, {"0002000000", "aa9000"}}},
		{"parts of a chain may be extended", iso.Config{}, []step{{"10020000000001aa", "9000"}, {"0002000001bb", "aabb9000"}}},
		{"another instruction cancels a chain", iso.Config{}, []step{
			{"1002000001aa", "9000"}, {"00010001", "009000"}, {"0002000001bb", "bb9000"},
		}},
		{"other parameters cancel a chain", iso.Config{}, []step{{"1002000001aa", "9000"}, {"0002000101bb", "bb9000"}}},
		{"another chain cancels a chain", iso.Config{}, []step{
			{"1002000001aa", "9000"}, {"1002010001bb", "9000"}, {"0002010001cc", "bbcc9000"},
		}},
		{"GET RESPONSE cancels a chain", iso.Config{}, []step{
			{"1002000001aa", "9000"}, {"00c0000000", "6a80"}, {"0002000001bb", "bb9000"},
		}},
		{"a refused command cancels a chain", iso.Config{}, []step{
			{"1002000001aa", "9000"}, {"00", "6700"}, {"0002000001bb", "bb9000"},
		}},
		{"an instruction that cannot be chained", iso.Config{}, []step{{"1001000001aa", "6884"}}},
		{"SELECT cannot be chained", iso.Config{}, []step{{"10a4040005f001020304", "6884"}}},
		{"a chain of 64 KiB, and one byte more", iso.Config{}, []step{
			{"10020000" + "00ffff" + zeros(65535), "9000"}, {"1002000001aa", "9000"}, {"1002000001bb", "6700"}, {"0002000001cc", "cc9000"},
		}},

		{"NoExtended", iso.Config{NoExtended: true}, []step{
			{"00010003" + "000000", "6700"}, {"00020000" + "000001aa", "6700"}, {"0001000300", "0001029000"},
		}},
		{"NoCommandChaining", iso.Config{NoCommandChaining: true}, []step{{"1002000001aa", "6884"}, {"0002000001bb", "bb9000"}}},
		{"NoResponseChaining", iso.Config{NoResponseChaining: true}, []step{
			{"0001000502", "6c05"}, {"0001010000", "256 bytes, 9000"}, {"0001010100", "6700"},
			{"00010101" + "000000", "257 bytes, 9000"}, {"00c0000000", "6d00"},
		}},
		{"NoResponseChaining and MaxResponse", iso.Config{NoResponseChaining: true, MaxResponse: 4}, []step{
			{"0001000502", "6c05"}, {"0001000505", "6700"},
		}},
		{"MaxCommand", iso.Config{MaxCommand: 8}, []step{{"0002000003aabbcc", "aabbcc9000"}, {"0002000003aabbcc00", "6700"}}},
		{"MaxResponse", iso.Config{MaxResponse: 4}, []step{
			{"00010006" + "000000", "000102036102"}, {"00c0000000", "04059000"},
		}},
		{"ExactLe", iso.Config{ExactLe: true}, []step{
			{"0001000509", "6c05"}, {"0001000505", "00010203049000"}, {"0001000500", "00010203049000"}, {"00010005" + "000009", "6c05"},
			{"0001000504", "000102036101"}, {"00c0000003", "6c01"}, {"00c0000001", "049000"},
		}},
		{"IgnoresLe", iso.Config{IgnoresLe: true}, []step{{"0001000502", "00010203049000"}}},

		{"T=0: the response to data is fetched", iso.Config{T0: true}, []step{
			{"0002000003aabbcc", "6103"}, {"00c0000003", "aabbcc9000"}, {"00c0000003", "6a80"},
		}},
		{"T=0: Le after data is left out", iso.Config{T0: true}, []step{{"0002000003aabbcc02", "6103"}, {"00c0000002", "aabb6101"}}},
		{"T=0: the response to a header is fetched", iso.Config{T0: true}, []step{{"00010003", "6103"}, {"00c0000003", "0001029000"}}},
		{"T=0: Le is exact", iso.Config{T0: true}, []step{{"0001000300", "6c03"}, {"0001000303", "0001029000"}}},
		{"T=0: Le of GET RESPONSE is exact", iso.Config{T0: true}, []step{
			{"0002000003aabbcc", "6103"}, {"00c0000000", "6c03"}, {"00c0000003", "aabbcc9000"},
		}},
		{"T=0: a long response comes in parts", iso.Config{T0: true}, []step{
			{"0001010200", "256 bytes, 6102"}, {"00c0000002", "00019000"},
		}},
		{"T=0: no extended lengths", iso.Config{T0: true}, []step{{"00020000" + "000001aa", "6700"}}},
		{"T=0: chains", iso.Config{T0: true}, []step{{"1002000001aa", "9000"}, {"0002000001bb", "6102"}, {"00c0000002", "aabb9000"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Implicit = true
			card := iso.New(tt.config, newRecorder())
			for _, s := range tt.steps {
				assert.Equal(t, s.response, format(card.Transmit(unhex(t, s.command))), "command %.40s", s.command)
			}
		})
	}
}

func TestCardKeepsNoCommand(t *testing.T) {
	card := iso.New(iso.Config{Implicit: true}, newRecorder())
	b := unhex(t, "1002000001aa")
	card.Transmit(b)
	clear(b)
	assert.Equal(t, "aabb9000", format(card.Transmit(unhex(t, "0002000001bb"))))
}

func TestSelect(t *testing.T) {
	long := &recorder{aid: unhex(t, "f00102030405060708090a")}
	other := &recorder{aid: unhex(t, "f1010203040506")}
	refusing := &recorder{aid: unhex(t, "f2010203040506"), refuse: iso.BadParameters}
	card := iso.New(iso.Config{}, long, other, refusing)
	send := func(s string) string { return format(card.Transmit(unhex(t, s))) }
	log := func(a *recorder) []string { l := a.log; a.log = nil; return l }
	log(long)
	log(other)

	assert.Equal(t, "6d00", send("00010001"), "no application is selected")
	assert.Equal(t, "6a82", send("00a4000c023f00"), "no file exists")
	assert.Equal(t, "6a82", send("00a40400"), "empty name")
	assert.Equal(t, "6a82", send("00a4040004f0010203"), "four bytes are too short a name")
	assert.Equal(t, "61009000", send("00a4040005f001020304"))
	assert.Equal(t, "61009000", send("00a404000bf00102030405060708090a00"))
	assert.Equal(t, "6a82", send("00a404000cf00102030405060708090a0b"), "longer than the name")
	assert.Equal(t, []string{"select", "select"}, log(long), "selecting the current application does not deselect it")

	assert.Equal(t, "6a82", send("00a4040005f900000000"))
	assert.Equal(t, "009000", send("00010001"), "the current application stays after a missing one")
	assert.Equal(t, "6a86", send("00a4040007f2010203040506"))
	assert.Equal(t, "009000", send("00010001"), "and after one that refuses")
	assert.Equal(t, []string{"01 0", "01 0"}, log(long))
	assert.Equal(t, "6d00", send("00a4000c023f00"), "the application handles SELECT of a file")
	assert.Equal(t, []string{"A4 2"}, log(long))

	assert.Equal(t, "61009000", send("00a4040007f1010203040506"))
	assert.Equal(t, []string{"deselect"}, log(long))
	assert.Equal(t, "009000", send("00010001"))
	assert.Equal(t, []string{"select", "01 0"}, log(other))
}

func TestFullAID(t *testing.T) {
	card := iso.New(iso.Config{FullAID: true}, newRecorder())
	assert.Equal(t, "6a82", format(card.Transmit(unhex(t, "00a4040006f00102030405"))))
	assert.Equal(t, "61009000", format(card.Transmit(unhex(t, "00a4040007f0010203040506"))))
}

func TestResetClearsPendingData(t *testing.T) {
	app := newRecorder()
	card := iso.New(iso.Config{Implicit: true}, app)
	card.Transmit(unhex(t, "0001000502"))
	card.Reset()
	assert.Equal(t, "6a80", format(card.Transmit(unhex(t, "00c0000000"))))
	card.Transmit(unhex(t, "1002000001aa"))
	card.Reset()
	assert.Equal(t, "bb9000", format(card.Transmit(unhex(t, "0002000001bb"))))
	assert.Equal(t, []string{"reset", "01 0", "reset", "reset", "02 1"}, app.log)

	card = iso.New(iso.Config{}, newRecorder())
	card.Transmit(unhex(t, "00a4040005f001020304"))
	card.Reset()
	assert.Equal(t, "6d00", format(card.Transmit(unhex(t, "00010001"))), "no application is selected")
	assert.Equal(t, 1, card.Count().Resets)
}

func TestATRStatesTheCapabilities(t *testing.T) {
	tests := []struct {
		name   string
		config iso.Config
		atr    string
	}{
		{"all capabilities", iso.Config{}, "3b85018073c021c056"},
		{"no extended length", iso.Config{NoExtended: true}, "3b85018073c0218016"},
		{"no chaining", iso.Config{NoCommandChaining: true}, "3b85018073c02140d6"},
		{"full names only", iso.Config{FullAID: true}, "3b850180738021c016"},
		{"T=0 has no check byte", iso.Config{T0: true}, "3b058073c02180"},
		{"configured", iso.Config{ATR: []byte{0x3B, 0x00}}, "3b00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			card := iso.New(tt.config)
			atr := card.ATR()
			assert.Equal(t, tt.atr, hex.EncodeToString(atr))
			atr[0] = 0
			assert.Equal(t, tt.atr, hex.EncodeToString(card.ATR()), "ATR returns a copy")
		})
	}
	assert.Equal(t, 1, iso.New(iso.Config{}).Protocol())
	assert.Equal(t, 0, iso.New(iso.Config{T0: true}).Protocol())
}

func TestCount(t *testing.T) {
	card := iso.New(iso.Config{Implicit: true}, newRecorder())
	card.Transmit(unhex(t, "0001000300"))
	card.Transmit(nil)
	assert.Equal(t, iso.Count{Exchanges: 2, Received: 5, Sent: 7}, card.Count())
}

func TestCardInManyGoroutines(t *testing.T) {
	card := iso.New(iso.Config{Implicit: true}, newRecorder())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				card.Transmit([]byte{0x00, 0x01, 0x00, 0x03})
				card.Count()
			}
			card.Reset()
		})
	}
	wg.Wait()
	assert.Equal(t, iso.Count{Exchanges: 400, Received: 1600, Sent: 2000, Resets: 8}, card.Count())
}

func TestBystander(t *testing.T) {
	app := iso.NewBystander(unhex(t, "f101020304"), []byte("4711"))
	card := iso.New(iso.Config{}, app, newRecorder())
	send := func(s string) string { return format(card.Transmit(unhex(t, s))) }
	assertTries := func(left, spent int) {
		t.Helper()
		l, s := app.Tries()
		assert.Equal(t, []int{left, spent}, []int{l, s})
	}
	assert.Equal(t, "6f078405f1010203049000", send("00a4040005f101020304"))
	assert.Equal(t, "63c3", send("00200080"))
	assert.Equal(t, "63c2", send("0020008008313233343536ffff"), "the PIN of another application")
	assertTries(2, 1)
	assert.Equal(t, "9000", send("002000800434373131"))
	assertTries(3, 1)
	assert.Equal(t, "9000", send("00200080"))
	send("00a4040005f001020304")
	send("00a4040005f101020304")
	assert.Equal(t, "63c3", send("00200080"), "deselecting clears the verified PIN")
	for _, want := range []string{"63c2", "63c1", "63c0", "6983"} {
		assert.Equal(t, want, send("002000800100"))
	}
	assertTries(0, 4)
	assert.Equal(t, "6983", send("00200080"))
	assert.Equal(t, "6a86", send("002000810100"))
	assert.Equal(t, "6d00", send("00cb3fff"))
	assert.Equal(t, "6884", send("102000800100"))
}
