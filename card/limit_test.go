package card_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// A sizedReader is a driver with one reader, which reports dwMaxAPDUDataSize (PC/SC part
// 10), and with a card that performs respond.
type sizedReader struct {
	atr      []byte
	property []byte // nil: the reader reports no properties
	controls int
	got      []string
	respond  func(command []byte) ([]byte, error)
}

func (r *sizedReader) Readers(context.Context) ([]driver.Reader, error) {
	return []driver.Reader{{Name: zero, Present: true, ATR: r.atr}}, nil
}

func (r *sizedReader) Wait(ctx context.Context, _ []driver.Reader) ([]driver.Reader, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (r *sizedReader) Connect(context.Context, string) (driver.Card, error) { return sizedCard{r}, nil }
func (r *sizedReader) Close() error                                         { return nil }

type sizedCard struct{ *sizedReader }

func (c sizedCard) Protocol() driver.Protocol       { return driver.T1 }
func (c sizedCard) Begin(context.Context) error     { return nil }
func (c sizedCard) End(bool) error                  { return nil }
func (c sizedCard) Reconnect(context.Context) error { return nil }
func (c sizedCard) Close(bool) error                { return nil }

func (c sizedCard) Transmit(command []byte) ([]byte, error) {
	c.got = append(c.got, string(command))
	return c.respond(command)
}

func (c sizedCard) Control(code uint32, _ []byte) ([]byte, error) {
	c.controls++
	const properties = 0x42330012
	switch {
	case c.property == nil:
		return nil, driver.UnsupportedFeature
	case code == driver.FeatureRequest:
		return []byte{0x12, 4, 0x42, 0x33, 0, 0x12}, nil
	case code == properties:
		return append([]byte{0x0A, 4}, c.property...), nil
	}
	return nil, driver.UnsupportedFeature
}

func sizeProperty(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

var (
	atrSilent   = []byte{0x3B, 0x80, 0x01, 0x81}
	atrExtended = []byte{0x3B, 0x85, 0x01, 0x80, 0x73, 0, 0, 0xC0, 0x37}
	atrShort    = []byte{0x3B, 0x85, 0x01, 0x80, 0x73, 0, 0, 0x80, 0x77}
)

// The form of commands, by what answer to reset, reader and the first read show: a
// command with more than 255 bytes of data is sent in one APDU only if the reader is
// known to take that.
func TestFormOfLongCommands(t *testing.T) {
	read := card.Command{INS: 0xCB, Data: []byte{7}, Ne: card.MaxResponse}
	sign := card.Command{INS: 0x87, Data: []byte(long(300)), Ne: card.MaxResponse}
	const readLong, readShort = "\x00\xCB\x00\x00\x00\x00\x01\x07\x00\x00", "\x00\xCB\x00\x00\x01\x07\x00"
	signLong := []string{"\x00\x87\x00\x00\x00\x01\x2C" + long(300) + "\x00\x00"}
	signChained := []string{"\x10\x87\x00\x00\xF5" + long(245), "\x00\x87\x00\x00\x37" + long(55) + "\x00"}
	for _, test := range []struct {
		name             string
		atr, property    []byte
		read             string   // before and after the first signature
		first, afterRead []string // signatures
	}{
		{"nothing is known", atrSilent, nil, readLong, signChained, signChained},
		{"ATR: extended", atrExtended, nil, readLong, signChained, signChained},
		{"ATR: short", atrShort, sizeProperty(65536), readShort, signChained, signChained},
		{"reader: extended", atrSilent, sizeProperty(65536), readLong, signChained, signLong},
		{"ATR and reader: extended", atrExtended, sizeProperty(65536), readLong, signLong, signLong},
		{"reader: short", atrExtended, sizeProperty(0), readShort, signChained, signChained},
		{"reader: undefined", atrExtended, sizeProperty(17), readLong, signChained, signChained},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &sizedReader{atr: test.atr, property: test.property, respond: func([]byte) ([]byte, error) { return []byte{0x90, 0}, nil }}
			s := card.NewService(r, nil)
			defer s.Close()
			k, err := s.Card(t.Context(), zero)
			require.NoError(t, err)
			for _, step := range []struct {
				command card.Command
				want    []string
			}{{sign, test.first}, {read, []string{test.read}}, {sign, test.afterRead}, {read, []string{test.read}}} {
				r.got = nil
				require.NoError(t, k.Do(t.Context(), func(tx *card.Tx) error {
					_, err := tx.Command(step.command)
					return err
				}))
				assert.Equal(t, step.want, r.got)
			}
			assert.LessOrEqual(t, r.controls, 2, "the reader is asked once")
		})
	}
}

