package prompt_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scriptVariable makes the test program a pinentry program. It holds the path of a
// file with the responses, which get a line per command: the command, a blank and
// the response with \n between its lines. Other commands succeed. The commands are
// added to the file with the suffix ".log".
const scriptVariable = "SMARTLOGON_TEST_PINENTRY"

func runPinentry(script string) {
	text, err := os.ReadFile(script)
	if err != nil {
		panic(err)
	}
	log, err := os.Create(script + ".log")
	if err != nil {
		panic(err)
	}
	servePinentry(os.Stdin, os.Stdout, log, strings.Split(string(text), "\n"))
}

// servePinentry is a pinentry program with these responses.
func servePinentry(in io.Reader, out, log io.Writer, lines []string) {
	responses := map[string][]string{}
	for _, line := range lines {
		word, response, _ := strings.Cut(line, " ")
		responses[word] = append(responses[word], strings.ReplaceAll(response, `\n`, "\n"))
	}
	respond := func(word, otherwise string) bool {
		response := otherwise
		if list := responses[word]; len(list) > 0 {
			response, responses[word] = list[0], list[1:]
		}
		switch response {
		case "EXIT":
			return false
		case "HANG":
			never, _, err := os.Pipe()
			fmt.Fprintln(os.Stderr, err)
			_, _ = never.Read(make([]byte, 1))
		}
		_, err := fmt.Fprintln(out, response)
		return err == nil
	}
	if !respond("START", "OK Pleased to meet you") {
		return
	}
	commands := bufio.NewScanner(in)
	for commands.Scan() {
		fmt.Fprintln(log, commands.Text())
		word, _, _ := strings.Cut(commands.Text(), " ")
		if !respond(word, "OK") || word == "BYE" {
			return
		}
	}
}

// askWith asks with a pinentry program that gives these responses. It returns what
// a card would get, the consent to the last try, and the commands.
func askWith(t *testing.T, r card.PINRequest, responses ...string) (pin string, consent bool, commands string, err error) {
	t.Helper()
	toProgram, in := io.Pipe()
	out, fromProgram := io.Pipe()
	var log bytes.Buffer
	var program sync.WaitGroup
	program.Go(func() {
		servePinentry(toProgram, fromProgram, &log, responses)
		toProgram.Close()
		fromProgram.Close()
	})
	got, err := prompt.AskPinentry(in, out, r)
	in.Close()
	out.Close()
	program.Wait()
	if err == nil {
		pin, consent = sentPIN(t, got)
	}
	return pin, consent, log.String(), err
}

func TestPinentryProgram(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte(`GETPIN D 123456\nOK`), 0o600))
	t.Setenv(scriptVariable, script)
	t.Setenv("GPG_TTY", "/dev/pts/99")
	got, err := prompt.Pinentry(os.Args[0])(t.Context(), request)
	require.NoError(t, err)
	pin, _ := sentPIN(t, got)
	assert.Equal(t, "123456", pin)
	commands, err := os.ReadFile(script + ".log")
	require.NoError(t, err)
	assert.Contains(t, string(commands), "OPTION ttyname=/dev/pts/99\n")
	assert.Contains(t, string(commands), "BYE")
}

