package upn_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// TestTestdata checks the certificates that the examples read.
func TestTestdata(t *testing.T) {
	for file, c := range map[string]certtest.Certificate{
		"alice.der":        certtest.Logon("alice@example.com"),
		"subject-only.der": {Subject: certtest.Name("CN=alice@example.com")},
		"zero-byte.der":    certtest.Logon("root@example.com\x00.evil.test"),
	} {
		path := filepath.Join("testdata", file)
		if *update {
			require.NoError(t, os.WriteFile(path, c.DER(), 0o644))
		}
		der, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, c.DER(), der, "%s: run this test with -update", file)
	}
}

// TestSeeds checks the seeds in testdata/fuzz. The fuzz targets add more.
func TestSeeds(t *testing.T) {
	ids := map[string]bool{}
	for _, c := range sanCases {
		id, _, _ := strings.Cut(c.name, " ")
		switch id {
		case "baseline", "E1", "S1", "S7", "S9", "S13", "S17", "V2b", "M1", "M5", "M6", "R9", "R11":
		default:
			continue
		}
		if ids[id] {
			continue
		}
		ids[id] = true
		value := c.value(t)
		seed(t, "FuzzReadSAN", id, value)
		seed(t, "FuzzRead", id, certtest.Certificate{Extensions: [][]byte{certtest.Extension("2.5.29.17", value)}}.DER())
	}
	assert.Len(t, ids, 13)
}

func seed(t *testing.T, target, name string, value []byte) {
	path := filepath.Join("testdata", "fuzz", target, name)
	want := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", value)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, want, string(text), "run this test with -update")
}
