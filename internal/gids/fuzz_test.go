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

// assertDataError checks that an error of a parser is about the data.
func assertDataError(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, card.ErrMalformed) && !errors.Is(err, gids.ErrNotFound) {
		t.Fatalf("want malformed or missing data: %v", err)
	}
}

// Unwrap returns the content that Append wraps.
func FuzzUnwrap(f *testing.F) {
	f.Fuzz(func(t *testing.T, whole []byte) {
		content, err := gids.Unwrap(whole, 0xDF1F)
		if err != nil {
			assertDataError(t, err)
			return
		}
		again, err := gids.Unwrap(ber.Append(nil, 0xDF1F, content), 0xDF1F)
		require.NoError(t, err)
		assert.Equal(t, content, again)
	})
}

// Each whole record is a directory or one entry, and names fit into their fields. The
// error is not nil exactly if bytes are left over or the version is wrong.
func FuzzMasterFile(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		files, err := gids.DecodeMasterFile(content)
		whole := len(content) > 0 && content[0] == 1
		left := whole && (len(content)-1)%gids.FileRecordSize > 0
		assert.Equal(t, !whole || left, err != nil)
		if err != nil {
			assertDataError(t, err)
		}
		if !whole {
			assert.Empty(t, files)
			return
		}
		assert.LessOrEqual(t, len(files), (len(content)-1)/gids.FileRecordSize)
		for _, f := range files {
			assert.NotEmpty(t, f.Name)
			assert.LessOrEqual(t, max(len(f.Dir), len(f.Name)), 3*9) // ToLower replaces invalid UTF-8
			for _, i := range f.Indices {
				assert.LessOrEqual(t, i, 0xFF)
			}
			if f.Err != nil {
				assertDataError(t, f.Err)
			}
		}
	})
}

// Containers are numbered by position, and each has a reference.
func FuzzContainers(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		list, err := gids.DecodeContainers(content)
		if err != nil {
			assertDataError(t, err)
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

// A key map changes references only, and only to valid ones.
func FuzzKeyMap(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte, n uint8) {
		list, err := gids.DecodeContainers(make([]byte, int(n)%gids.MaxContainers*gids.ContainerSize))
		require.NoError(t, err)
		if err := gids.ApplyKeyMap(list, content); err != nil {
			assertDataError(t, err)
		}
		for i, k := range list {
			assert.GreaterOrEqual(t, k.Reference(), byte(0x81))
			if 1+(i+1)*gids.KeyRecordSize > len(content) {
				assert.Equal(t, byte(0x81+i), k.Reference(), "not in the map")
			}
		}
	})
}

// Unpack returns one element of bounded size, and returns it unchanged if it is
// stored uncompressed.
func FuzzUnpack(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		der, err := gids.Unpack(content)
		if err != nil {
			assertDataError(t, err)
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

// A retry counter is one of the bytes of the object.
func FuzzRetries(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		left, ok := gids.DecodeRetries(content)
		assert.True(t, 0 <= left && left <= 0xFF)
		if ok {
			assert.Contains(t, content, byte(left))
		} else {
			assert.Zero(t, left)
		}
	})
}

// An application identifier that begins as that of GIDS is not another.
func FuzzIsOther(f *testing.F) {
	f.Fuzz(func(t *testing.T, response, version []byte) {
		if gids.IsOther(response) {
			assert.NotEmpty(t, response)
		}
		aid := append([]byte{0xA0, 0x00, 0x00, 0x03, 0x97, 0x42, 0x54, 0x46, 0x59}, version...)
		assert.False(t, gids.IsOther(ber.Append(nil, 0x61, ber.Append(nil, 0x4F, aid))))
		assert.False(t, gids.IsOther(ber.Append(nil, 0x6F, ber.Append(nil, 0x84, aid))))
	})
}

// appendInteger encodes as encoding/asn1 does.
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
