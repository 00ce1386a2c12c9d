package cli

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"
)

// A Color is a text attribute of ECMA-48, 8.3.117. The zero value is none.
type Color string

// The colors that programs use.
const (
	Bold   Color = "1"
	Red    Color = "31"
	Green  Color = "32"
	Yellow Color = "33"
)

// Paint returns a text in a color, if the Env has colors.
func (e *Env) Paint(c Color, text string) string {
	if !e.Color || c == "" || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%sm%s\x1b[0m", c, text)
}

// FitTerminal sets the width and the use of color for a standard output that is a
// terminal. Color is left off if the variable NO_COLOR is set (no-color.org) or the
// terminal is dumb.
func (e *Env) FitTerminal(stdout *os.File) {
	if e.Width = width(stdout); e.Width > 0 {
		e.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
}

// width returns the columns of a terminal, and 0 for another file.
func width(f *os.File) int {
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// SetColor sets the use of color by the value of a flag: auto, always or never.
func (e *Env) SetColor(when string) error {
	switch when {
	case "auto":
	case "always":
		e.Color = true
	case "never":
		e.Color = false
	default:
		return errors.New("want auto, always or never")
	}
	return nil
}
