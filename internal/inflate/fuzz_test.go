package inflate_test

import (
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/inflate"
)

// FuzzInflate checks that the output is bounded, and that it stays the same when
// it is compressed and decompressed again.
func FuzzInflate(f *testing.F) {
	f.Fuzz(func(t *testing.T, packed []byte) {
		out, err := inflate.Certificate(packed)
		if err != nil {
			assert.Nil(t, out)
			return
		}
		assert.LessOrEqual(t, len(out), inflate.MaxSize)
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		compressFuzzed(t, z, out)
		again, err := inflate.Certificate(b.Bytes())
		require.NoError(t, err)
		assert.True(t, bytes.Equal(out, again))
	})
}

func compressFuzzed(t *testing.T, z *gzip.Writer, b []byte) {
	t.Helper()
	_, err := z.Write(b)
	require.NoError(t, err)
	require.NoError(t, z.Close())
}
