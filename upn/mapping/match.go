package mapping

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/upn"
)

// An Account is what a directory knows of a user. The caller has found it by
// the name that was typed or sent: a certificate never selects an account.
type Account struct {
	UPN                   string    // userPrincipalName
	OnPremisesUPN         string    // onPremisesUserPrincipalName (Entra)
	CertificateUserIDs    []string  // certificateUserIds (Entra)
	AltSecurityIdentities []string  // altSecurityIdentities (Active Directory)
	SID                   string    // objectSid (Active Directory); empty is nobody's
	Created               time.Time // whenCreated (Active Directory); zero if unknown
}

// An Attribute is the attribute of an Entra account that a binding compares.
type Attribute int

const (
	UserPrincipalName Attribute = iota
	OnPremisesUserPrincipalName
	CertificateUserIDs
)

var attributeNames = [...]string{"userPrincipalName", "onPremisesUserPrincipalName", "certificateUserIds"}

// String is the name of the attribute in Microsoft Graph.
func (a Attribute) String() string {
	if a < 0 || int(a) >= len(attributeNames) {
		return fmt.Sprintf("attribute %d", int(a))
	}
	return attributeNames[a]
}

// A Binding is a username binding of Entra's certificate-based authentication.
// Of several, the one with the lowest Priority is tried first.
type Binding struct {
	Field     Kind
	Attribute Attribute
	Priority  int
}

var (
	// ErrNoMatch results when no binding is satisfied. It is wrapped in a
	// [*MatchError], which says why.
	ErrNoMatch = errors.New("certificate matches no binding of the account")

	// ErrBinding results when a binding is one that Entra does not have.
	ErrBinding = errors.New("binding does not exist")

	// ErrSeveralNames results when the certificate has several different names
	// for sign-in. Programs differ in which one they take.
	ErrSeveralNames = errors.New("certificate has several different names")
)

// An Outcome is what became of one binding.
type Outcome int

const (
	// Dropped: high affinity is required, and the binding has low affinity.
	Dropped Outcome = iota + 1
	// Absent: the certificate does not have the field.
	Absent
	// Unset: the account does not have the attribute.
	Unset
	// Different: the account has other values.
	Different
	// WrongOrder: the account has the serial number of the certificate with its
	// bytes in the certificate's order. They must be reversed.
	WrongOrder
)

var outcomeText = [...]string{
	Dropped:    "low affinity where high is required",
	Absent:     "not in the certificate",
	Unset:      "not set",
	Different:  "different",
	WrongOrder: "serial number not reversed",
}

// String says the outcome in a few words.
func (o Outcome) String() string {
	if o <= 0 || int(o) >= len(outcomeText) {
		return fmt.Sprintf("outcome %d", int(o))
	}
	return outcomeText[o]
}

// An Attempt is a binding and what became of it.
type Attempt struct {
	Binding Binding
	Outcome Outcome
}

// A MatchError says why no binding was satisfied. It unwraps to [ErrNoMatch].
type MatchError struct{ Attempts []Attempt }

func (e *MatchError) Error() string {
	var text strings.Builder
	text.WriteString("mapping: " + ErrNoMatch.Error())
	for i, a := range e.Attempts {
		text.WriteString([]string{": ", "; "}[min(i, 1)])
		fmt.Fprintf(&text, "%v to %v: %v", a.Binding.Field, a.Binding.Attribute, a.Outcome)
	}
	return text.String()
}

// Unwrap returns [ErrNoMatch].
func (e *MatchError) Unwrap() error { return ErrNoMatch }

