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

// openPTY opens a pseudoterminal. What the test writes to keyboard is entered at
// screen.
func openPTY(t *testing.T) (screen, keyboard *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudoterminal: %v", err)
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

// runTerminal calls a PINFunc of Terminal, enters keys after its first question,
// and returns the PIN that a card would get, the consent to the last try, and
// what was printed. Keys that are entered before the question are discarded by
// the switch to raw mode.
func runTerminal(t *testing.T, r card.PINRequest, keys string) (pin string, consent bool, printed string, err error) {
	t.Helper()
	screen, keyboard := openPTY(t)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	stderr := os.Stderr
	os.Stderr = write
	output := make(chan string)
	go func() {
		var text []byte
		in := bufio.NewReader(read)
		entered := false
		for {
			c, err := in.ReadByte()
			if err != nil {
				output <- string(text)
				return
			}
			if text = append(text, c); c == ':' && !entered && len(text) > 20 {
				entered = true
				_, _ = keyboard.WriteString(keys)
			}
		}
	}()
	got, err := prompt.Terminal(screen)(t.Context(), r)
	os.Stderr = stderr
	write.Close()
	printed = <-output
	if err == nil {
		pin, consent = sentPIN(t, got)
	}
	return pin, consent, printed, err
}

func TestTerminal(t *testing.T) {
	last, refused := request, request
	last.Retries, last.Last = 1, true
	refused.Refused = &card.PINError{Retries: 2, Sent: true, Err: card.ErrWrongPIN}
	set, pad, lastPad := request, request, last
	set.New, set.Format = true, card.PINFormat{Min: 6, Max: 8, Digits: true}
	pad.Pad, lastPad.Pad = true, true
	newPad, unknown, hostile := pad, request, request
	newPad.New = true
	unknown.Retries = -1
	hostile.Card = card.NewIdentity("test", []byte{1}, "a\x1b[2J\u202ecard")
	for _, test := range []struct {
		name    string
		r       card.PINRequest
		keys    string
		pin     string
		consent bool
		printed string
		err     error
	}{
		{"line", request, "123456\r", "123456", false, "PIN to sign (retries left: 2): ", nil},
		{"unknown retry counter", unknown, "123456\r", "123456", false, "PIN to sign (retries left: unknown): ", nil},
		{"backspace", request, "\x7f12\x08\x7f345678\n", "345678", false, `card 1234 in "a reader"`, nil},
		{"control characters in the card's name", hostile, "123456\r", "123456", false, "a\uFFFD[2J\uFFFDcard in", nil},
		{"empty line", request, "\r", "", false, "", prompt.ErrGivenUp},
		{"Ctrl-C", request, "123\x03", "", false, "", prompt.ErrGivenUp},
		{"Ctrl-D", request, "123\x04", "", false, "", prompt.ErrGivenUp},
		{"consent to the last try", last, "123456\ryes\r", "123456", true, "This may be the last try", nil},
		{"no consent", last, "123456\rno\r", "", false, "retries left: 1", prompt.ErrGivenUp},
		{"new PIN", set, "654321\r654321\r", "654321", false, "New PIN (6 to 8 digits): \r\nNew PIN again: ", nil},
		{"new PIN entered differently", set, "654321\r65432\r123321\r123321\r", "123321", false, "The two PINs differ. New PIN", nil},
		{"new PIN, Ctrl-C", set, "654321\r\x03", "", false, "", prompt.ErrGivenUp},
		{"keypad", pad, "", "", false, "Enter the PIN to sign on the keypad of the reader (retries left: 2).", nil},
		{"new PIN on the keypad", newPad, "", "", false, "the new PIN there, twice", nil},
		{"consent to the last try on the keypad", lastPad, "yes\r", "", true, "This may be the last try", nil},
		{"previous PIN refused", refused, "123456\r", "123456", false, refused.Refused.Error() + ". " + card.Hint(card.ErrWrongPIN), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			pin, consent, printed, err := runTerminal(t, test.r, test.keys)
			assert.ErrorIs(t, err, test.err)
			assert.Equal(t, test.pin, pin)
			assert.Equal(t, test.consent, consent)
			assert.Contains(t, printed, test.printed)
			assert.NotContains(t, printed, "123456")
			assert.NotContains(t, printed, "\x1b")
		})
	}
}

func TestTerminalRefusesControlCharacters(t *testing.T) {
	last, set := request, request
	last.Last = true
	set.New, set.Format = true, card.PINFormat{Min: 6, Max: 8}
	for _, test := range []struct {
		name string
		r    card.PINRequest
		keys string
	}{
		{"arrow key", request, "123456\x1b[A\r"},
		{"arrow key first", request, "\x1b[D123456\r"},
		{"delete key", request, "12345\x1b[3~6\r"},
		{"tab", request, "123456\t\r"},
		{"NUL", request, "123\x00456\r"},
		{"C1 control of eight bits", request, "123456\u009b\r"},
		{"byte order mark", request, "\ufeff123456\r"},
		{"consent", last, "123456\ryes\x1b[A\r"},
		{"new PIN", set, "123456\x1b[A\r"},
		{"new PIN again", set, "123456\r123456\x1b[A\r"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, printed, err := runTerminal(t, test.r, test.keys)
			assert.ErrorIs(t, err, prompt.ErrControlCharacter)
			assert.NotEmpty(t, card.Hint(err))
			assert.NotContains(t, err.Error(), "123")
			assert.NotContains(t, printed, "123456")
		})
	}
}

func TestTerminalEndsWithContext(t *testing.T) {
	screen, _ := openPTY(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := prompt.Terminal(screen)(ctx, request)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestTerminalGivesUpOnLongLine(t *testing.T) {
	long := make([]byte, 300)
	for i := range long {
		long[i] = '1'
	}
	_, _, _, err := runTerminal(t, request, string(long))
	assert.ErrorIs(t, err, prompt.ErrGivenUp)
}
