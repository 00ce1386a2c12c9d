package prompt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// maxAssuanLine is the longest line of the Assuan protocol, line end included.
const maxAssuanLine = 1002

// killDelay is how long a program that should end may take to restore the terminal.
const killDelay = time.Second

var errPinentry = fault.New(fault.Object, "prompt: pinentry",
	"Install a pinentry program that runs here, for example pinentry-curses, and set GPG_TTY to the output of tty.")

// assuan speaks the Assuan protocol with a pinentry program: a command per line,
// answered by data and status lines and one line OK or ERR.
type assuan struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	stop   func() bool         // ends the link of out to the context
	buffer [maxAssuanLine]byte // of out; contains PINs
	filled int
}

// startAssuan starts a program and reads its greeting.
func startAssuan(ctx context.Context, program string) (*assuan, error) {
	cmd := exec.CommandContext(ctx, program)
	cmd.Cancel = func() error { return terminate(cmd.Process) }
	cmd.WaitDelay = killDelay
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPinentry, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPinentry, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", errPinentry, err)
	}
	a := &assuan{cmd: cmd, in: in, out: out}
	// A process that the program started may hold its output open.
	a.stop = context.AfterFunc(ctx, func() { out.Close() })
	if _, _, err := a.response(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// close ends the program and zeroes what it sent.
func (a *assuan) close() {
	clear(a.buffer[:])
	a.stop()
	io.WriteString(a.in, "BYE\n") // fails if the program has ended
	a.in.Close()
	kill := time.AfterFunc(killDelay, func() { a.cmd.Process.Kill() })
	defer kill.Stop()
	a.cmd.Wait() // the status says nothing: the responses did
}

// set sends a command whose failure does not matter: programs need not know every
// option.
func (a *assuan) set(command, text string) error {
	_, _, err := a.call(command + " " + escape(text))
	var no *assuanError
	if errors.As(err, &no) {
		return nil
	}
	return err
}

// confirm shows a dialog with buttons.
func (a *assuan) confirm(text string, flags ...string) error {
	if err := a.set("SETDESC", text); err != nil {
		return err
	}
	_, _, err := a.call(strings.Join(append([]string{"CONFIRM"}, flags...), " "))
	return err
}

// getPIN shows a dialog with an input. repeated reports that the user entered the
// same PIN twice.
func (a *assuan) getPIN(ctx context.Context, r card.PINRequest, label string) (digits []byte, repeated bool, err error) {
	if err := a.set("SETDESC", description(ctx, r)); err != nil {
		return nil, false, err
	}
	if err := a.set("SETPROMPT", label); err != nil {
		return nil, false, err
	}
	if text := refusal(r); text != "" {
		if err := a.set("SETERROR", text); err != nil {
			return nil, false, err
		}
	}
	digits, repeated, err = a.call("GETPIN")
	switch {
	case err != nil:
	case len(digits) == 0:
		err = ErrGivenUp
	case hasControl(digits):
		err = ErrControlCharacter
	}
	if err != nil {
		clear(digits)
		return nil, false, err
	}
	return digits, repeated, nil
}

// call sends a command, which must fit in a line, and reads the response.
func (a *assuan) call(command string) (data []byte, repeated bool, err error) {
	if len(command) >= maxAssuanLine {
		return nil, false, fmt.Errorf("%w: command of %d bytes", errPinentry, len(command))
	}
	if _, err := io.WriteString(a.in, command+"\n"); err != nil {
		return nil, false, ErrGivenUp // the user ended the program
	}
	return a.response()
}

// An assuanError is an ERR line.
type assuanError struct {
	code int
	text string
}

func (e *assuanError) Error() string { return fmt.Sprintf("%s (%d)", e.text, e.code) }

// Codes of libgpg-error, without the number of the program in the upper bits.
const (
	codeTimeout       = 62
	codeCanceled      = 99
	codeNotConfirmed  = 114
	codeNoPassphrase  = 177
	codeFullyCanceled = 198

	codeMask = 0xFFFF
)

// maxResponseLines bounds the lines before OK or ERR.
const maxResponseLines = 1000

// response reads lines until OK or ERR. data has the capacity of the longest PIN, so
// that no part of it stays in other memory.
func (a *assuan) response() (data []byte, repeated bool, err error) {
	defer func() {
		if err != nil {
			clear(data[:cap(data)])
			data = nil
		}
	}()
	for range maxResponseLines {
		line, n, err := a.readLine()
		if err != nil {
			return data, false, err
		}
		word, rest, _ := bytes.Cut(line, []byte(" "))
		switch string(word) {
		case "OK":
			a.skip(n)
			return data, repeated, nil
		case "ERR":
			err := newAssuanError(string(rest))
			a.skip(n)
			return data, false, err
		case "D":
			if data == nil {
				data = make([]byte, 0, maxLine)
			}
			if data, err = unescape(data, rest); err != nil {
				a.skip(n)
				return data, false, err
			}
		case "S":
			repeated = repeated || string(line) == "S PIN_REPEATED"
		case "INQUIRE": // the quality of a PIN, which is not asked for here
			if _, err := io.WriteString(a.in, "CAN\n"); err != nil {
				return data, false, ErrGivenUp
			}
		}
		a.skip(n)
	}
	return data, false, fmt.Errorf("%w: no end of the response after %d lines", errPinentry, maxResponseLines)
}

// readLine returns the next line in the buffer without its end, and its length with
// it. The line is valid until skip.
func (a *assuan) readLine() (line []byte, n int, err error) {
	for {
		if i := bytes.IndexByte(a.buffer[:a.filled], '\n'); i >= 0 {
			return bytes.TrimSuffix(a.buffer[:i], []byte("\r")), i + 1, nil
		}
		if a.filled == len(a.buffer) {
			return nil, 0, fmt.Errorf("%w: line of more than %d bytes", errPinentry, len(a.buffer))
		}
		n, err := a.out.Read(a.buffer[a.filled:])
		a.filled += n
		if n == 0 && err != nil {
			return nil, 0, ErrGivenUp // Ctrl-C ends the program
		}
	}
}

// skip removes n bytes from the buffer.
func (a *assuan) skip(n int) {
	copy(a.buffer[:], a.buffer[n:a.filled])
	clear(a.buffer[a.filled-n : a.filled])
	a.filled -= n
}

func newAssuanError(rest string) error {
	code, text, _ := strings.Cut(rest, " ")
	number, err := strconv.Atoi(code)
	if err != nil {
		return fmt.Errorf("%w: malformed error code", errPinentry)
	}
	switch number & codeMask {
	case codeCanceled, codeFullyCanceled, codeNotConfirmed, codeTimeout, codeNoPassphrase:
		return ErrGivenUp
	}
	return fmt.Errorf("%w: %w", errPinentry, &assuanError{number, printable(text)})
}

// escape encodes a parameter as the Assuan protocol has it, cut to the line.
func escape(text string) string {
	const room = maxAssuanLine - 16
	var b strings.Builder
	for _, r := range text {
		part := string(r)
		switch r {
		case '%', '\r', '\n':
			part = fmt.Sprintf("%%%02X", r)
		}
		if b.Len()+len(part) > room {
			break
		}
		b.WriteString(part)
	}
	return b.String()
}

// unescape appends decoded data to dst, whose capacity is the bound.
func unescape(dst, data []byte) ([]byte, error) {
	for i := 0; i < len(data); i++ {
		if len(dst) == cap(dst) {
			return dst, fmt.Errorf("%w: PIN of more than %d bytes", errPinentry, cap(dst))
		}
		c := data[i]
		if c == '%' {
			high, okHigh := hexDigit(data, i+1)
			low, okLow := hexDigit(data, i+2)
			if !okHigh || !okLow {
				return dst, fmt.Errorf("%w: malformed data", errPinentry)
			}
			c = high<<4 | low
			i += 2
		}
		dst = append(dst, c)
	}
	return dst, nil
}

func hexDigit(data []byte, i int) (byte, bool) {
	if i >= len(data) {
		return 0, false
	}
	switch c := data[i]; {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// options returns where the program shows its dialog.
func options() []string {
	var list []string
	tty := os.Getenv("GPG_TTY")
	if tty == "" {
		tty = ttyPath()
	}
	add := func(name, value string) {
		if value != "" {
			list = append(list, name+"="+value)
		}
	}
	add("ttyname", tty)
	add("ttytype", os.Getenv("TERM"))
	locale := os.Getenv("LC_ALL")
	for _, name := range []string{"LC_CTYPE", "LANG"} {
		if locale == "" {
			locale = os.Getenv(name)
		}
	}
	add("lc-ctype", locale)
	add("display", os.Getenv("DISPLAY"))
	return list
}
