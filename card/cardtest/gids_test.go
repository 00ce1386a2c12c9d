package cardtest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

var (
	selectGIDS = []byte("\x00\xA4\x04\x00\x09\xA0\x00\x00\x03\x97BTFY\x00")
	plainPIN   = []byte("\x00\x20\x00\x80\x06123456")
	wrongGIDS  = []byte("\x00\x20\x00\x80\x06000000")
	readTries  = []byte("\x00\xCB\x3F\xFF\x04\x5C\x02\x7F\x71\x00")
)

func TestTPMAccepts240BytesOfData(t *testing.T) {
	c := cardtest.TPM()
	for n, want := range map[int]string{240: "\x90\x00", 242: "\x67\x00"} {
		c.Reset()
		_, err := c.Transmit(selectGIDS)
		require.NoError(t, err)
		response, err := c.Transmit(append([]byte{0x10, 0xDB, 0xA0, 0x10, byte(n)}, make([]byte, n)...))
		require.NoError(t, err)
		assert.Equal(t, want, string(response))
	}
}

// With an interval of an hour the PIN is locked out, with one of a nanosecond the
// retry is restored at once.
func TestLockout(t *testing.T) {
	for interval, want := range map[time.Duration]string{time.Hour: "\x69\x83", time.Nanosecond: "\x90\x00"} {
		c := cardtest.TPM(cardtest.GIDSLockout(interval), cardtest.MaxRetries(1))
		var response []byte
		for _, command := range [][]byte{selectGIDS, wrongGIDS, plainPIN} {
			response, _ = c.Transmit(command)
		}
		assert.Equal(t, want, string(response), interval)
	}
}

func TestMethodsOfAnotherCard(t *testing.T) {
	assert.PanicsWithValue(t, "cardtest: PutObject is for PIV cards, not for GIDS cards", func() { cardtest.GIDS().PutObject(0x5FC102, nil) })
	assert.PanicsWithValue(t, "cardtest: PutFile is for GIDS cards, not for PIV cards", func() { cardtest.PIV().PutFile("cardid", nil) })
	assert.Panics(t, func() { cardtest.GIDS().Put("9A", nil, nil) })
	assert.Panics(t, func() { cardtest.GIDS().SetDefault("kxc05") })
}

func TestPanicsOfGIDS(t *testing.T) {
	assert.PanicsWithValue(t, `cardtest: file "mscp/kxc00": the card is not set up`, func() { cardtest.GIDS(cardtest.GIDSBlank).PutFile("mscp/kxc00", nil) })
	assert.PanicsWithValue(t, `cardtest: container "kxc00": the card is not set up`, func() { cardtest.GIDS(cardtest.GIDSBlank).Put("kxc00", nil, []byte{1}) })
	for _, name := range []string{"mscp/kxc000000", "directory/kxc00", "certificate"} {
		assert.Panics(t, func() { cardtest.GIDS().PutFile(name, nil) }, name)
	}
	full := cardtest.GIDS()
	for i := range 92 { // DF24 to DF7F
		full.Put(fmt.Sprintf("kxc%02X", i), nil, []byte{1})
	}
	assert.PanicsWithValue(t, `cardtest: container "kxc5C": there is no room for another file`, func() { full.Put("kxc5C", nil, []byte{1}) })
}
