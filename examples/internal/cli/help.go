package cli

import (
	"flag"
	"fmt"
	"strings"
)

// helpWidth is the width of help that does not go to a terminal.
const helpWidth = 80

// A Flag is a flag as help and man pages show it.
type Flag struct {
	Name     string
	Argument string // placeholder; empty for a flag without a value
	Usage    string // without backquotes
	Default  string // empty if that is no value
}

// VisibleFlags returns the flags in alphabetical order.
func (c *Command) VisibleFlags() (list []Flag) {
	if c.Flags == nil {
		return nil
	}
	c.Flags.VisitAll(func(f *flag.Flag) {
		argument, usage := flag.UnquoteUsage(f)
		v := Flag{Name: f.Name, Argument: argument, Usage: usage, Default: f.DefValue}
		switch v.Default {
		case "false", "0", "0s":
			v.Default = ""
		}
		list = append(list, v)
	})
	return list
}

// HelpText returns the help of a command, whose name is preceded by those of the
// commands that it belongs to.
func (e *Env) HelpText(c *Command, path string) string {
	width := e.Width
	if width <= 0 {
		width = helpWidth
	}
	name := strings.TrimSpace(path + " " + c.Name)
	usage := name
	if c.Flags != nil {
		usage += " [flags]"
	}
	if c.Files != "" {
		usage += " " + c.Files
	}
	if c.Commands != nil {
		usage = name + " COMMAND [flags]"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", Wrap("Usage: "+usage, width, 7))
	b.WriteString(wrapText(c.Help, width, 0))
	if c.Commands != nil {
		b.WriteString("\nCommands:\n")
		longest := 0
		for _, sub := range c.Commands {
			longest = max(longest, len(sub.Name))
		}
		for _, sub := range c.Commands {
			fmt.Fprintln(&b, Wrap(fmt.Sprintf("  %-*s  %s", longest, sub.Name, sub.Summary), width, longest+4))
		}
	}
	if flags := c.VisibleFlags(); flags != nil {
		b.WriteString("\nFlags:\n")
		for _, f := range flags {
			fmt.Fprintf(&b, "  %s\n", strings.TrimSpace("-"+f.Name+" "+f.Argument))
			text := f.Usage
			if f.Default != "" {
				text += fmt.Sprintf(" (default %s)", f.Default)
			}
			fmt.Fprintln(&b, Wrap("      "+text, width, 6))
		}
	}
	return b.String()
}
