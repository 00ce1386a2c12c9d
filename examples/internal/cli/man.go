package cli

import (
	"fmt"
	"strings"
)

// ManPage returns the manual page of a command in mdoc(7). The path precedes its name;
// date is as in "December 1, 2026".
func ManPage(c *Command, path, date string) string {
	name := strings.TrimSpace(path + " " + c.Name)
	page := strings.ReplaceAll(name, " ", "-")
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(".Dd %s", date)
	line(".Dt %s 1", strings.ToUpper(page))
	line(".Os")
	line(".Sh NAME")
	line(".Nm %s", page)
	line(".Nd %s", roff(c.Summary))
	line(".Sh SYNOPSIS")
	line(".Nm %s", name)
	for _, f := range c.VisibleFlags() {
		line(".Op Fl %s%s", roff(f.Name), manArgument(f))
	}
	switch {
	case c.Commands != nil:
		line(".Ar COMMAND")
	case c.Files != "":
		line(".Op Ar %s", roff(strings.Trim(c.Files, "[]")))
	}
	line(".Sh DESCRIPTION")
	b.WriteString(manText(c.Help))
	if flags := c.VisibleFlags(); flags != nil {
		line(".Pp")
		line("The flags are:")
		line(".Bl -tag -width Ds")
		for _, f := range flags {
			line(".It Fl %s%s", roff(f.Name), manArgument(f))
			text := sentenceOf(f.Usage)
			if f.Default != "" {
				text += fmt.Sprintf(" The default is %s.", f.Default)
			}
			line("%s", roff(breakSentences(text)))
		}
		line(".El")
	}
	if c.Commands != nil {
		line(".Pp")
		line("The commands are:")
		line(".Bl -tag -width Ds")
		for _, sub := range c.Commands {
			line(".It Cm %s", sub.Name)
			line("%s", roff(sentenceOf(sub.Summary)))
		}
		line(".El")
	}
	line(".Sh EXIT STATUS")
	line("0, 1 after an error, and 2 for invalid flags or arguments.")
	return b.String()
}

// ManPages returns the pages of a command and of all its commands by file name.
func ManPages(c *Command, path, date string) map[string]string {
	name := strings.TrimSpace(path + " " + c.Name)
	pages := map[string]string{strings.ReplaceAll(name, " ", "-") + ".1": ManPage(c, path, date)}
	for _, sub := range c.Commands {
		for file, text := range ManPages(sub, name, date) {
			pages[file] = text
		}
	}
	return pages
}

func manArgument(f Flag) string {
	if f.Argument == "" {
		return ""
	}
	return " Ar " + roff(f.Argument)
}

// manText converts paragraphs and indented examples.
func manText(text string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(text, "\n\n") {
		if strings.HasPrefix(paragraph, " ") {
			b.WriteString(".Bd -literal -offset indent\n")
			for example := range strings.Lines(paragraph) {
				b.WriteString(roff(strings.TrimPrefix(strings.TrimRight(example, "\n"), "    ")) + "\n")
			}
			b.WriteString(".Ed\n")
			continue
		}
		if i > 0 {
			b.WriteString(".Pp\n")
		}
		b.WriteString(roff(breakSentences(paragraph)) + "\n")
	}
	return b.String()
}

// breakSentences begins a line with each sentence, as mdoc wants for the space between.
func breakSentences(text string) string { return strings.ReplaceAll(text, ". ", ".\n") }

// roff escapes text: backslashes, and dots and quotes that would begin a request.
func roff(text string) string {
	text = strings.ReplaceAll(text, `\`, `\e`)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// sentenceOf returns a usage text as a sentence.
func sentenceOf(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
