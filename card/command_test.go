package card_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A scriptedCard returns responses in turn, and records the commands.
type scriptedCard struct {
	responses []string // as bytes, not in hexadecimal
	got       []string
	resets    int
	err       error // after the last response
}

func (s *scriptedCard) Transmit(command []byte) ([]byte, error) {
	s.got = append(s.got, string(command))
	if len(s.responses) == 0 {
		return nil, s.err
	}
	response := s.responses[0]
	s.responses = s.responses[1:]
	return []byte(response), nil
}

func (s *scriptedCard) Reset() { s.resets++ }

// command sends one command to a scriptedCard.
func command(t *testing.T, s *scriptedCard, c card.Command) (response []byte, err error) {
	t.Helper()
	k := card.New("a card", s)
	doErr := k.Do(t.Context(), func(tx *card.Tx) error {
		response, err = tx.Command(c)
		return err
	})
	assert.Equal(t, err, doErr)
	return response, err
}

const done = "\x90\x00"

func long(n int) string { return string(bytes.Repeat([]byte{0xAB}, n)) }

func TestCommandEncoding(t *testing.T) {
	data := func(n int) []byte { return []byte(long(n)) }
	for _, test := range []struct {
		name    string
		command card.Command
		want    []string // APDUs
	}{
		{"case 1", card.Command{CLA: 0x80, INS: 1, P1: 2, P2: 3}, []string{"\x80\x01\x02\x03"}},
		{"case 2", card.Command{INS: 1, Ne: 16}, []string{"\x00\x01\x00\x00\x10"}},
		{"case 2, 256 bytes", card.Command{INS: 1, Ne: 256}, []string{"\x00\x01\x00\x00\x00"}},
		{"case 2, more", card.Command{INS: 1, Ne: 257}, []string{"\x00\x01\x00\x00\x00\x01\x01"}},
		{"case 2, any length", card.Command{INS: 1, Ne: card.MaxResponse}, []string{"\x00\x01\x00\x00\x00\x00\x00"}},
		{"case 3", card.Command{INS: 1, Data: []byte{7, 8}}, []string{"\x00\x01\x00\x00\x02\x07\x08"}},
		{"case 3, 255 bytes", card.Command{INS: 1, Data: data(255)}, []string{"\x00\x01\x00\x00\xFF" + long(255)}},
		{"case 4", card.Command{INS: 1, Data: []byte{7}, Ne: 5}, []string{"\x00\x01\x00\x00\x01\x07\x05"}},
		{"case 4, any length", card.Command{INS: 1, Data: []byte{7}, Ne: card.MaxResponse}, []string{"\x00\x01\x00\x00\x00\x00\x01\x07\x00\x00"}},
		{"long data is chained until the limit is known", card.Command{INS: 1, Data: data(511), Ne: 4}, []string{
			"\x10\x01\x00\x00\xF5" + long(245), "\x10\x01\x00\x00\xF5" + long(245), "\x00\x01\x00\x00\x15" + long(21) + "\x04"}},
		{"long data with Part", card.Command{INS: 1, Data: data(256), Ne: 300, Part: 240}, []string{
			"\x10\x01\x00\x00\xF0" + long(240), "\x00\x01\x00\x00\x10" + string(data(256)[240:]) + "\x00"}},
		{"short data with Part", card.Command{INS: 1, Data: []byte{7}, Ne: 300, Part: 240}, []string{"\x00\x01\x00\x00\x01\x07\x00"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &scriptedCard{}
			for range test.want {
				s.responses = append(s.responses, done)
			}
			_, err := command(t, s, test.command)
			require.NoError(t, err)
			assert.Equal(t, test.want, s.got)
		})
	}
}