// Match reports which binding of Entra's certificate-based authentication lets
// a certificate sign in to an account, and returns the mapping that it
// satisfied. high leaves out the bindings of low affinity; whether it is
// required is for [StrengthPolicy.Of] to say.
//
// The bindings are tried by priority, and the first that is satisfied decides.
// A spelling that is in doubt is taken, unless two certificates could share it.
//
// The error is a [*MatchError], [ErrBinding], [ErrSeveralNames], or says what in
// the certificate cannot be read: a fault never leads to the next binding.
func Match(a Account, bs []Binding, der []byte, high bool) (Mapping, error) {
	f, err := readFields(der)
	if err != nil {
		return Mapping{}, err
	}
	if err := f.checkNames(); err != nil {
		return Mapping{}, err
	}
	bs = slices.Clone(bs)
	slices.SortStableFunc(bs, func(x, y Binding) int { return cmp.Compare(x.Priority, y.Priority) })
	for _, b := range bs {
		if !b.exists() {
			return Mapping{}, fmt.Errorf("mapping: %w: %v to %v", ErrBinding, b.Field, b.Attribute)
		}
	}
	var failed MatchError
	for _, b := range bs {
		m, outcome, err := f.try(a, b, high)
		if err != nil {
			return Mapping{}, fmt.Errorf("mapping: %v: %w", b.Field, err)
		}
		if outcome == 0 {
			return m, nil
		}
		failed.Attempts = append(failed.Attempts, Attempt{b, outcome})
	}
	return Mapping{}, &failed
}

// checkNames refuses a certificate whose names cannot be read or are several.
func (f *fields) checkNames() error {
	if f.names.Err != nil {
		return fmt.Errorf("mapping: %w", f.names.Err)
	}
	names := f.names.UPNs
	if len(names) == 0 {
		names = f.names.Emails
	}
	for _, other := range names {
		if !upn.Equal(names[0], other) {
			return fmt.Errorf("mapping: %w: %.64q and %.64q", ErrSeveralNames, names[0], other)
		}
	}
	return nil
}

// exists reports whether Entra has such a binding: names for sign-in go with
// every attribute, all other fields with certificateUserIds only.
func (b Binding) exists() bool {
	switch b.Attribute {
	case UserPrincipalName, OnPremisesUserPrincipalName:
		return b.Field == PrincipalName || b.Field == RFC822
	case CertificateUserIDs:
		return b.Field.valid() && b.Field != IssuerSID
	}
	return false
}

// try tries one binding. Outcome 0 is success.
func (f *fields) try(a Account, b Binding, high bool) (Mapping, Outcome, error) {
	if high && !b.Field.Strong() {
		return Mapping{}, Dropped, nil
	}
	list, err := f.deciding(b.Field, Entra)
	if err != nil {
		return Mapping{}, 0, err
	}
	if len(list) == 0 {
		return Mapping{}, Absent, nil
	}
	var stored []Mapping
	switch b.Attribute {
	case UserPrincipalName:
		stored = bare(b.Field, a.UPN)
	case OnPremisesUserPrincipalName:
		stored = bare(b.Field, a.OnPremisesUPN)
	default:
		stored = parseAll(a.CertificateUserIDs, b.Field)
	}
	if len(stored) == 0 {
		return Mapping{}, Unset, nil
	}
	for _, m := range list {
		if slices.ContainsFunc(stored, m.same) {
			return m, 0, nil
		}
	}
	if unreversed(list[0], stored) {
		return Mapping{}, WrongOrder, nil
	}
	return Mapping{}, Different, nil
}

// bare is the value of an attribute that holds a name without prefix and tag.
func bare(field Kind, value string) []Mapping {
	if value == "" {
		return nil
	}
	return []Mapping{{Kind: field, Value: value}}
}

// parseAll reads the stored values of one kind. What is no mapping is none.
func parseAll(values []string, kind Kind) []Mapping {
	var list []Mapping
	for _, v := range values {
		if m, err := Parse(v); err == nil && m.Kind == kind {
			list = append(list, m)
		}
	}
	return list
}

// unreversed reports whether a mapping is stored with its serial number in the
// order of the certificate.
func unreversed(m Mapping, stored []Mapping) bool {
	b, err := hex.DecodeString(m.Value)
	if m.Kind != IssuerSerial || err != nil {
		return false
	}
	slices.Reverse(b)
	m.Value = hex.EncodeToString(b)
	return slices.ContainsFunc(stored, m.same)
}
