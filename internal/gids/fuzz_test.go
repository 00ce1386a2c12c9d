package gids_test

import (
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/gids"
	"github.com/smartlogon/smartlogon/internal/inflate"
)

// What a parser of card data returns is a value or one of these errors.
func assertCardsFault(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, card.ErrMalformed) && !errors.Is(err, gids.ErrNotFound) {
		t.Fatalf("not the card's fault: %v", err)
	}
}

// An object that can be unwrapped is the same when its content is wrapped anew.
func FuzzUnwrap(f *testing.F) {
	f.Fuzz(func(t *testing.T, whole []byte) {
		content, err := gids.Unwrap(whole, 0xDF1F)
		if err != nil {
			assertCardsFault(t, err)
			return
		}
		again, err := gids.Unwrap(ber.Append(nil, 0xDF1F, content), 0xDF1F)
		require.NoError(t, err)
		assert.Equal(t, content, again)
	})
}

// Every whole record is a directory or one entry, whose names fit in their fields;
// there is an error exactly where something is left over or the version is wrong.
func FuzzMasterFile(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		files, err := gids.DecodeMasterFile(content)
		whole := len(content) > 0 && content[0] == 1
		left := whole && (len(content)-1)%gids.FileRecordSize > 0
		assert.Equal(t, !whole || left, err != nil)
		if err != nil {
			assertCardsFault(t, err)
		}
		if !whole {
			assert.Empty(t, files)
			return
		}
		assert.LessOrEqual(t, len(files), (len(content)-1)/gids.FileRecordSize)
		for _, it := range files {
			assert.NotEmpty(t, it.Name)
			assert.LessOrEqual(t, max(len(it.Dir), len(it.Name)), 3*9) // what is no text becomes longer
			for _, i := range it.Indices {
				assert.LessOrEqual(t, i, 0xFF)
			}
			if it.Err != nil {
				assertCardsFault(t, it.Err)
			}
		}
	})
}

// Containers are numbered by their place; a record of zeros is none, and there is
// at most one reference for each.
func FuzzContainers(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		list, err := gids.DecodeContainers(content)
		if err != nil {
			assertCardsFault(t, err)
		} else {
			assert.Len(t, content, len(list)*gids.ContainerSize)
		}
		assert.LessOrEqual(t, len(list), min(len(content)/gids.ContainerSize, gids.MaxContainers))
		for i, k := range list {
			assert.Equal(t, i, k.Index)
			assert.Equal(t, byte(0x81+i), k.Reference())
			assert.False(t, k.Default && !k.Valid())
			assert.LessOrEqual(t, max(k.SignBits, k.ExchangeBits), 0xFFFF)
			assert.LessOrEqual(t, len([]rune(k.Name)), 40)
		}
	})
}

// A key map changes references only, and only to such as a key can have.
func FuzzKeyMap(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte, n uint8) {
		list, err := gids.DecodeContainers(make([]byte, int(n)%gids.MaxContainers*gids.ContainerSize))
		require.NoError(t, err)
		if err := gids.ApplyKeyMap(list, content); err != nil {
			assertCardsFault(t, err)
		}
		for i, k := range list {
			assert.GreaterOrEqual(t, k.Reference(), byte(0x81))
			if 1+(i+1)*gids.KeyRecordSize > len(content) {
				assert.Equal(t, byte(0x81+i), k.Reference(), "the map does not speak of it")
			}
		}
	})
}

// What comes out of a file is one element, not too long, and the same
// out of a file that has it as it is.
func FuzzUnpack(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		der, err := gids.Unpack(content)
		if err != nil {
			assertCardsFault(t, err)
			assert.Nil(t, der)
			return
		}
		assert.LessOrEqual(t, len(der), max(len(content), inflate.MaxSize))
		r := ber.BER(der)
		_, ok := r.Take(ber.Sequence)
		assert.True(t, ok)
		require.NoError(t, r.Close())
		again, err := gids.Unpack(der)
		require.NoError(t, err)
		assert.Equal(t, der, again)
	})
}

// The number of tries is a byte that is there.
func FuzzTries(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		left, ok := gids.DecodeTries(content)
		assert.True(t, 0 <= left && left <= 0xFF)
		if ok {
			assert.Contains(t, content, byte(left))
		} else {
			assert.Zero(t, left)
		}
	})
}

// An application that names itself as GIDS does, from the front, is not another.
func FuzzProperties(f *testing.F) {
	f.Fuzz(func(t *testing.T, answer, more []byte) {
		if gids.IsOther(answer) {
			assert.NotEmpty(t, answer)
		}
		own := append([]byte{0xA0, 0x00, 0x00, 0x03, 0x97, 0x42, 0x54, 0x46, 0x59}, more...)
		assert.False(t, gids.IsOther(ber.Append(nil, 0x61, ber.Append(nil, 0x4F, own))))
		assert.False(t, gids.IsOther(ber.Append(nil, 0x6F, ber.Append(nil, 0x84, own))))
	})
}

// Halves of a signature become the integers that they are.
func FuzzInteger(f *testing.F) {
	f.Fuzz(func(t *testing.T, number []byte) {
		if len(number) == 0 {
			return
		}
		var got *big.Int
		rest, err := asn1.Unmarshal(gids.AppendInteger(nil, number), &got)
		require.NoError(t, err)
		assert.Empty(t, rest)
		assert.Zero(t, new(big.Int).SetBytes(number).Cmp(got))
	})
}
