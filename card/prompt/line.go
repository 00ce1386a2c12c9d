package prompt

import (
	"context"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxLine bounds what is read as one line.
const maxLine = 256

// readLine asks a question and reads a line from a terminal in raw mode, so that
// nothing is echoed that should not be, and so that the wait for each key can end
// with ctx. The terminal is in raw mode before anybody can answer.
func readLine(ctx context.Context, in *os.File, question string, echo bool) (line []byte, err error) {
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	defer term.Restore(int(in.Fd()), state)
	say(question)
	defer say("\n")
	line = make([]byte, 0, maxLine) // never grown: no copy of a PIN is left behind
	defer func() {
		if err != nil {
			clear(line[:cap(line)])
			line = nil
		}
	}()
	key := make([]byte, 1)
	defer clear(key)
	for {
		if err := readable(ctx, in); err != nil {
			return line, err
		}
		if n, err := in.Read(key); err != nil {
			return line, err
		} else if n == 0 {
			continue
		}
		switch c := key[0]; {
		case c == '\r' || c == '\n':
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
				os.Stderr.Write(key)
			}
		}
	}
}

// say writes to a terminal in raw mode.
func say(text string) {
	io.WriteString(os.Stderr, strings.ReplaceAll(text, "\n", "\r\n"))
}

const (
	ctrlC     = 0x03
	ctrlD     = 0x04
	backspace = 0x08
	del       = 0x7F
)