func TestResponses(t *testing.T) {
	get := card.Command{INS: 0xCB, Ne: 256}
	short := "\x00\xCB\x00\x00\x00"
	more := func(le string) string { return "\x00\xC0\x00\x00" + le }
	for _, test := range []struct {
		name      string
		responses []string
		got       []string
		response  string
		err       error
	}{
		{"whole", []string{"abc" + done}, []string{short}, "abc", nil},
		{"in parts", []string{"ab\x61\x02", "cd\x61\x00", "ef" + done}, []string{short, more("\x02"), more("\x00")}, "abcdef", nil},
		{"6Cxx", []string{"\x6C\x03", "abc" + done}, []string{short, "\x00\xCB\x00\x00\x03"}, "abc", nil},
		{"6Cxx, in parts", []string{"\x6C\x03", "abc\x61\x01", "\x6C\x02", "de" + done}, []string{short, "\x00\xCB\x00\x00\x03", more("\x01"), more("\x02")}, "abcde", nil},
		{"a status with data", []string{"ab\x62\x82"}, []string{short}, "ab", card.Status(0x6282)},
		{"an error in the second part", []string{"ab\x61\x02", "\x69\x82"}, []string{short, more("\x02")}, "ab", card.StatusNotPermitted},
		{"corrected twice", []string{"\x6C\x03", "\x6C\x04"}, []string{short, "\x00\xCB\x00\x00\x03"}, "", card.Status(0x6C04)},
		{"no byte", []string{""}, []string{short}, "", card.ErrNoResponse},
		{"one byte", []string{"\x90"}, []string{short}, "", card.ErrNoResponse},
		{"more is announced and not sent", []string{"ab\x61\x02", "\x61\x02"}, []string{short, more("\x02")}, "", card.ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &scriptedCard{responses: test.responses}
			response, err := command(t, s, get)
			assert.ErrorIs(t, err, test.err)
			assert.Equal(t, test.response, string(response))
			assert.Equal(t, test.got, s.got)
			var e *card.Error
			if err != nil && assert.ErrorAs(t, err, &e) {
				assert.Equal(t, "a card", e.Reader)
				assert.Equal(t, "GET DATA", e.Op)
			}
		})
	}
}

// After an endless response the card is reset: the next command would get more of it.
func TestEndlessResponse(t *testing.T) {
	for name, response := range map[string]func(n int) string{
		"full parts":  func(int) string { return long(256) + "\x61\x00" },
		"single byte": func(int) string { return "a\x61\x01" },
		"corrections": func(n int) string {
			if n%2 == 0 {
				return "\x6C\x10"
			}
			return "a\x61\x01"
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := &endlessCard{response: response}
			k := card.New("a card", e)
			err := k.Do(t.Context(), func(tx *card.Tx) error {
				_, err := tx.Command(card.Command{INS: 0xCB, Ne: 256})
				_, again := tx.Command(card.Command{INS: 0xCB, Ne: 256})
				assert.Error(t, again, "the transaction is lost")
				return err
			})
			assert.ErrorIs(t, err, card.ErrMalformed)
			assert.LessOrEqual(t, e.n, 700)
			assert.Equal(t, 1, e.resets)
		})
	}
}

type endlessCard struct {
	response  func(n int) string
	n, resets int
}

func (e *endlessCard) Transmit([]byte) ([]byte, error) {
	e.n++
	return []byte(e.response(e.n)), nil
}

func (e *endlessCard) Reset() { e.resets++ }

func TestCommandTooLong(t *testing.T) {
	s := &scriptedCard{}
	_, err := command(t, s, card.Command{INS: 1, Data: make([]byte, 65536)})
	assert.ErrorContains(t, err, "65536 bytes")
	assert.Empty(t, s.got)
}

func TestTransmitterError(t *testing.T) {
	broken := errors.New("cable is broken")
	_, err := command(t, &scriptedCard{err: broken}, card.Command{INS: 0xCB})
	assert.ErrorIs(t, err, broken)
}

