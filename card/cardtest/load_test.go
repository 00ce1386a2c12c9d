package cardtest_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/vectors"
)

// folder writes files to a card folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func TestLoad(t *testing.T) {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	c, err := cardtest.Load(folder(t, map[string]string{
		"card.json": `{"objects": [
			{"tag": "5FC102", "file": "chuid"},
			{"tag": "5FC109", "file": "printed", "wrapped": true},
			{"tag": "5FC105", "file": "pem", "certificate": true, "key_reference": "9a"},
			{"tag": "5FC10A", "file": "der", "certificate": true, "key_reference": "9C"}], "other": 1}`,
		"chuid": "anything", "printed": "\x53\x03abc", "pem": text, "der": string(der),
	}))
	require.NoError(t, err)
	assert.Equal(t, "anything", string(c.Object(0x5FC102)))
	assert.Equal(t, "abc", string(c.Object(0x5FC109)))
	plain := cardtest.PIV().Put("9A", nil, der)
	assert.Equal(t, plain.Object(0x5FC105), c.Object(0x5FC105))
	assert.Equal(t, plain.Object(0x5FC105), c.Object(0x5FC10A))
}

func TestLoadAddsTheGlobalPINOfTheDiscoveryObject(t *testing.T) {
	for policy, want := range map[string]string{"\x60\x20": "\x63\xC3", "\x40\x00": "\x6A\x88"} {
		c, err := cardtest.Load(folder(t, map[string]string{
			"card.json": `{"objects": [{"tag": "7E", "file": "discovery", "wrapped": true}]}`,
			"discovery": "\x7E\x12\x4F\x0B\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00\x5F\x2F\x02" + policy,
		}))
		require.NoError(t, err)
		_, err = c.Transmit([]byte("\x00\xA4\x04\x00\x05\xA0\x00\x00\x03\x08"))
		require.NoError(t, err)
		response, err := c.Transmit([]byte("\x00\x20\x00\x00"))
		require.NoError(t, err)
		assert.Equal(t, want, string(response))
	}
}

func TestErrorsOfLoad(t *testing.T) {
	one := func(object string) map[string]string {
		return map[string]string{"card.json": `{"objects": [` + object + `]}`, "f": "x"}
	}
	for want, files := range map[string]map[string]string{
		"card.json":            {},
		"invalid character":    {"card.json": "{x"},
		"lists no objects":     {"card.json": "{}"},
		`object "5FC102"`:      one(`{"tag": "5FC102", "file": "missing"}`),
		"escapes":              one(`{"tag": "5FC102", "file": "../f"}`),
		`object "none"`:        one(`{"tag": "none", "file": "f"}`),
		`object "5FC109"`:      one(`{"tag": "5FC109", "file": "f", "wrapped": true}`),
		`object "5FC105"`:      one(`{"tag": "5FC105", "file": "f", "certificate": true, "key_reference": "99"}`),
		`object "9C": open`:    one(`{"file": "missing", "certificate": true, "key_reference": "9C"}`),
		`object "5FC101": f: `: one(`{"tag": "5FC101", "file": "f", "certificate": true, "key_reference": "9E", "p12": "f"}`),
	} {
		_, err := cardtest.Load(folder(t, files))
		assert.ErrorContains(t, err, want)
	}
	_, err := cardtest.Load(filepath.Join(t.TempDir(), "missing"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestLoadPublishedCards(t *testing.T) {
	for _, dir := range vectors.Cards(t) {
		c, err := cardtest.Load(dir)
		require.NoError(t, err, dir)
		assert.NotEmpty(t, c.Object(0x5FC105), dir)
	}
}
