package crl_test

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/smartlogon/smartlogon/enumerate/crl"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// splice returns a list with other entries. Its signature is not valid.
func splice(t testing.TB, der, entries []byte) []byte {
	t.Helper()
	r := ber.DER(der)
	outer, ok := r.Take(ber.Sequence)
	require.True(t, ok)
	in := outer.Inside()
	tbs, ok := in.Take(ber.Sequence)
	require.True(t, ok)
	var parts [][]byte
	dates := 0
	for fields := tbs.Inside(); fields.More(); {
		field, ok := fields.Next()
		require.True(t, ok)
		parts = append(parts, field.Raw)
		if field.Tag == ber.UTCTime {
			if dates++; dates == 2 {
				parts = append(parts, sequence(entries))
			}
		}
	}
	return sequence(sequence(parts...), outer.Value[len(tbs.Raw):])
}

// TestMemoryOfAList parses a list of half a million entries. It must not take a
// multiple of its size.
func TestMemoryOfAList(t *testing.T) {
	w := newFixture(t, false)
	date := tagged(ber.UTCTime, []byte("260101000000Z"))
	var entries []byte
	const count = 500_000
	for i := range count {
		serial := binary.BigEndian.AppendUint64(nil, 1<<62|uint64(i))
		entries = append(entries, sequence(tagged(ber.Integer, serial), date)...)
	}
	der := splice(t, w.files["/issuer"], entries)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := crl.CountEntries(der)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	assert.Equal(t, count, n)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(der)))
}
