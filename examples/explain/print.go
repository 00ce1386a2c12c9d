package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A printer shows what was found out.
type printer interface {
	certificate(*explanation)
	note(source, text string)                        // all is well
	problem(source string, err error, remedy string) // something is wrong
}

// A jsonPrinter prints an object a line. What is well has none.
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
	out := json.NewEncoder(p.w)
	out.SetEscapeHTML(false)
	out.Encode(v)
}

// A textPrinter prints for people. Whatever a certificate says is quoted.
type textPrinter struct{ w io.Writer }

func (p textPrinter) note(source, text string) { fmt.Fprintf(p.w, "%s: %s\n", source, text) }

func (p textPrinter) problem(source string, err error, remedy string) {
	fmt.Fprintf(p.w, "%s: %v\n", source, err)
	if remedy != "" {
		fmt.Fprintf(p.w, "    -> %s\n", remedy)
	}
}

func (p textPrinter) certificate(x *explanation) {
	fmt.Fprintf(p.w, "\n%s\n", x.Source)
	fmt.Fprintf(p.w, "  subject    %q\n", x.Subject)
	fmt.Fprintf(p.w, "  valid      %v to %v\n", x.NotBefore, x.NotAfter)
	fmt.Fprintf(p.w, "  UPN        %s\n", quoted(x.UPN))
	fmt.Fprintf(p.w, "  e-mail     %s\n", quoted(x.RFC822))
	fmt.Fprintf(p.w, "  key usage  %s\n", strings.Join(x.KeyUsage, ", "))
	fmt.Fprintf(p.w, "  EKU        %s\n", strings.Join(x.EKU, ", "))
	for _, f := range x.Findings {
		fmt.Fprintf(p.w, "  %-18s %-8s %s\n", f.Rule, f.Verdict, f.Detail())
	}
	switch {
	case x.Offered:
		fmt.Fprintf(p.w, "  Windows would offer it.\n")
	case x.needed != nil:
		fmt.Fprintf(p.w, "  Windows would not offer it, unless by policy: %s.\n", strings.Join(x.needed, ", "))
	default:
		fmt.Fprintf(p.w, "  Windows would not offer it, and no policy changes that.\n")
	}
	fmt.Fprintf(p.w, "  name to send: %q (%s)\n", x.Name, x.NameSource)
}

func quoted(names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(parts, ", ")
}
