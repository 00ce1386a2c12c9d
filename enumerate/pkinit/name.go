package pkinit

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/upn"
)

// A Form is how a request names the user (RFC 4120, 6.2).
type Form int

const (
	// FormAuto is FormEnterprise for a hint, and for a name whose suffix is not
	// the realm; else FormPrincipal.
	FormAuto Form = iota

	// FormPrincipal is NT-PRINCIPAL: the part of the name before "@".
	FormPrincipal

	// FormEnterprise is NT-ENTERPRISE (RFC 6806, 5): the whole name. The KDC looks
	// it up in the forest, returns the name of the account, and may refer to
	// another realm.
	FormEnterprise

	// FormX500 is NT-X500-PRINCIPAL: the subject of the certificate, for an
	// account with an explicit mapping. It needs Options.Realm, and no name.
	FormX500
)

const (
	maxName  = 1024
	maxRealm = 255
)

// clientName returns the name and the realm of the first request.
func clientName(o *Options, leaf []byte) (realmName, error) {
	n := realmName{realm: o.Realm}
	name := o.Name
	if name.Value == "" && o.Form != FormX500 {
		names := upn.Read(leaf)
		names.Emails = nil // the KDC compares a user principal name
		var err error
		if name, err = (upn.SignIn{}).Name(names); err != nil {
			return n, err
		}
	}
	user, suffix, hasSuffix := cutLast(name.Value, "@")
	domain, account, isDown := strings.Cut(name.Value, `\`)
	if isDown && domain != "" {
		// The domain of a hint is often a NetBIOS name, which DNS does not find.
		user, hasSuffix = account, false
	}
	if n.realm == "" && hasSuffix {
		n.realm = strings.ToUpper(suffix)
	}
	if n.realm == "" {
		return n, ErrNoRealm
	}
	if !validRealm(n.realm) {
		return n, fmt.Errorf("malformed realm %.64q", n.realm)
	}
	form := o.Form
	if form == FormAuto {
		form = FormPrincipal
		if hasSuffix && (name.Source == upn.FromHint || !strings.EqualFold(suffix, n.realm)) {
			form = FormEnterprise
		}
	}
	switch form {
	case FormPrincipal:
		n.principal = principal{ntPrincipal, []string{user}}
	case FormEnterprise:
		n.principal = principal{ntEnterprise, []string{name.Value}}
	case FormX500:
		c, err := cert.Parse(leaf)
		if err != nil {
			return n, fmt.Errorf("certificate: %w", err)
		}
		n.principal = principal{ntX500, []string{subjectName(c.Subject)}}
	default:
		return n, fmt.Errorf("unknown form %d of a name", o.Form)
	}
	if !validName(n.components[0]) {
		return n, fmt.Errorf("malformed name %.64q", n.components[0])
	}
	return n, nil
}

// subjectName is the form of RFC 2253, which RFC 4120, 6.2 requires.
func subjectName(subject ber.Element) string { return cert.RFC2253(subject) }

// cutLast is strings.Cut at the last separator.
func cutLast(s, separator string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

func validName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// validRealm accepts realms in the form of a domain (RFC 4120, 6.1).
func validRealm(s string) bool {
	return s != "" && len(s) <= maxRealm && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || strings.ContainsRune(`/\:@ `, r) })
}
