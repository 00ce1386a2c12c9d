package main

import (
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
)

// causes returns the errors that an error joins, or the error; nothing for nil.
func causes(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var list []error
	for _, e := range joined.Unwrap() {
		list = append(list, causes(e)...)
	}
	return list
}

func joinWords(words []string) string { return strings.Join(words, ", ") }

// day returns the day of a date, or all of one that is malformed.
func day(d rules.Date) string {
	if d.Time().IsZero() {
		return d.String()
	}
	return d.Time().UTC().Format(time.DateOnly)
}

// sentence returns a remedy of package rules as a sentence.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}

// failed reports whether a rule is why Windows would not offer a certificate.
func failed(f rules.Finding) bool { return f.Verdict == rules.Failed || f.Verdict == rules.Unknown }
