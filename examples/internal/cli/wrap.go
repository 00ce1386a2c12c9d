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
	margin := strings.Repeat(" ", max(0, min(hang, width-minColumn)))
	var b strings.Builder
	rest := []rune(text)
	for room := width; ; room = width - len(margin) {
		end, next := lineEnd(rest, max(1, room))
		b.WriteString(strings.TrimRight(string(rest[:end]), " "))
		if rest = rest[next:]; len(rest) == 0 {
			return b.String()
		}
		b.WriteString("\n" + margin)
	}
}

// lineEnd returns the end of the text that fits into a line, and the start of the next
// line, after the spaces between.
func lineEnd(text []rune, room int) (end, next int) {
	if len(text) <= room {
		return len(text), len(text)
	}
	indent := 0
	for indent < room && text[indent] == ' ' {
		indent++
	}
	for end = room; end > indent && text[end] != ' '; {
		end--
	}
	if end <= indent { // a word longer than the line
		end = room
	}
	next = end
	for next < len(text) && text[next] == ' ' {
		next++
	}
	return end, next
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
