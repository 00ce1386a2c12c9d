package cli

import (
	"strings"
	"unicode/utf8"
)

// Wrap breaks a text at spaces into lines of at most width columns. A word that is
// longer is broken within. The lines after the first are indented by hang columns. Each
// character counts as one column. A width of 0 or less leaves the text as it is.
func Wrap(text string, width, hang int) string {
	if width <= 0 || utf8.RuneCountInString(text) <= width {
		return text
	}
	hang = max(0, min(hang, width-minColumn))
	var lines []string
	prefix := ""
	for room := width; text != ""; room = width - hang {
		line, rest := cutLine(text, max(1, room))
		lines = append(lines, strings.TrimRight(prefix+line, " "))
		text, prefix = rest, strings.Repeat(" ", hang)
	}
	return strings.Join(lines, "\n")
}

// cutLine returns the part of a text that fits into a line, and the rest without the
// spaces between.
func cutLine(text string, room int) (line, rest string) {
	runes := []rune(text)
	if len(runes) <= room {
		return text, ""
	}
	inLine := strings.TrimLeft(string(runes[:room+1]), " ")
	indent := room + 1 - utf8.RuneCountInString(inLine)
	at := room
	if i := strings.LastIndexByte(inLine, ' '); i > 0 {
		at = indent + utf8.RuneCountInString(inLine[:i])
	}
	return string(runes[:at]), strings.TrimLeft(string(runes[at:]), " ")
}

// wrapText wraps a text of paragraphs, separated by empty lines. Lines that are indented
// are left as they are. Each line is indented by indent columns.
func wrapText(text string, width, indent int) string {
	var b strings.Builder
	margin := strings.Repeat(" ", indent)
	for _, line := range strings.Split(text, "\n") {
		switch {
		case line == "":
		case strings.HasPrefix(line, " "):
			line = margin + line
		default:
			line = Wrap(margin+line, width, indent)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
