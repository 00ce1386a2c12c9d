package prompt

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/smartlogon/smartlogon/internal/fault"
)

// ErrControlCharacter reports a PIN that contains a control character. No card
// got it.
var ErrControlCharacter = fault.New(fault.Object, "prompt: PIN contains a control character",
	"Enter only the characters of the PIN: no arrow keys, tabs or line ends.")

// hasControl reports whether a PIN contains a character without a glyph: of the
// Unicode categories Cc (control) and Cf (format, the byte order mark included).
// Bytes that are not UTF-8 pass, since a PIN is bytes to the card.
func hasControl(pin []byte) bool {
	for len(pin) > 0 {
		r, n := utf8.DecodeRune(pin)
		if isControl(r) {
			return true
		}
		pin = pin[n:]
	}
	return false
}

func isControl(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf) }

// printable replaces the control characters of text that a card or reader
// supplied: they could rewrite the question on the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}
