package internal_test

import (
	"io/fs"
	"os"
	"path"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadmeListsEveryPackage(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	tree := os.DirFS(".")
	require.NoError(t, fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || name == "." {
			return err
		}
		if path.Base(name) == "testdata" {
			return fs.SkipDir
		}
		files, err := fs.Glob(tree, name+"/*.go")
		if len(files) > 0 {
			assert.Contains(t, string(readme), "\n| `"+name+"` |", "package is missing in README.md")
		}
		if _, err := fs.Stat(tree, name+"/go.mod"); err == nil {
			return fs.SkipDir // a module of its own
		}
		return err
	}))
}
