package piv_test

import (
	"crypto"
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

// A recorded exchange of a vendor's manual.
type recorded struct {
	Command  string `json:"command"`
	SW       string `json:"sw"`
	Response string `json:"response"`
}

func readTraces(t *testing.T) map[string][]recorded {
	t.Helper()
	var file struct {
		Exchanges map[string][]recorded `json:"exchanges"`
	}
	vectors.Read(t, "traces/yubico/piv-apdu-examples.json", &file)
	require.NotEmpty(t, file.Exchanges)
	return file.Exchanges
}

// TestRecordedChains writes certificates with the chains that another card's
// tests send, and reads them again.
func TestRecordedChains(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectors.Dir(t), "traces", "openfips201", "put-data-*.txt"))
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

// TestRecordedExchanges replays what a YubiKey was recorded to answer. What
// depends on its keys and random numbers is compared in length and in its
// first bytes. The recorder printed 9000 for 61XX too.
func TestRecordedExchanges(t *testing.T) {
	tests := []struct {
		name     string
		firmware string
		ready    func(c *card)
		head     int // digits of an answer that have to agree, 0 for all
	}{
		{name: "verify"},
		{name: "version", firmware: "5.2.4"},
		{name: "serial"},
		{name: "get-data", head: 12},
		{name: "auth-sign", head: 16},
		{name: "auth-decrypt", head: 12},
		{name: "auth-key-agree", head: 8},
		{name: "auth-mgmt", head: 8},
		{name: "change-ref"},
		{name: "reset-retry"},
		{name: "set-mgmt-key"},
		{name: "set-pin-retries"},
		{name: "generate-pair"},
		{name: "reset-piv", ready: func(c *card) { c.app.SetTriesLeft(0x80, 0); c.app.SetTriesLeft(0x81, 0) }},
		{name: "metadata", head: 20, ready: func(c *card) {
			administer(c, "5.4.3")
			c.say(making(0x9A, piv.P256))
			c.say(making(0x9C, piv.RSA2048))
			c.say("00ffffff1b039b18" + strings.Repeat("0123456789abcdef", 3))
		}},
	}
	traces := readTraces(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.NotEmpty(t, traces[tt.name])
			firmware := tt.firmware
			if firmware == "" {
				firmware = "5.4.3"
			}
			c := newYubiKey(t, firmware, piv.Config{PINTries: 5, PUKTries: 5})
			for slot, key := range map[byte]crypto.PrivateKey{0x9D: testkeys.RSA(1024, 0), 0x90: p256, 0x9C: testkeys.RSA(2048, 1)} {
				require.NoError(t, c.app.Put(slot, key, nil))
			}
			if tt.ready != nil {
				tt.ready(c)
			}
			for _, e := range traces[tt.name] {
				got := c.say(e.Command)
				data, sw := got[:len(got)-4], status(got)
				if e.SW != "9000" || !strings.HasPrefix(sw, "61") {
					assert.Equal(t, e.SW, sw, e.Command)
				}
				assert.Len(t, data, len(e.Response), e.Command)
				switch {
				case tt.head == 0:
					assert.Equal(t, e.Response, data, e.Command)
				case !strings.HasPrefix(e.Command, "00c0"):
					assert.Equal(t, e.Response[:min(tt.head, len(e.Response))], data[:min(tt.head, len(data))], e.Command)
				}
			}
		})
	}
}