// The reader reports that it takes long commands, and does not. A command that may
// have reached the card is not sent again, but the next one is chained; one that
// cannot have reached it is chained at once, in the same transaction.
func TestLongCommandFails(t *testing.T) {
	sign := card.Command{INS: 0x87, Data: []byte(long(300)), Ne: card.MaxResponse}
	for _, test := range []struct {
		name   string
		err    error
		status string
		again  bool // at once
	}{
		{"not transacted", driver.NotTransacted, "", false},
		{"data lost", driver.CommDataLost, "", false},
		{"insufficient buffer: the response may be what is too long", driver.InsufficientBuffer, "", false},
		{"ERROR_GEN_FAILURE", driver.Errno(0x1F), "", false},
		{"invalid parameter", driver.InvalidParameter, "", true},
		{"ERROR_INVALID_PARAMETER", driver.Errno(0x57), "", true},
		{"wrong length", nil, "\x67\x00", true},
		{"security status", nil, "\x69\x82", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &sizedReader{atr: atrExtended, property: sizeProperty(65536), respond: func(command []byte) ([]byte, error) {
				switch {
				case len(command) <= 261:
					return []byte{0x90, 0}, nil
				case test.err != nil:
					return nil, test.err
				}
				return []byte(test.status), nil
			}}
			s := card.NewService(r, nil)
			defer s.Close()
			k, err := s.Card(t.Context(), zero)
			require.NoError(t, err)
			send := func() error {
				return k.Do(t.Context(), func(tx *card.Tx) error {
					_, err := tx.Command(sign)
					return err
				})
			}
			err = send()
			if test.again {
				assert.NoError(t, err)
				assert.Len(t, r.got, 3, "in one APDU, and in two parts")
			} else {
				assert.Error(t, err)
				assert.Len(t, r.got, 1, "not sent again")
			}
			if test.status == "\x69\x82" {
				return // not about the length
			}
			r.got = nil
			assert.NoError(t, send())
			assert.Len(t, r.got, 2, "chained")
		})
	}
}

// A reader that takes 300 bytes of data gets no longer command, and no longer response
// is asked for.
func TestReaderOfLimitedSize(t *testing.T) {
	r := &sizedReader{atr: atrExtended, property: sizeProperty(300), respond: func([]byte) ([]byte, error) { return []byte{0x90, 0}, nil }}
	s := card.NewService(r, nil)
	defer s.Close()
	k, err := s.Card(t.Context(), zero)
	require.NoError(t, err)
	for n, apdus := range map[int]int{300: 1, 301: 2} {
		r.got = nil
		require.NoError(t, k.Do(t.Context(), func(tx *card.Tx) error {
			_, err := tx.Command(card.Command{INS: 0xDB, Data: []byte(long(n))})
			return err
		}))
		assert.Len(t, r.got, apdus, n)
	}
	r.got = nil
	require.NoError(t, k.Do(t.Context(), func(tx *card.Tx) error {
		_, err := tx.Command(card.Command{INS: 0xCB, Data: []byte{7}, Ne: card.MaxResponse})
		return err
	}))
	assert.Equal(t, []string{"\x00\xCB\x00\x00\x00\x00\x01\x07\x01\x2C"}, r.got)
}

// A card that refuses the first part of a chain, because it supports none, gets the
// command in one APDU, whatever is known of the reader.
func TestCardWithoutChaining(t *testing.T) {
	r := &sizedReader{atr: atrExtended, respond: func(command []byte) ([]byte, error) {
		if command[0] == 0x10 {
			return []byte{0x68, 0x84}, nil
		}
		return []byte{0x90, 0}, nil
	}}
	s := card.NewService(r, nil)
	defer s.Close()
	k, err := s.Card(t.Context(), zero)
	require.NoError(t, err)
	require.NoError(t, k.Do(t.Context(), func(tx *card.Tx) error {
		_, err := tx.Command(card.Command{INS: 0x87, Data: []byte(long(300)), Ne: card.MaxResponse})
		return err
	}))
	assert.Len(t, r.got, 2)
	assert.Len(t, r.got[1], 309)
}

