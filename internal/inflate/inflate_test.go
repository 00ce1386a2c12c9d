package inflate_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/inflate"
)

// content returns n bytes that compress to about half.
func content(n int, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.IntN(16))
	}
	return b
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return out.Bytes()
}

// netID returns b in the format of Net iD.
func netID(t testing.TB, b []byte) []byte {
	t.Helper()
	out := bytes.NewBuffer([]byte{1, 0, byte(len(b)), byte(len(b) >> 8)})
	z := zlib.NewWriter(out)
	_, err := z.Write(b)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return out.Bytes()
}

// TestReuse checks that nothing of one certificate is left in the next, whatever
// fault the first had.
func TestReuse(t *testing.T) {
	want := content(1400, 1)
	gzip, net := gzipped(t, want), netID(t, want)
	tooLarge := gzipped(t, make([]byte, 1<<20))
	wrongSize := bytes.Clone(net)
	wrongSize[2]++
	wrongSum := bytes.Clone(gzip)
	wrongSum[len(wrongSum)-8] ^= 1
	faults := map[string][]byte{
		"nothing":              nil,
		"not compressed":       []byte("text"),
		"gzip header":          gzip[:5],
		"gzip truncated":       gzip[:len(gzip)/2],
		"gzip checksum":        wrongSum,
		"gzip with more after": append(bytes.Clone(gzip), 0),
		"gzip too large":       tooLarge,
		"Net iD header":        net[:5],
		"Net iD truncated":     net[:len(net)/2],
		"Net iD size":          wrongSize,
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				out, err := inflate.Certificate(fault)
				assert.Error(t, err)
				assert.Nil(t, out)
				for _, packed := range [][]byte{gzip, net} {
					out, err := inflate.Certificate(packed)
					require.NoError(t, err)
					assert.Equal(t, want, out)
				}
			}
		})
	}
}

// TestResultIsTheCallers checks that later calls leave a result alone, also in
// parallel.
func TestResultIsTheCallers(t *testing.T) {
	var all sync.WaitGroup
	for i := range 4 {
		want := content(1000+100*i, uint64(i))
		packed := gzipped(t, want)
		all.Go(func() {
			first, err := inflate.Certificate(packed)
			for range 50 {
				if again, err := inflate.Certificate(packed); !assert.NoError(t, err) || !assert.Equal(t, want, again) {
					return
				}
			}
			assert.NoError(t, err)
			assert.Equal(t, want, first)
		})
	}
	all.Wait()
}

// TestMemory checks that a decompressor is reused: its state has 40 KB.
func TestMemory(t *testing.T) {
	packed := gzipped(t, content(1400, 1))
	const runs = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		_, err := inflate.Certificate(packed)
		require.NoError(t, err)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, (after.TotalAlloc-before.TotalAlloc)/runs, uint64(8<<10))
}

func BenchmarkCertificate(b *testing.B) {
	for name, packed := range map[string][]byte{"gzip": gzipped(b, content(1400, 1)), "Net iD": netID(b, content(1400, 1))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := inflate.Certificate(packed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
