package prompt

import (
	"context"
	"io"
	"strings"

	"golang.org/x/term"
)

// maxLine is the maximum length of a line.
const maxLine = 256

// readLine prints a question and reads a line from a terminal. The terminal is
// in raw mode from before the question on, so that no key is echoed and the wait
// for each key can end with ctx.
//
// A line with a control character, as an arrow key sends, is read to its end and
// refused with ErrControlCharacter.
func (t terminal) readLine(ctx context.Context, question string, echo bool) (line []byte, err error) {
	in := t.in
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	defer term.Restore(int(in.Fd()), state)
	t.printRaw(question)
	defer t.printRaw("\n")
	line = make([]byte, 0, maxLine) // append must not copy the PIN to new memory
	defer func() {
		if err != nil {
			clear(line[:cap(line)])
			line = nil
		}
	}()
	key := make([]byte, 1)
	defer clear(key)
	for {
		if err := waitReadable(ctx, in); err != nil {
			return line, err
		}
		if n, err := in.Read(key); err != nil {
			return line, err
		} else if n == 0 {
			continue
		}
		switch c := key[0]; {
		case c == '\r' || c == '\n':
			if hasControl(line) {
				return line, ErrControlCharacter
			}
			return line, nil
		case c == ctrlC || c == ctrlD:
			return line, ErrGivenUp
		case c == backspace || c == del:
			if last := len(line) - 1; last >= 0 {
				line[last] = 0
				line = line[:last]
			}
		case len(line) == maxLine:
			return line, ErrGivenUp
		default:
			line = append(line, c)
			if echo {
				t.out.Write(key)
			}
		}
	}
}

// printRaw writes text to standard error while the terminal is in raw mode.
func (t terminal) printRaw(text string) {
	io.WriteString(t.out, strings.ReplaceAll(text, "\n", "\r\n"))
}

const (
	ctrlC     = 0x03
	ctrlD     = 0x04
	backspace = 0x08
	del       = 0x7F
)
