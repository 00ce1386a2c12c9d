//go:build linux

package prompt_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal is a terminal, and the keyboard that belongs to it.
func terminal(t *testing.T) (screen, keyboard *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminal can be made here: %v", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { screen.Close() })
	return screen, keyboard
}

// answer is what Terminal makes of keys that are typed. They are typed once it
// has made its first question, as what is typed before is not taken.
func answer(t *testing.T, r card.PINRequest, keys string) (pin string, consent bool, questions string, err error) {
	t.Helper()
	screen, keyboard := terminal(t)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	stderr := os.Stderr
	os.Stderr = write
	said := make(chan string)
	go func() {
		var text []byte
		in := bufio.NewReader(read)
		typed := false
		for {
			c, err := in.ReadByte()
			if err != nil {
				said <- string(text)
				return
			}
			if text = append(text, c); c == ':' && !typed && len(text) > 20 {
				typed = true
				_, _ = keyboard.WriteString(keys)
			}
		}
	}()
	got, err := prompt.Terminal(screen)(t.Context(), r)
	os.Stderr = stderr
	write.Close()
	questions = <-said
	if err == nil {
		pin, consent = tried(t, got)
	}
	return pin, consent, questions, err
}

// tried is the PIN that a card would get, and whether it would get it at the
// last try.
func tried(t *testing.T, pin card.PIN) (digits string, consent bool) {
	t.Helper()
	none := card.PIN{}
	if pin == none || pin == none.AllowLastTry() { // it is typed on the reader
		return "", pin != none
	}
	var seen []byte
	c := card.New("a reader", transmitter(func(command []byte) ([]byte, error) {
		seen = append(seen[:0], command[5:]...)
		return []byte{0x90, 0x00}, nil
	}))
	err := c.DoWithPIN(t.Context(), card.Verification{
		Format:   card.PINFormat{Min: 1, Max: 64},
		Select:   func(*card.Tx) error { return nil },
		Identity: func(*card.Tx) (string, error) { return "a card", nil },
		Status:   func(*card.Tx) (card.PINStatus, error) { return card.PINStatus{Retries: 2}, nil },
		Verify:   func(pin []byte) card.Command { return card.Command{INS: 0x20, Data: pin} },
		Logout:   func(*card.Tx) error { return nil },
		PIN:      func(context.Context, card.PINRequest) (card.PIN, error) { return pin, nil },
	}, func(*card.Tx) error { return nil })
	require.NoError(t, err)
	return string(seen), pin == pin.AllowLastTry()
}

type transmitter func([]byte) ([]byte, error)

func (f transmitter) Transmit(command []byte) ([]byte, error) { return f(command) }

var request = card.PINRequest{Reader: "a reader", Card: "a card", Purpose: "sign", Retries: 2}

func TestTerminal(t *testing.T) {
	last, refused := request, request
	last.Retries, last.Last = 1, true
	refused.Refused = &card.PINError{Retries: 2, Sent: true, Err: card.ErrWrongPIN}
	set, pad, lastPad := request, request, last
	set.New, set.Format = true, card.PINFormat{Min: 6, Max: 8, Digits: true}
	pad.Pad, lastPad.Pad = true, true
	newPad := pad
	newPad.New = true
	for _, test := range []struct {
		name    string
		r       card.PINRequest
		keys    string
		pin     string
		consent bool
		said    string
		err     error
	}{
		{"a line", request, "123456\r", "123456", false, "PIN to sign (tries left: 2): ", nil},
		{"backspace takes a key back", request, "\x7f12\x08\x7f345678\n", "345678", false, `a card in "a reader"`, nil},
		{"an empty line gives up", request, "\r", "", false, "", prompt.ErrGivenUp},
		{"ctrl-C gives up", request, "123\x03", "", false, "", prompt.ErrGivenUp},
		{"ctrl-D gives up", request, "123\x04", "", false, "", prompt.ErrGivenUp},
		{"consent to the last try", last, "123456\ryes\r", "123456", true, "This may be the last try", nil},
		{"no consent", last, "123456\rno\r", "", false, "tries left: 1", prompt.ErrGivenUp},
		{"a new PIN, twice", set, "654321\r654321\r", "654321", false, "New PIN (6 to 8 digits): \r\nThe same again: ", nil},
		{"a new PIN that was typed in two ways", set, "654321\r65432\r123321\r123321\r", "123321", false, "They differ. New PIN", nil},
		{"a new PIN that is given up", set, "654321\r\x03", "", false, "", prompt.ErrGivenUp},
		{"a PIN that is typed on the reader", pad, "", "", false, "Type the PIN to sign on the reader (tries left: 2).", nil},
		{"a new PIN that is typed on the reader", newPad, "", "", false, "the new PIN there, twice", nil},
		{"consent to the last try on the reader", lastPad, "yes\r", "", true, "This may be the last try", nil},
		{"why the last answer was not taken", refused, "123456\r", "123456", false, "PIN is wrong (tries left: 2). Enter the PIN again", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			pin, consent, said, err := answer(t, test.r, test.keys)
			assert.ErrorIs(t, err, test.err)
			assert.Equal(t, test.pin, pin)
			assert.Equal(t, test.consent, consent)
			assert.Contains(t, said, test.said)
			assert.NotContains(t, said, "123456")
		})
	}
}

func TestTerminalEndsWithTheContext(t *testing.T) {
	screen, _ := terminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := prompt.Terminal(screen)(ctx, request)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestLineWithoutEndGivesUp(t *testing.T) {
	long := make([]byte, 300)
	for i := range long {
		long[i] = '1'
	}
	_, _, _, err := answer(t, request, string(long))
	assert.ErrorIs(t, err, prompt.ErrGivenUp)
}
