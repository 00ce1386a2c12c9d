package explain

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trace explains a card and returns the output and the transcript.
func trace(t *testing.T, soft *cardtest.Card, flags ...string) (out, transcript string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "transcript")
	out, err := explainOn(t, cardtest.NewService(soft), append([]string{"-trace", file}, flags...)...)
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.True(t, runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0)
	return out, string(text)
}

// replay returns the card of a transcript.
func replay(t *testing.T, transcript string) *cardtest.Card {
	t.Helper()
	file := filepath.Join(t.TempDir(), "transcript")
	require.NoError(t, os.WriteFile(file, []byte(transcript), 0o600))
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	cards, err := cardtest.Replay(f)
	require.NoError(t, err)
	require.Len(t, cards, 1)
	return cards[0]
}

// TestTraceCanBeReplayed explains each card model, and then the record of it.
func TestTraceCanBeReplayed(t *testing.T) {
	for _, model := range cardtest.Models() {
		t.Run(model, func(t *testing.T) {
			soft := cardtest.Model(model)
			out, transcript := trace(t, soft, "-unmasked")
			replayed := replay(t, transcript)
			assert.Equal(t, soft.ATR(), replayed.ATR())
			again, err := explainOn(t, cardtest.NewService(replayed))
			require.NoError(t, err)
			assert.Equal(t, out, again)
			assert.Zero(t, replayed.PINs())
		})
	}
}

// TestTraceIsMasked searches the record of each model for what identifies the card or
// the user.
func TestTraceIsMasked(t *testing.T) {
	for _, model := range cardtest.Models() {
		t.Run(model, func(t *testing.T) {
			soft := cardtest.Model(model)
			out, transcript := trace(t, soft)
			secrets := map[string][]byte{"user name": []byte("alice"), "name of the authority": []byte("CA"), "serial number": {0x00, 0xBC, 0x61, 0x4E}}
			if isPIV(soft) {
				secrets["certificate"] = soft.Object(0x5FC105)[8:24]
				if chuid := soft.Object(0x5FC102); chuid != nil {
					secrets["FASC-N"], secrets["GUID"] = chuid[2:27], chuid[29:45]
				}
			} else {
				secrets["card identifier"] = soft.File("cardid")
				secrets["certificate"] = soft.File("mscp/kxc00")[8:24]
			}
			for what, secret := range secrets {
				assert.NotContains(t, transcript, fmt.Sprintf("%X", secret), what)
			}
			assert.Contains(t, transcript, fmt.Sprintf(`"atr":"%X"`, soft.ATR()))
			replayed, err := explainOn(t, cardtest.NewService(replay(t, transcript)))
			require.NoError(t, err)
			const status = "PIN retries left"
			if isPIV(soft) && strings.Contains(out, status) {
				assert.Contains(t, replayed, status, "what is not masked is as recorded")
			}
		})
	}
}

func isPIV(c *cardtest.Card) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	c.Object(0x5FC105)
	return true
}

func TestTraceFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"-unmasked needs -trace": {"-unmasked"},
		"takes no files":         {"-trace", filepath.Join(t.TempDir(), "f"), "cert.pem"},
	} {
		_, err := explain(t, args...)
		var usage *cli.UsageError
		require.ErrorAs(t, err, &usage)
		assert.ErrorContains(t, err, want)
	}
	file := filepath.Join(t.TempDir(), "exists")
	require.NoError(t, os.WriteFile(file, []byte("kept"), 0o600))
	_, err := explain(t, "-trace", file)
	require.ErrorIs(t, err, os.ErrExist)
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "kept", string(kept))
}
