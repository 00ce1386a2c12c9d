package upn

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxSuffix = 253 // bytes of a domain name, and
	maxLabel  = 63  // of one of its labels (RFC 1035, 2.3.4)
	maxQuoted = 64  // characters of a foreign value in an error text
)

// upnFault says why a value is no User Principal Name that can be shown and
// compared, or nothing.
//
// Active Directory allows many characters in the user part, and so does this;
// the suffix is a domain name, though it need not have a dot.
func upnFault(value []byte) string {
	if fault := textFault(value); fault != "" {
		return fault
	}
	user, suffix, _ := bytes.Cut(value, []byte("@"))
	switch {
	case bytes.Count(value, []byte("@")) != 1:
		return quoted(value) + ` has not exactly one "@"`
	case len(user) == 0:
		return quoted(value) + ` has nothing before its "@"`
	}
	return suffixFault(value, suffix)
}

// emailFault says why a value is no mailbox of the form dot-string@domain (RFC
// 5321, 4.1.2), or nothing. The other forms of that section, quoted local parts
// and address literals, are legal mailboxes but cannot be sent as a name.
func emailFault(value []byte) string {
	if fault := upnFault(value); fault != "" {
		return fault
	}
	for _, c := range value {
		if c >= utf8.RuneSelf {
			return quoted(value) + " is not ASCII, as an rfc822Name must be"
		}
	}
	local, _, _ := bytes.Cut(value, []byte("@"))
	for label := range bytes.SplitSeq(local, []byte(".")) {
		if len(label) == 0 {
			return quoted(value) + " has a dot too many before its \"@\""
		}
	}
	const special = "\"(),:;<>[\\] "
	if bytes.ContainsAny(local, special) {
		return quoted(value) + " has a character that a mailbox has only in quotes"
	}
	return ""
}

// textFault says why a string cannot be shown safely, or nothing. Only graphic
// characters are let through: letters, marks, numbers, punctuation, symbols and
// spaces. That leaves out control, format, private-use and unassigned code
// points, and the line separators; what is graphic but shows nothing is left out
// by name.
func textFault(value []byte) string {
	switch {
	case len(value) == 0:
		return "it is empty"
	case len(value) > maxName:
		return fmt.Sprintf("%d bytes are more than the %d that a name may have", len(value), maxName)
	case !utf8.Valid(value):
		return quoted(value) + " is not UTF-8"
	}
	first, _ := utf8.DecodeRune(value)
	last, _ := utf8.DecodeLastRune(value)
	if unicode.IsSpace(first) || unicode.IsSpace(last) {
		return quoted(value) + " begins or ends with a space"
	}
	for i := 0; i < len(value); {
		r, n := rune(value[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(value[i:])
		}
		if !visible(r) {
			return fmt.Sprintf("%s has the character %U, which cannot be shown", quoted(value), r)
		}
		i += n
	}
	return ""
}

func visible(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r <= '~'
	}
	return unicode.IsGraphic(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// suffixFault says why the part after the "@" of a name is not like a domain
// name, or nothing.
func suffixFault(value, suffix []byte) string {
	switch {
	case len(suffix) == 0:
		return quoted(value) + ` has nothing after its "@"`
	case len(suffix) > maxSuffix:
		return fmt.Sprintf("%s has a suffix of %d bytes, more than %d", quoted(value), len(suffix), maxSuffix)
	}
	for label := range bytes.SplitSeq(suffix, []byte(".")) {
		if len(label) == 0 || len(label) > maxLabel {
			return fmt.Sprintf("%s has a suffix with a label of %d bytes, not 1 to %d", quoted(value), len(label), maxLabel)
		}
		for _, r := range string(label) {
			if r != '-' && r != '_' && !unicode.In(r, unicode.L, unicode.M, unicode.N) {
				return fmt.Sprintf("%s has %q in its suffix, which no domain name has", quoted(value), r)
			}
		}
	}
	return ""
}

// quoted makes a foreign value harmless in a line of text.
func quoted(value []byte) string {
	text := string(value)
	if utf8.RuneCountInString(text) <= maxQuoted {
		return fmt.Sprintf("%q", text)
	}
	runes := []rune(strings.ToValidUTF8(text[:min(len(text), 4*maxQuoted)], "\uFFFD"))
	return fmt.Sprintf("%q...", string(runes[:min(len(runes), maxQuoted)]))
}

// hintFault says why a hint is neither user@domain nor domain\user, or nothing.
func hintFault(hint []byte) string {
	domain, user, downLevel := bytes.Cut(hint, []byte(`\`))
	switch {
	case !downLevel:
		return upnFault(hint)
	case bytes.ContainsRune(hint, '@'):
		return quoted(hint) + ` has both "@" and "\"`
	case len(domain) == 0 || len(user) == 0:
		return quoted(hint) + ` has nothing on one side of its "\"`
	case bytes.ContainsRune(user, '\\'):
		return quoted(hint) + ` has more than one "\"`
	}
	return textFault(hint)
}
