package piv_test

import (
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// TestExchangesOfTheStandard replays what SP 800-73-4 part 2, appendix A,
// prints: everything but the numbers that depend on the key.
func TestExchangesOfTheStandard(t *testing.T) {
	c := newCard(t, piv.Config{})
	for slot, bits := range map[byte]int{0x9A: 2048, 0x9D: 1024, 0x9E: 3072} {
		require.NoError(t, c.app.Put(slot, testkeys.RSA(bits, 0), nil))
	}
	require.NoError(t, c.app.Put(0x90, testkeys.ECDSA(elliptic.P256(), 0), nil))
	require.NoError(t, c.app.Put(0x91, testkeys.ECDSA(elliptic.P384(), 0), nil))
	require.NoError(t, c.app.Put(0x92, testkeys.RSA(4096, 0), nil))
	require.Equal(t, "9000", c.say(verifyPIN))

	block := strings.Repeat("00", 256)
	assert.Equal(t, "9000", c.say("1087079aff7c82010682008182"+"0100"+block[:490]))
	answer := c.say("0087079a0b" + block[490:] + "00")
	assert.Equal(t, "7c82010482820100", answer[:16])
	assert.Equal(t, "6108", status(answer))
	assert.Len(t, answer, 2*256+4)
	assert.Len(t, c.say("00c0000008"), 2*8+4)

	// The heads of answers for each kind of key.
	for _, tt := range []struct {
		name, head, answer string
		length             int
	}{
		{"RSA 1024", "7c8183828180", c.say("0087069d000088" + "7c8185820081" + "8180" + block[:256] + "0000"), 6 + 128},
		{"RSA 3072", "7c82018482820180", c.say("0087059e00018a" + "7c820186820081820180" + block + block[:256] + "0000"), 8 + 384},
		{"RSA 4096", "7c82020482820200", c.say("0087169200020a" + "7c820206820081820200" + block + block + "0000"), 8 + 512},
	} {
		assert.Equal(t, tt.head, tt.answer[:len(tt.head)], tt.name)
		assert.Len(t, tt.answer, 2*tt.length+4, tt.name)
	}
}

// vectors is the folder with recorded exchanges, which are not part of this
// repository.
func vectors(t *testing.T) string {
	t.Helper()
	folder, set := os.LookupEnv("SMARTLOGON_VECTORS")
	if !set {
		t.Skip("SMARTLOGON_VECTORS is not set: there are no recorded exchanges to replay")
	}
	return folder
}

// A recorded exchange of a vendor's manual.
type recorded struct {
	Command  string `json:"command"`
	SW       string `json:"sw"`
	Response string `json:"response"`
}

func readTraces(t *testing.T) map[string][]recorded {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors(t), "traces", "yubico", "piv-apdu-examples.json"))
	require.NoError(t, err)
	var file struct {
		Exchanges map[string][]recorded `json:"exchanges"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Exchanges)
	return file.Exchanges
}

// TestRecordedChains writes certificates with the chains that another card's
// tests send, and reads them again.
func TestRecordedChains(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectors(t), "traces", "openfips201", "put-data-*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			c := newCard(t, piv.Config{})
			require.Equal(t, "9000", becomeAdmin(c))
			var sent string
			for line := range strings.Lines(string(text)) {
				header, data, ok := strings.Cut(strings.TrimSpace(line), " ")
				require.True(t, ok)
				sent += data
				length := fmt.Sprintf("%02x", len(data)/2) // the printed one is not that of the data
				require.Equal(t, "9000", c.say(header[:8]+length+data))
			}
			tag, object := sent[4:10], sent[10:]
			assert.Equal(t, strings.ToLower(object)+"9000", c.say("00cb3fff000005"+"5c03"+tag+"0000"))
		})
	}
}

// TestRecordedExchanges replays what a real card was recorded to answer. What
// depends on its keys and random numbers is compared in length only. The
// recorder fetched long answers itself, so it stands between us and the card.
func TestRecordedExchanges(t *testing.T) {
	traces := readTraces(t)
	exact := func(c *card, e recorded) { assert.Equal(t, e.Response, fetched(c, e)) }
	alike := func(c *card, e recorded) {
		got := fetched(c, e)
		assert.Len(t, got, len(e.Response))
		assert.Equal(t, e.Response[:min(4, len(e.Response))], got[:min(4, len(got))])
	}
	for name, compare := range map[string]func(*card, recorded){
		"verify": exact, "auth-decrypt": alike, "auth-key-agree": alike, "get-data": alike,
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEmpty(t, traces[name])
			c := newCard(t, piv.Config{Quirks: piv.Quirks{SelectWithPIX: true}})
			require.NoError(t, c.app.Put(0x9D, testkeys.RSA(1024, 0), nil))
			require.NoError(t, c.app.Put(0x90, testkeys.ECDSA(elliptic.P256(), 0), nil))
			for _, e := range traces[name] {
				compare(c, e)
			}
		})
	}
}

// fetched sends a recorded command and fetches the rest of its answer.
func fetched(c *card, e recorded) string {
	c.t.Helper()
	var data string
	answer := c.say(e.Command)
	for ; strings.HasPrefix(status(answer), "61"); answer = c.say("00c0000000") {
		data += answer[:len(answer)-4]
	}
	assert.Equal(c.t, e.SW, status(answer), e.Command)
	return data + answer[:len(answer)-4]
}
