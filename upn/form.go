package upn

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/smartlogon/smartlogon/internal/cert"
)

const (
	maxSuffix = 253 // bytes of a domain name (RFC 1035, 2.3.4)
	maxLabel  = 63  // bytes of a label (RFC 1035, 2.3.4)
	maxQuoted = 64  // characters of a value quoted in an error text
)

// upnFault returns why a value is not a User Principal Name that can be displayed
// and compared safely, or "".
//
// The user part may have the many characters that Active Directory allows. The
// suffix is a domain name, of one label or more.
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

// emailFault returns why a value is not a mailbox of the form dot-string@domain
// (RFC 5321, 4.1.2), or "". Quoted local parts and address literals are valid
// mailboxes but not sign-in names.
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
			return quoted(value) + ` has a leading, trailing or double dot before its "@"`
		}
	}
	const special = "\"(),:;<>[\\] "
	if bytes.ContainsAny(local, special) {
		return quoted(value) + " has a character that needs a quoted local part"
	}
	return ""
}

// textFault returns why a string cannot be displayed safely, or "": because of its
// size or encoding, or a character that displays nothing.
func textFault(value []byte) string {
	switch {
	case len(value) == 0:
		return "is empty"
	case len(value) > maxName:
		return fmt.Sprintf("has %d bytes, more than %d", len(value), maxName)
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

// visible reports whether a character is accepted in a name. Of the spaces, which
// look alike, only U+0020 is.
func visible(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r <= '~'
	}
	return cert.Visible(r) && !unicode.IsSpace(r)
}

// suffixFault returns why the suffix of value is not a domain name, or "".
func suffixFault(value, suffix []byte) string {
	switch {
	case len(suffix) == 0:
		return quoted(value) + ` has nothing after its "@"`
	case len(suffix) > maxSuffix:
		return fmt.Sprintf("%s has a suffix of %d bytes, more than %d", quoted(value), len(suffix), maxSuffix)
	}
	for label := range bytes.SplitSeq(suffix, []byte(".")) {
		if len(label) == 0 || len(label) > maxLabel {
			return fmt.Sprintf("%s has a suffix with a label of %d bytes, want 1 to %d", quoted(value), len(label), maxLabel)
		}
		for _, r := range string(label) {
			if !inDomainLabel(r) {
				return fmt.Sprintf("%s has %q in its suffix, which is not allowed in a domain name", quoted(value), r)
			}
		}
	}
	return ""
}

// inDomainLabel reports whether a label of a domain name may have r.
func inDomainLabel(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
		return true
	}
	return r >= utf8.RuneSelf && unicode.In(r, unicode.L, unicode.M, unicode.N)
}

// quoted quotes an untrusted value and truncates it to maxQuoted characters.
func quoted(value []byte) string {
	text := string(value)
	if utf8.RuneCountInString(text) <= maxQuoted {
		return fmt.Sprintf("%q", text)
	}
	runes := []rune(strings.ToValidUTF8(text[:min(len(text), 4*maxQuoted)], "\uFFFD"))
	return fmt.Sprintf("%q...", string(runes[:min(len(runes), maxQuoted)]))
}

// hintFault returns why a hint is neither user@domain nor domain\user, or "".
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
