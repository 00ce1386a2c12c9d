package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the files of expected output")

// TestManPages compares the pages in the folder man with what the program writes.
func TestManPages(t *testing.T) {
	pages := cli.ManPages(newRoot(&cli.Env{}), "", manDate)
	files, err := filepath.Glob("man/*.1")
	require.NoError(t, err)
	if *update {
		for _, f := range files {
			require.NoError(t, os.Remove(f))
		}
		require.NoError(t, os.MkdirAll("man", 0o755))
		for name, text := range pages {
			require.NoError(t, os.WriteFile(filepath.Join("man", name), []byte(text), 0o644))
		}
		return
	}
	assert.Len(t, files, len(pages))
	for name, want := range pages {
		text, err := os.ReadFile(filepath.Join("man", name))
		require.NoError(t, err)
		assert.Equal(t, want, string(text), name)
	}

	readers := cardtest.NewReaders()
	defer readers.Close()
	out, err := smartlogon(t, readers, "man")
	require.NoError(t, err)
	assert.Equal(t, pages["smartlogon.1"], out)
	dir := t.TempDir()
	_, err = smartlogon(t, readers, "man", "-dir", dir)
	require.NoError(t, err)
	written, err := filepath.Glob(filepath.Join(dir, "*.1"))
	require.NoError(t, err)
	assert.Len(t, written, len(pages))
	_, err = smartlogon(t, readers, "man", "-dir", filepath.Join(dir, "missing"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestManPagesLint checks the pages with mandoc.
func TestManPagesLint(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("mandoc is not installed")
	}
	files, err := filepath.Glob("man/*.1")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	out, err := exec.CommandContext(t.Context(), "mandoc", append([]string{"-Tlint", "-W", "warning"}, files...)...).CombinedOutput()
	assert.NoError(t, err, "%s", out)
}
