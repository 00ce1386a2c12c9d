package explain

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/smartlogon/smartlogon/upn/mapping"
)

// A printer prints the results.
type printer interface {
	certificate(*explanation)
	note(source, text string)                        // a state without a fault
	problem(source string, err error, remedy string) // a fault; remedy may be empty
}

// A jsonPrinter prints one object per line, and no notes.
type jsonPrinter struct{ w io.Writer }

func (p jsonPrinter) certificate(x *explanation) { p.print(x) }
func (p jsonPrinter) note(string, string)        {}

func (p jsonPrinter) problem(source string, err error, remedy string) {
	p.print(struct {
		Source string `json:"source"`
		Error  string `json:"error"`
		Remedy string `json:"remedy,omitempty"`
	}{source, err.Error(), remedy})
}

func (p jsonPrinter) print(v any) {
	cli.PrintJSON(p.w, v)
}

// A textPrinter prints text for the user. Strings from certificates are quoted, and
// everything is escaped: the names of readers, containers and files are untrusted.
// Lines are wrapped at words and verdicts are colored, where env says so.
type textPrinter struct{ env *cli.Env }

func (p textPrinter) note(source, text string) { p.line(4, "%s: %s", source, text) }

func (p textPrinter) problem(source string, err error, remedy string) {
	var path *fs.PathError
	if errors.As(err, &path) && path.Path == source {
		err = path.Err // the name once
	}
	p.line(4, "%s: %s", source, cli.ErrorText(err))
	if remedy != "" {
		p.line(7, "    -> %s", remedy)
	}
}

func (p textPrinter) certificate(x *explanation) {
	p.line(13, "")
	p.line(13, "%s", x.Source)
	if x.Container != "" {
		p.line(13, "  container  %q", x.Container)
	}
	p.line(13, "  subject    %q", x.Subject)
	p.line(13, "  valid      %v to %v", x.NotBefore, x.NotAfter)
	p.line(13, "  UPN        %s", quoted(x.UPN))
	p.line(13, "  e-mail     %s", quoted(x.RFC822))
	p.line(13, "  key usage  %s", strings.Join(x.KeyUsage, ", "))
	p.line(13, "  EKU        %s", strings.Join(x.EKU, ", "))
	p.line(13, "  tile       %q", x.Tile)
	p.rules(x)
	p.names(x.Matrix)
	p.accounts(x.accounts)
}

var verdictColors = map[rules.Verdict]cli.Color{
	rules.Passed: cli.Green, rules.Failed: cli.Red, rules.Unknown: cli.Red, rules.Waived: cli.Yellow,
}

func (p textPrinter) rules(x *explanation) {
	for _, f := range x.Findings {
		text := cli.Wrap(cli.Escape(fmt.Sprintf("  %-18s %-8s %s", f.Rule, f.Verdict, f.Detail())), p.env.Width, 30)
		verdict := fmt.Sprintf("%-8s", f.Verdict)
		fmt.Fprintln(p.env.Stdout, strings.Replace(text, verdict, p.env.Paint(verdictColors[f.Verdict], verdict), 1))
		if f.Verdict != rules.Passed && f.Remedy() != "" {
			p.line(33, "%29s -> %s", "", f.Remedy())
		}
	}
	switch {
	case x.Offered:
		p.line(4, "  Windows would offer it.")
	case x.neverOffered:
		p.line(4, "  Windows would not offer it, and no policy changes that.")
	default:
		p.line(4, "  Windows would not offer it, unless by policy: %s.", strings.Join(x.Needed, ", "))
	}
	for _, r := range x.Requirements {
		if r.Required && r.Verdict != rules.Passed {
			p.line(4, "  requirement %s: %s: %s (%s)", r.Name, r.Verdict, r.Detail, r.Reference())
		}
	}
}

// A cell is the name in one situation.
type cell struct {
	where string
	name  upn.Name
}

func cellsOf(m upn.Matrix) []cell {
	return []cell{
		{"Azure AD joined, first sign-in", m.Joined.First},
		{"Azure AD joined, later", m.Joined.Subsequent},
		{"hybrid joined, first sign-in", m.Hybrid.First},
		{"hybrid joined, later", m.Hybrid.Subsequent},
	}
}

func (p textPrinter) names(m upn.Matrix) {
	for _, c := range cellsOf(m) {
		p.line(34, "  %-31s %q (%s)", c.where, c.name.Value, c.name.Source)
		p.line(34, "  %-31s %s", "", c.name.Sentence())
	}
}

func (p textPrinter) accounts(a accounts) {
	for _, k := range entraKinds {
		for _, s := range a.Mappings.Entra[k.String()] {
			p.line(9, "  Entra  %q", s)
		}
	}
	for _, k := range adKinds {
		for _, s := range a.Mappings.AD[k.String()] {
			p.line(9, "  AD     %q (%s)", s, strength(k))
		}
	}
	if a.NotMapped != "" {
		p.line(9, "  not mapped: %s", a.NotMapped)
	}
	if a.SID != "" {
		p.line(9, "  SID    %q", a.SID)
	}
	if a.OtherSID != "" {
		p.line(9, "  second SID %q: domain controllers use the first", a.OtherSID)
	}
}

func strength(k mapping.Kind) string {
	if k.Strong() {
		return "strong"
	}
	return "weak"
}

// line prints a line; what does not fit into the width follows, indented by hang.
func (p textPrinter) line(hang int, format string, args ...any) {
	text := cli.Escape(fmt.Sprintf(format, args...))
	fmt.Fprintln(p.env.Stdout, cli.Wrap(text, p.env.Width, hang))
}

func quoted(names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(parts, ", ")
}