// TestLengthLimit checks which responses change the length limit, and after which the
// command is sent again.
func TestLengthLimit(t *testing.T) {
	read := card.Command{INS: 0xCB, Data: []byte{7}, Ne: card.MaxResponse}
	write := card.Command{INS: 0xDB, Data: []byte(long(300))}
	const readLong, readShort = "\x00\xCB\x00\x00\x00\x00\x01\x07\x00\x00", "\x00\xCB\x00\x00\x01\x07\x00"
	writeShort := []string{"\x10\xDB\x00\x00\xF5" + long(245), "\x00\xDB\x00\x00\x37" + long(55)}
	type step struct {
		command   card.Command
		responses []string
		got       []string
		err       error
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"a read succeeds: commands are still chained", []step{
			{write, []string{done, done}, writeShort, nil},
			{read, []string{done}, []string{readLong}, nil},
			{write, []string{done, done}, writeShort, nil},
		}},
		{"a later read is refused for another reason: not repeated", []step{
			{read, []string{done}, []string{readLong}, nil},
			{read, []string{"\x6A\x80"}, []string{readLong}, card.StatusWrongData},
			{read, []string{done}, []string{readLong}, nil},
		}},
		{"a later read is too long: short lengths", []step{
			{read, []string{done}, []string{readLong}, nil},
			{read, []string{"\x67\x00", done}, []string{readLong, readShort}, nil},
			{read, []string{done}, []string{readShort}, nil},
		}},
		{"a read is not understood: short lengths", []step{
			{read, []string{"\x67\x00", done}, []string{readLong, readShort}, nil},
			{read, []string{done}, []string{readShort}, nil},
			{write, []string{done, done}, writeShort, nil},
		}},
		{"the same status again: no change", []step{
			{read, []string{"\x6D\x00", "\x6D\x00"}, []string{readLong, readShort}, card.StatusUnknownINS},
			{read, []string{done}, []string{readLong}, nil},
		}},
		{"not found: no change", []step{
			{read, []string{"\x6A\x82"}, []string{readLong}, card.StatusNotFound},
			{read, []string{done}, []string{readLong}, nil},
		}},
		{"a chain is refused", []step{
			{read, []string{"\x67\x00", done}, []string{readLong, readShort}, nil},
			{write, []string{"\x68\x84"}, writeShort[:1], card.Status(0x6884)},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &scriptedCard{}
			k := card.New("a card", s)
			for i, step := range test.steps {
				s.responses, s.got = step.responses, nil
				err := k.Do(t.Context(), func(tx *card.Tx) error {
					_, err := tx.Command(step.command)
					return err
				})
				assert.ErrorIs(t, err, step.err, "step %d", i)
				assert.Equal(t, step.got, s.got, "step %d", i)
			}
		})
	}
}

// Some readers fail if an APDU is too long for them. The next transaction uses short
// lengths.
func TestReaderWithoutExtendedLength(t *testing.T) {
	d := newFixture(t, cardtest.PIV(cardtest.ATR([]byte{0x3B, 0x80, 0x01, 0x81})), nil)
	d.readers.Fault(zero, 2, cardtest.Fault{What: cardtest.NoResponse})
	first := d.soft.Exchanges().Resets
	defer func() { assert.Greater(t, d.soft.Exchanges().Resets, first, "the card was reset") }()
	assert.ErrorIs(t, d.card.Do(t.Context(), readCHUID), card.ErrReset, "reading can be repeated")
	var sent []int
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) {
		sent = append(sent, c.Ne)
	}})
	before := d.soft.Exchanges()
	require.NoError(t, d.card.Do(ctx, readCHUID))
	assert.Less(t, d.soft.Exchanges().BytesIn-before.BytesIn, 2*20, "short lengths")
	assert.NotEmpty(t, sent)
}

