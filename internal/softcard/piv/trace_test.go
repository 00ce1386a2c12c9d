package piv_test

import (
	"crypto/elliptic"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/internal/vectors"
)

// TestStandardExamples replays the exchanges of SP 800-73-4 part 2, appendix A.
// Numbers that depend on the key are not compared.
func TestStandardExamples(t *testing.T) {
	c := newCard(t, piv.Config{})
	for slot, bits := range map[byte]int{0x9A: 2048, 0x9D: 1024, 0x9E: 3072} {
		require.NoError(t, c.app.Put(slot, testkeys.RSA(bits, 0), nil))
	}
	require.NoError(t, c.app.Put(0x90, testkeys.ECDSA(elliptic.P256(), 0), nil))
	require.NoError(t, c.app.Put(0x91, testkeys.ECDSA(elliptic.P384(), 0), nil))
	require.NoError(t, c.app.Put(0x92, testkeys.RSA(4096, 0), nil))
	require.Equal(t, "9000", c.send(verifyPIN))

	block := strings.Repeat("00", 256)
	assert.Equal(t, "9000", c.send("1087079aff7c82010682008182"+"0100"+block[:490]))
	resp := c.send("0087079a0b" + block[490:] + "00")
	assert.Equal(t, "7c82010482820100", resp[:16])
	assert.Equal(t, "6108", status(resp))
	assert.Len(t, resp, 2*256+4)
	assert.Len(t, c.send("00c0000008"), 2*8+4)

	// Compare the first bytes of the response for each kind of key.
	for _, tt := range []struct {
		name, head, want string
		length           int
	}{
		{"RSA 1024", "7c8183828180", c.send("0087069d000088" + "7c8185820081" + "8180" + block[:256] + "0000"), 6 + 128},
		{"RSA 3072", "7c82018482820180", c.send("0087059e00018a" + "7c820186820081820180" + block + block[:256] + "0000"), 8 + 384},
		{"RSA 4096", "7c82020482820200", c.send("0087169200020a" + "7c820206820081820200" + block + block + "0000"), 8 + 512},
	} {
		assert.Equal(t, tt.head, tt.want[:len(tt.head)], tt.name)
		assert.Len(t, tt.want, 2*tt.length+4, tt.name)
	}
}

// TestOpenFIPS201Chains writes certificates with the chained commands of
// OpenFIPS201's tests, and reads them back.
func TestOpenFIPS201Chains(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectors.Dir(t), "traces", "openfips201", "put-data-*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			c := newCard(t, piv.Config{})
			require.Equal(t, "9000", authenticateAdmin(c))
			var sent string
			for line := range strings.Lines(string(text)) {
				header, data, ok := strings.Cut(strings.TrimSpace(line), " ")
				require.True(t, ok)
				sent += data
				length := fmt.Sprintf("%02x", len(data)/2) // the printed length is not that of the data
				require.Equal(t, "9000", c.send(header[:8]+length+data))
			}
			tag, object := sent[4:10], sent[10:]
			assert.Equal(t, strings.ToLower(object)+"9000", c.send("00cb3fff000005"+"5c03"+tag+"0000"))
		})
	}
}
