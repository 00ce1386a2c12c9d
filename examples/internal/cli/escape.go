package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Escape replaces control characters, format characters (which reorder or hide
// text) and invalid UTF-8 with the escapes of a Go string.
func Escape(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable) {
		return s
	}
	var b strings.Builder
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unprintable(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// ErrorText returns the escaped text of an error in one line; that of joined errors
// has one per line.
func ErrorText(err error) string {
	return Escape(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// packageNames matches the names of packages that begin the parts of an error text.
var packageNames = regexp.MustCompile(`(^|: |; )(?:(?:card|challenge|enumerate|entra|gids|mapping|pcsc|piv|pkinit|prompt|sshagent|upn): )+`)

// Message returns ErrorText without the names of packages, which tell a user nothing.
func Message(err error) string { return packageNames.ReplaceAllString(ErrorText(err), "$1") }

// EscapeJSON replaces the same characters in the output of encoding/json with JSON
// escapes, which do not change the value. Line feeds are left: outside of strings
// they format the output, and within strings they are escaped already.
func EscapeJSON(text []byte) []byte {
	escaped := make([]byte, 0, len(text))
	for _, r := range string(text) {
		switch {
		case r == '\n' || !unprintable(r):
			escaped = utf8.AppendRune(escaped, r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
	}
	return escaped
}

func unprintable(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// PrintJSON prints a value as JSON in one line, escaped.
func PrintJSON(w io.Writer, v any) error {
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	if err := out.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(EscapeJSON(text.Bytes()))
	return err
}
