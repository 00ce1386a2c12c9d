package part10_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/part10"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
)

// controller is a reader with a response for each control code.
type controller map[uint32][]byte

func (c controller) Control(code uint32, _ []byte) ([]byte, error) {
	response, ok := c[code]
	if !ok {
		return nil, driver.UnsupportedFeature
	}
	return response, nil
}

func TestMaxDataSize(t *testing.T) {
	const code = 0x42330012
	features := []byte{0x06, 4, 0x42, 0x33, 0x00, 0x06, 0x12, 4, 0x42, 0x33, 0x00, 0x12}
	vendor := []byte{0x0B, 2, 0xE6, 0x08}
	with := func(properties ...byte) controller {
		return controller{driver.FeatureRequest: features, code: properties}
	}
	for _, test := range []struct {
		name   string
		reader controller
		want   int
		ok     bool
	}{
		{"extended", with(0x0A, 4, 0, 0, 1, 0), 65536, true},
		{"extended, after another property", with(append(vendor, 0x0A, 4, 0x00, 0x08, 0, 0)...), 2048, true},
		{"short only", with(0x0A, 4, 0, 0, 0, 0), 256, true},
		{"undefined, 256", with(0x0A, 4, 0, 1, 0, 0), 0, false},
		{"undefined, too large", with(0x0A, 4, 0xFF, 0xFF, 0xFF, 0xFF), 0, false},
		{"value of two bytes", with(0x0A, 2, 0, 1), 0, false},
		{"truncated value", with(0x0A, 4, 0, 0, 1), 0, false},
		{"no such property", with(vendor...), 0, false},
		{"no properties", with(), 0, false},
		{"no such feature", controller{driver.FeatureRequest: features[:6]}, 0, false},
		{"no properties command", controller{driver.FeatureRequest: features}, 0, false},
		{"no features", controller{}, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, ok := part10.MaxDataSize(test.reader)
			assert.Equal(t, test.want, n)
			assert.Equal(t, test.ok, ok)
		})
	}
}

// The first two are responses of libccid to a reader with a keypad and to one
// without.
var seeds = [][]byte{
	{0x12, 4, 0x42, 0x33, 0x00, 0x12, 0x06, 4, 0x42, 0x33, 0x00, 0x06, 0x07, 4, 0x42, 0x33, 0x00, 0x07},
	{0x12, 4, 0x42, 0x33, 0x00, 0x12},
	{0x0A, 4, 0, 0, 1, 0, 0x0B, 2, 0xE6, 0x08, 0x0C, 2, 0x37, 0x34},
	{0x08, 3, '1', '.', '0'},
	{0x06, 3, 1, 2, 3}, {0x06, 4, 1, 2}, {0x0A, 0xFF}, {0x0A}, {},
}

// FuzzParseFeatures checks that every code stands in the response behind its tag.
func FuzzParseFeatures(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		features := part10.ParseFeatures(response)
		require.LessOrEqual(t, len(features), len(response)/6)
		for feature, code := range features {
			require.True(t, bytes.Contains(response, binary.BigEndian.AppendUint32([]byte{byte(feature), 4}, code)))
		}
	})
}

// FuzzParseProperties checks that every value stands in the response behind its tag
// and length.
func FuzzParseProperties(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		properties := part10.ParseProperties(response)
		require.LessOrEqual(t, len(properties), len(response)/2)
		for property, value := range properties {
			require.True(t, bytes.Contains(response, append([]byte{byte(property), byte(len(value))}, value...)))
		}
	})
}

// card is a card without responses.
type card struct{}

func (card) ATR() []byte            { return []byte{0x3B, 0x80, 0x01, 0x81} }
func (card) Reset()                 {}
func (card) Transmit([]byte) []byte { return nil }

// A software reader reports extended lengths.
func TestMaxDataSizeOfSoftwareReader(t *testing.T) {
	set := reader.New("R")
	set.PowerDown = time.Hour
	require.NoError(t, set.Insert("R", card{}))
	s := set.Service()
	defer s.Close()
	k, err := s.Connect(t.Context(), "R")
	require.NoError(t, err)
	defer k.Close(false)
	n, ok := part10.MaxDataSize(k.(driver.Controller))
	assert.True(t, ok)
	assert.Equal(t, 1<<16, n)
}