// TryLong finds out, with a command that reads, whether a reader carries what it reports.
func TestTryLong(t *testing.T) {
	read := card.Command{INS: 0xCB, Data: []byte(long(270)), Ne: 256}
	for name, test := range map[string]struct {
		property []byte
		most     int // bytes of a command that the reader carries
		n        int // bytes of data of the command that is to be sent
		sent     []int
		err      error
	}{
		"carried":              {sizeProperty(65536), 65544, 266, []int{1, 0, 0}, nil},
		"lost":                 {sizeProperty(65536), 261, 266, []int{1, 0, 0}, card.ErrReset},
		"not reported":         {nil, 261, 266, []int{0, 0, 0}, nil},
		"short":                {sizeProperty(65536), 261, 255, []int{0, 0, 0}, nil},
		"longer than reported": {sizeProperty(260), 261, 266, []int{0, 0, 0}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := &sizedReader{atr: atrExtended, property: test.property, respond: func(command []byte) ([]byte, error) {
				if len(command) > test.most {
					return nil, driver.NotTransacted
				}
				return []byte{0x6A, 0x80}, nil
			}}
			s := card.NewService(r, nil)
			defer s.Close()
			k, err := s.Card(t.Context(), zero)
			require.NoError(t, err)
			for i, sent := range test.sent {
				r.got = nil
				err := k.Do(t.Context(), func(tx *card.Tx) error { return tx.TryLong(test.n, read) })
				if i == 0 {
					assert.ErrorIs(t, err, test.err)
				} else {
					assert.NoError(t, err)
				}
				assert.Len(t, r.got, sent)
			}
			r.got = nil
			err = k.Do(t.Context(), func(tx *card.Tx) error {
				_, err := tx.Command(card.Command{INS: 0x87, Data: []byte(long(test.n))})
				return err
			})
			assert.ErrorIs(t, err, card.StatusWrongData, "it reaches the card")
		})
	}
}

// Parts of a chain are short enough for readers that carry 251 bytes.
func TestPartsOfAChain(t *testing.T) {
	s := &scriptedCard{responses: []string{done, done}}
	_, err := command(t, s, card.Command{INS: 0x87, Data: []byte(long(266)), Ne: 256})
	require.NoError(t, err)
	for _, c := range s.got {
		assert.LessOrEqual(t, len(c), 251)
	}
}

// A reader that loses long responses is read with short lengths from then on, also if
// it has passed a shorter one with an extended Le before.
func TestLongReadFailsLater(t *testing.T) {
	lose := false
	r := &sizedReader{atr: atrSilent, respond: func(command []byte) ([]byte, error) {
		if lose && len(command) > 5 && command[4] == 0 {
			return nil, driver.NotTransacted
		}
		return []byte{0x90, 0}, nil
	}}
	s := card.NewService(r, nil)
	defer s.Close()
	k, err := s.Card(t.Context(), zero)
	require.NoError(t, err)
	read := func() error {
		return k.Do(t.Context(), func(tx *card.Tx) error {
			_, err := tx.Command(card.Command{INS: 0xCB, Data: []byte{7}, Ne: card.MaxResponse})
			return err
		})
	}
	require.NoError(t, read())
	lose = true
	err = read()
	assert.True(t, errors.Is(err, card.ErrReset), "reading can be repeated: %v", err)
	assert.NoError(t, read())
}

// The refusal of a chained command says whether the card has accepted a part of it.
func TestPartOfAChainAccepted(t *testing.T) {
	for name, test := range map[string]struct {
		responses []string
		partial   bool
	}{
		"first part refused":  {[]string{"\x67\x00"}, false},
		"second part refused": {[]string{done, "\x67\x00"}, true},
		"last part refused":   {[]string{done, done, "\x6A\x84"}, true},
	} {
		s := &scriptedCard{responses: test.responses}
		_, err := command(t, s, card.Command{INS: 0xDB, Data: []byte(long(600))})
		assert.Equal(t, test.partial, fault.IsPartial(err), name)
		assert.Equal(t, fault.Object, fault.ReachOf(err), name)
		assert.NotContains(t, err.Error(), "part", name)
	}
}
