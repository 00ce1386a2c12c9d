package card_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A maskedPIN has the digits of a PIN XOR mask, so that the test does not hold the
// PIN that it searches for.
type maskedPIN [8]byte

const mask = 0x5A

func randomPIN() (m maskedPIN) {
	rand.Read(m[:])
	for i, b := range m {
		m[i] = ('0' + b%10) ^ mask
	}
	return m
}

// digits returns the PIN in new memory, which the caller must zero.
func (m maskedPIN) digits() []byte {
	b := make([]byte, len(m))
	for i := range m {
		b[i] = m[i] ^ mask
	}
	return b
}

// isIn reports whether b begins with the PIN.
func (m maskedPIN) isIn(b []byte) bool {
	if len(b) < len(m) {
		return false
	}
	for i := range m {
		if b[i]^mask != m[i] {
			return false
		}
	}
	return true
}

// countInMemory returns how often the PIN is in the writable memory of the process.
func (m maskedPIN) countInMemory(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	mem, err := os.Open("/proc/self/mem")
	require.NoError(t, err)
	defer mem.Close()
	count := 0
	buffer := make([]byte, 1<<20)
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var access string
		_, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &access)
		require.NoError(t, err)
		if !strings.HasPrefix(access, "rw") {
			continue
		}
		for ; from < to; from += uint64(len(buffer) - len(m)) {
			n, _ := mem.ReadAt(buffer[:min(uint64(len(buffer)), to-from)], int64(from)) // some mappings cannot be read
			for at := 0; ; at++ {
				next := bytes.IndexByte(buffer[at:n], m[0]^mask)
				if next < 0 {
					break
				}
				if at += next; m.isIn(buffer[at:n]) {
					count++
				}
			}
			clear(buffer)
		}
	}
	return count
}

// A maskedCard accepts a maskedPIN, and does not keep what it receives.
type maskedCard struct {
	pin     maskedPIN
	retries int
}

func (c *maskedCard) Readers(context.Context) ([]driver.Reader, error) {
	return []driver.Reader{{Name: zero, Present: true, ATR: []byte{0x3B, 0}}}, nil
}

func (c *maskedCard) Wait(ctx context.Context, _ []driver.Reader) ([]driver.Reader, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (c *maskedCard) Connect(context.Context, string) (driver.Card, error) {
	return maskedConnection{c}, nil
}

func (c *maskedCard) Close() error { return nil }

type maskedConnection struct{ *maskedCard }

func (c maskedConnection) Protocol() driver.Protocol       { return driver.T1 }
func (c maskedConnection) Begin(context.Context) error     { return nil }
func (c maskedConnection) End(bool) error                  { return nil }
func (c maskedConnection) Reconnect(context.Context) error { return nil }
func (c maskedConnection) Close(bool) error                { return nil }

func (c maskedConnection) Transmit(command []byte) ([]byte, error) {
	switch {
	case command[1] == 0xA4, command[1] == 0x20 && command[2] == 0xFF:
		return []byte{0x90, 0}, nil
	case len(command) == 4:
		return []byte{0x63, 0xC0 | byte(c.retries)}, nil
	case !c.pin.isIn(command[5:]):
		c.retries--
		return []byte{0x63, 0xC0 | byte(c.retries)}, nil
	}
	if command[1] == 0x24 {
		for i := range c.pin {
			c.pin[i] = command[13+i] ^ mask
		}
	}
	c.retries = 3
	return []byte{0x90, 0}, nil
}

func TestPINNotInMemory(t *testing.T) {
	if racing {
		t.Skip("the race detector maps more memory than can be searched")
	}
	wrong, right, changed := randomPIN(), randomPIN(), randomPIN()
	control := right.digits()
	require.Len(t, control, 8) // control escapes, or the compiler drops it
	require.Positive(t, right.countInMemory(t), "the search finds a PIN")
	clear(control)
	count := func() []int {
		return []int{wrong.countInMemory(t), right.countInMemory(t), changed.countInMemory(t)}
	}
	none := []int{0, 0, 0}
	require.Equal(t, none, count())

	s := card.NewService(&maskedCard{right, 3}, nil)
	c, err := s.Card(t.Context(), zero)
	require.NoError(t, err)
	release, err := c.Hold(t.Context())
	require.NoError(t, err)
	var enter []maskedPIN
	ask := func(context.Context, card.PINRequest) (card.PIN, error) {
		pin := enter[0]
		enter = enter[1:]
		return card.NewPIN(pin.digits()), nil
	}
	enter = []maskedPIN{wrong, right}
	require.NoError(t, c.DoWithPIN(t.Context(), pinVerification(aCard, ask), func(*card.Tx) error {
		assert.Equal(t, none, count(), "in the transaction")
		return nil
	}))
	assert.Equal(t, none, count(), "while verified")
	enter = []maskedPIN{right, changed}
	require.NoError(t, c.ChangePIN(t.Context(), pinChange(ask)))
	assert.Equal(t, none, count(), "after the change")
	enter = []maskedPIN{changed}
	require.NoError(t, c.DoWithPIN(t.Context(), pinVerification(aCard, ask), nothing))
	release()
	require.NoError(t, s.Close())
	assert.Equal(t, none, count(), "after Close")
}