func TestLengthsOfSoftwareCards(t *testing.T) {
	value := append([]byte{0x53, 0x82, 0x0B, 0xB8}, long(3000)...)
	for name, options := range map[string][]cardtest.Option{
		"plain":                          nil,
		"T=0":                            {cardtest.T0},
		"short":                          {cardtest.ShortLengths},
		"short, not in the ATR":          {cardtest.ShortLengths, cardtest.ATR([]byte{0x3B, 0x80, 0x01, 0x81})},
		"exact Le":                       {cardtest.ShortLengths, cardtest.ExactLe},
		"ignores Le":                     {cardtest.IgnoresLe},
		"small responses":                {cardtest.MaxResponse(100)},
		"small commands, not in the ATR": {cardtest.MaxCommand(270), cardtest.ATR([]byte{0x3B, 0x80, 0x01, 0x81})},
	} {
		t.Run(name, func(t *testing.T) {
			soft := cardtest.PIV(options...).PutObject(0x5FC102, value[4:])
			d := newFixture(t, soft, nil)
			for range 2 {
				require.NoError(t, d.card.Do(t.Context(), func(tx *card.Tx) error {
					if _, err := tx.Select(pivAID); err != nil {
						return err
					}
					got, err := tx.Command(getCHUID)
					assert.Equal(t, value, got)
					// The data of a signature, chained: refused without the PIN.
					_, refused := tx.Command(card.Command{INS: 0x87, P1: 0x07, P2: 0x9A, Data: []byte("\x7C\x82\x01\x06\x82\x00\x81\x82\x01\x00" + long(256)), Ne: 256})
					var status card.Status
					assert.ErrorAs(t, refused, &status)
					assert.NotEqual(t, card.StatusWrongLength, status)
					return err
				}))
			}
		})
	}
}

func TestSelectMissing(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	err := d.card.Do(t.Context(), func(tx *card.Tx) error {
		_, err := tx.Select([]byte{0xF0, 1, 2, 3, 4})
		return err
	})
	assert.ErrorIs(t, err, card.StatusNotFound)
	var no driver.Errno
	assert.False(t, errors.As(err, &no))
}

func BenchmarkCommand(b *testing.B) {
	k := card.New("a card", &endlessCard{response: func(int) string { return "abc" + done }})
	b.ReportAllocs()
	err := k.Do(b.Context(), func(tx *card.Tx) error {
		for b.Loop() {
			if _, err := tx.Command(getCHUID); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(b, err)
}

// FuzzCommand has a card whose responses are the input: the command ends after a bounded
// number of exchanges, returns no more bytes than the card sent, and every APDU is well
// formed.
func FuzzCommand(f *testing.F) {
	f.Fuzz(func(t *testing.T, responses []byte, ins byte, data uint16, ne uint32) {
		s := &fuzzedCard{t: t, rest: responses}
		k := card.New("a card", s)
		err := k.Do(t.Context(), func(tx *card.Tx) error {
			response, err := tx.Command(card.Command{INS: ins, Data: make([]byte, data), Ne: int(ne % (card.MaxResponse + 1))})
			if len(response) > s.sent {
				t.Fatalf("%d bytes of response, but the card sent %d", len(response), s.sent)
			}
			return err
		})
		if s.n > 601 {
			t.Fatalf("%d exchanges", s.n)
		}
		if err == nil && s.n == 0 {
			t.Fatal("success without an exchange")
		}
	})
}

// A fuzzedCard takes its responses from bytes: a length and so many bytes.
type fuzzedCard struct {
	t       *testing.T
	rest    []byte
	n, sent int
}

func (s *fuzzedCard) Transmit(command []byte) ([]byte, error) {
	s.n++
	if !wellFormed(command) {
		s.t.Fatalf("command %.20X of %d bytes is malformed", command, len(command))
	}
	if len(s.rest) == 0 {
		return []byte{0x90, 0x00}, nil
	}
	n := min(int(s.rest[0]), len(s.rest)-1)
	response := s.rest[1 : 1+n]
	s.rest = s.rest[1+n:]
	s.sent += n
	return bytes.Clone(response), nil
}

// wellFormed reports whether the lengths of a command add up (ISO/IEC 7816-3,
// 12.1.3).
func wellFormed(c []byte) bool {
	if len(c) < 4 {
		return false
	}
	body := c[4:]
	if len(body) <= 1 {
		return true
	}
	if body[0] != 0 {
		n := int(body[0])
		return len(body) == 1+n || len(body) == 2+n
	}
	if len(body) == 3 {
		return true
	}
	if len(body) < 3 {
		return false
	}
	n := int(body[1])<<8 | int(body[2])
	return n > 0 && (len(body) == 3+n || len(body) == 5+n)
}
