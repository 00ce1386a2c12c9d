package explain

import (
	"fmt"
	"io"
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
type textPrinter struct{ w io.Writer }

func (p textPrinter) note(source, text string) { p.line("%s: %s", source, text) }

func (p textPrinter) problem(source string, err error, remedy string) {
	p.line("%s: %s", source, cli.ErrorText(err))
	if remedy != "" {
		p.line("    -> %s", remedy)
	}
}

func (p textPrinter) certificate(x *explanation) {
	p.line("")
	p.line("%s", x.Source)
	if x.Container != "" {
		p.line("  container  %q", x.Container)
	}
	p.line("  subject    %q", x.Subject)
	p.line("  valid      %v to %v", x.NotBefore, x.NotAfter)
	p.line("  UPN        %s", quoted(x.UPN))
	p.line("  e-mail     %s", quoted(x.RFC822))
	p.line("  key usage  %s", strings.Join(x.KeyUsage, ", "))
	p.line("  EKU        %s", strings.Join(x.EKU, ", "))
	p.line("  tile       %q", x.Tile)
	p.rules(x)
	p.names(x.Matrix)
	p.accounts(x.accounts)
}

func (p textPrinter) rules(x *explanation) {
	for _, f := range x.Findings {
		p.line("  %-18s %-8s %s", f.Rule, f.Verdict, f.Detail())
		if f.Verdict != rules.Passed && f.Remedy() != "" {
			p.line("%29s -> %s", "", f.Remedy())
		}
	}
	switch {
	case x.Offered:
		p.line("  Windows would offer it.")
	case x.neverOffered:
		p.line("  Windows would not offer it, and no policy changes that.")
	default:
		p.line("  Windows would not offer it, unless by policy: %s.", strings.Join(x.Needed, ", "))
	}
	for _, r := range x.Requirements {
		if r.Required && r.Verdict != rules.Passed {
			p.line("  requirement %s: %s: %s (%s)", r.Name, r.Verdict, r.Detail, r.Reference())
		}
	}
}

func (p textPrinter) names(m upn.Matrix) {
	for _, cell := range []struct {
		where string
		name  upn.Name
	}{
		{"Azure AD joined, first sign-in", m.Joined.First},
		{"Azure AD joined, later", m.Joined.Subsequent},
		{"hybrid joined, first sign-in", m.Hybrid.First},
		{"hybrid joined, later", m.Hybrid.Subsequent},
	} {
		p.line("  %-31s %q (%s)", cell.where, cell.name.Value, cell.name.Source)
		p.line("  %-31s %s", "", cell.name.Sentence())
	}
}

func (p textPrinter) accounts(a accounts) {
	for _, k := range entraKinds {
		for _, s := range a.Mappings.Entra[k.String()] {
			p.line("  Entra  %q", s)
		}
	}
	for _, k := range adKinds {
		for _, s := range a.Mappings.AD[k.String()] {
			p.line("  AD     %q (%s)", s, strength(k))
		}
	}
	if a.NotMapped != "" {
		p.line("  not mapped: %s", a.NotMapped)
	}
	if a.SID != "" {
		p.line("  SID    %q", a.SID)
	}
	if a.OtherSID != "" {
		p.line("  second SID %q: domain controllers use the first", a.OtherSID)
	}
}

func strength(k mapping.Kind) string {
	if k.Strong() {
		return "strong"
	}
	return "weak"
}

func (p textPrinter) line(format string, args ...any) {
	fmt.Fprintln(p.w, cli.Escape(fmt.Sprintf(format, args...)))
}

func quoted(names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(parts, ", ")
}
