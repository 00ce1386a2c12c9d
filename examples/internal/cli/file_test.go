package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	_, err := ReadFile(name)
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = ReadFile(t.TempDir())
	assert.Error(t, err, "a folder")

	require.NoError(t, os.WriteFile(name, []byte("contents"), 0o600))
	data, err := ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, "contents", string(data))

	require.NoError(t, os.Truncate(name, MaxFile))
	data, err = ReadFile(name)
	require.NoError(t, err)
	assert.Len(t, data, MaxFile)
	require.NoError(t, os.Truncate(name, MaxFile+1))
	_, err = ReadFile(name)
	assert.EqualError(t, err, "read "+name+": larger than 16 MiB")
}

func TestReadEndlessFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no /dev/zero")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ReadFile("/dev/zero")
	runtime.ReadMemStats(&after)
	assert.EqualError(t, err, "read /dev/zero: larger than 16 MiB")
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*MaxFile))
}