func TestPinentry(t *testing.T) {
	last, refused, set, pad, hostile, unknown := request, request, request, request, request, request
	last.Retries, last.Last = 1, true
	refused.Refused = &card.PINError{Retries: 2, Sent: true, Err: card.ErrWrongPIN}
	set.New, set.Format = true, card.PINFormat{Min: 6, Max: 8, Digits: true}
	pad.Pad = true
	lastPad, newPad := pad, pad
	lastPad.Last = true
	newPad.New = true
	hostile.Card, hostile.Title = card.NewIdentity("test", []byte{1}, "a\nGETPIN"), "100%\r"
	unknown.Retries = -1
	for _, test := range []struct {
		name      string
		r         card.PINRequest
		responses []string
		pin       string
		consent   bool
		command   string // among those that were sent
		err       error
	}{
		{"PIN", request, []string{`GETPIN D 123456\nOK`}, "123456", false, "Enter the PIN to sign (retries left: 2).", nil},
		{"escaped PIN", request, []string{`GETPIN D 1%25%3d%3D2\nOK`}, "1%==2", false, "SETPROMPT PIN:", nil},
		{"PIN in two lines", request, []string{`GETPIN D 123\nD 456\nOK`}, "123456", false, "GETPIN", nil},
		{"status and comment lines", request, []string{`GETPIN # a comment\nS SOMETHING\nD 123456\nOK`}, "123456", false, "GETPIN", nil},
		{"inquiry", request, []string{`GETPIN INQUIRE QUALITY 1\nD 123456\nOK`}, "123456", false, "CAN", nil},
		{"line end of Windows", request, []string{"GETPIN D 123456\r\\nOK\r"}, "123456", false, "GETPIN", nil},
		{"options that are not known", request, []string{"OPTION ERR 83886254 Unknown option", "SETERROR ERR 536871187 Unknown command", `GETPIN D 123456\nOK`}, "123456", false, "GETPIN", nil},
		{"unknown retry counter", unknown, []string{`GETPIN D 123456\nOK`}, "123456", false, "retries left: unknown", nil},
		{"control characters in names", hostile, []string{`GETPIN D 123456\nOK`}, "123456", false, "SETDESC 100%25\uFFFD, card a\uFFFDGETPIN in \"a reader\"%0A", nil},
		{"previous PIN refused", refused, []string{`GETPIN D 123456\nOK`}, "123456", false, "SETERROR " + refused.Refused.Error(), nil},
		{"canceled", request, []string{"GETPIN ERR 83886179 Operation cancelled <Pinentry>"}, "", false, "GETPIN", prompt.ErrGivenUp},
		{"timeout", request, []string{`GETPIN S ERROR x\nERR 83886142 Timeout <Pinentry>`}, "", false, "GETPIN", prompt.ErrGivenUp},
		{"ended by the user", request, []string{"GETPIN EXIT"}, "", false, "GETPIN", prompt.ErrGivenUp},
		{"no PIN", request, []string{"GETPIN OK"}, "", false, "GETPIN", prompt.ErrGivenUp},
		{"control character", request, []string{`GETPIN D 123456%1B\nOK`}, "", false, "GETPIN", prompt.ErrControlCharacter},
		{"consent to the last try", last, []string{`GETPIN D 123456\nOK`}, "123456", true, "CONFIRM", nil},
		{"no consent", last, []string{`GETPIN D 123456\nOK`, "CONFIRM ERR 83886194 Not confirmed <Pinentry>"}, "", false, "CONFIRM", prompt.ErrGivenUp},
		{"new PIN", set, []string{`GETPIN S PIN_REPEATED\nD 654321\nOK`}, "654321", false, "SETREPEAT New PIN again:", nil},
		{"new PIN in two dialogs", set, []string{"SETREPEAT ERR 536871187 Unknown command", `GETPIN D 654321\nOK`, `GETPIN D 654321\nOK`}, "654321", false, "Choose a new PIN (6 to 8 digits).", nil},
		{"new PIN entered differently", set, []string{`GETPIN D 1\nOK`, `GETPIN D 2\nOK`, `GETPIN D 654321\nOK`, `GETPIN D 654321\nOK`}, "654321", false, "GETPIN", nil},
		{"new PIN, canceled", set, []string{`GETPIN D 654321\nOK`, "GETPIN ERR 83886179 Operation cancelled <Pinentry>"}, "", false, "GETPIN", prompt.ErrGivenUp},
		{"keypad", pad, nil, "", false, "CONFIRM --one-button", nil},
		{"keypad, canceled", pad, []string{"CONFIRM ERR 83886179 Operation cancelled <Pinentry>"}, "", false, "keypad of the reader", prompt.ErrGivenUp},
		{"new PIN on the keypad", newPad, nil, "", false, "the new PIN there, twice", nil},
		{"consent to the last try on the keypad", lastPad, nil, "", true, "This may be the last try", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			pin, consent, commands, err := askWith(t, test.r, test.responses...)
			assert.ErrorIs(t, err, test.err)
			assert.Equal(t, test.pin, pin)
			assert.Equal(t, test.consent, consent)
			assert.Contains(t, commands, test.command)
			assert.NotContains(t, commands, "123456")
			assert.NotContains(t, commands, "654321")
		})
	}
}

func TestPinentryErrors(t *testing.T) {
	for name, test := range map[string]struct{ response, want string }{
		"no terminal":            {"GETPIN ERR 83918950 Inappropriate ioctl for device <Pinentry>", "Inappropriate ioctl for device"},
		"malformed error":        {"GETPIN ERR x", "malformed error code"},
		"malformed data":         {`GETPIN D 123456%2\nOK`, "malformed data"},
		"data that is not hex":   {`GETPIN D 123456%zz\nOK`, "malformed data"},
		"long PIN":               {"GETPIN D " + strings.Repeat("1", 257), "PIN of more than 256 bytes"},
		"long PIN in many lines": {"GETPIN " + strings.Repeat(`D 12345678901234567890\n`, 20) + "OK", "PIN of more than 256 bytes"},
		"long line":              {"GETPIN D " + strings.Repeat("%31", 600), "line of more than 1002 bytes"},
		"no end":                 {"GETPIN " + strings.Repeat(`#\n`, 2000) + "OK", "no end of the response"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := askWith(t, request, test.response)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "prompt: pinentry: ")
			assert.Contains(t, card.Hint(err), "pinentry")
			assert.NotContains(t, err.Error(), "123")
		})
	}
	_, err := prompt.Pinentry(filepath.Join(t.TempDir(), "missing"))(t.Context(), request)
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.Contains(t, card.Hint(err), "Install")
}

func TestPinentryEndsWithContext(t *testing.T) {
	for _, at := range []string{"START", "GETPIN", "SETDESC"} {
		script := filepath.Join(t.TempDir(), "script")
		require.NoError(t, os.WriteFile(script, []byte(at+" HANG"), 0o600))
		t.Setenv(scriptVariable, script)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := prompt.Pinentry(os.Args[0])(ctx, request)
			ended <- err
		}()
		if at == "START" {
			require.Eventually(t, func() bool { _, err := os.Stat(script + ".log"); return err == nil }, 10*time.Second, time.Millisecond)
		} else {
			require.Eventually(t, func() bool {
				log, err := os.ReadFile(script + ".log")
				return err == nil && strings.Contains(string(log), at)
			}, 10*time.Second, time.Millisecond)
		}
		cancel()
		assert.ErrorIs(t, <-ended, context.Canceled)
	}
}

func FuzzPinentry(f *testing.F) {
	for _, response := range []string{"D 123456\nOK", "D 1%25\nOK", "ERR 83886179 Operation cancelled", "S PIN_REPEATED\nD 1\nOK", "INQUIRE X\nOK", "D %", "\r\n"} {
		f.Add([]byte(response))
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		digits, err := prompt.ReadResponse(response)
		assert.True(t, err == nil || digits == nil)
		assert.LessOrEqual(t, len(digits), 256)
	})
}
