package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/upn"
)

// An Account holds the attributes of a user in a directory. The caller looks it up
// by the name that was typed or sent: a certificate never selects an account.
type Account struct {
	UPN                   string    // userPrincipalName
	OnPremisesUPN         string    // onPremisesUserPrincipalName (Entra)
	CertificateUserIDs    []string  // certificateUserIds (Entra)
	AltSecurityIdentities []string  // altSecurityIdentities (Active Directory)
	SID                   string    // objectSid (Active Directory); empty matches no certificate
	Created               time.Time // whenCreated (Active Directory); zero if unknown
}

// An Attribute is an attribute of an Entra account that a binding compares.
type Attribute int

const (
	UserPrincipalName Attribute = iota
	OnPremisesUserPrincipalName
	CertificateUserIDs
)

var attributeNames = [...]string{"userPrincipalName", "onPremisesUserPrincipalName", "certificateUserIds"}

// String returns the name of the attribute in Microsoft Graph.
func (a Attribute) String() string {
	if a < 0 || int(a) >= len(attributeNames) {
		return fmt.Sprintf("attribute %d", int(a))
	}
	return attributeNames[a]
}

// A Binding is a username binding of Entra's certificate-based authentication. The
// binding with the lowest Priority is tried first.
type Binding struct {
	Field     Kind
	Attribute Attribute
	Priority  int
}

var (
	// ErrNoMatch results when no binding is satisfied. It is wrapped in a
	// [*MatchError], which has the reason for each binding.
	ErrNoMatch = errors.New("certificate matches no binding of the account")

	// ErrBinding results when Entra does not support a binding.
	ErrBinding = errors.New("unsupported binding")

	// ErrSeveralNames results when the certificate has several different
	// sign-in names. Which one decides is not documented.
	ErrSeveralNames = errors.New("certificate has several different names")
)

// An Outcome is the reason why a binding is not satisfied.
type Outcome int

const (
	// Dropped: high affinity is required, and the binding has low affinity.
	Dropped Outcome = iota + 1
	// Absent: the certificate does not have the field.
	Absent
	// Unset: the account has no value for the field.
	Unset
	// Different: the account has other values for the field.
	Different
	// WrongOrder: the account has the serial number of the certificate with the
	// bytes in encoded order. They must be reversed.
	WrongOrder
	// ZeroByte: the account has the serial number of the certificate, reversed,
	// with its leading zero byte. The byte must be removed.
	ZeroByte
	// Reversed: the account has the name or key identifier of the certificate in
	// reverse order, as Windows displays names. It must be in encoded order.
	Reversed
	// Ambiguous: the account has a spelling that certificates with different
	// names could share, such as one in another case or without quotes.
	Ambiguous
	// Malformed: the account has a value that is not a mapping.
	Malformed
)

var outcomeText = [...]string{
	Dropped:    "low affinity where high is required",
	Absent:     "not in the certificate",
	Unset:      "not set",
	Different:  "different",
	WrongOrder: "serial number not reversed",
	ZeroByte:   "serial number with its zero byte",
	Reversed:   "in reverse order",
	Ambiguous:  "ambiguous spelling",
	Malformed:  "malformed",
}

// String returns the outcome in a few words.
func (o Outcome) String() string {
	if o <= 0 || int(o) >= len(outcomeText) {
		return fmt.Sprintf("outcome %d", int(o))
	}
	return outcomeText[o]
}

// An Attempt is a binding that is not satisfied, and why.
type Attempt struct {
	Binding Binding
	Outcome Outcome

	// Value is the stored value that Outcome is about, from WrongOrder to
	// Malformed.
	Value string

	// Err is the reason why Value is Malformed.
	Err error
}

// A MatchError reports why no binding is satisfied. It wraps [ErrNoMatch].
type MatchError struct{ Attempts []Attempt }

func (e *MatchError) Error() string {
	var text strings.Builder
	text.WriteString("mapping: " + ErrNoMatch.Error())
	for i, a := range e.Attempts {
		text.WriteString([]string{": ", "; "}[min(i, 1)])
		fmt.Fprintf(&text, "%v to %v: %v", a.Binding.Field, a.Binding.Attribute, a.Outcome)
		if a.Value != "" || a.Err != nil {
			fmt.Fprintf(&text, ": %.256q", a.Value)
		}
		if a.Err != nil {
			fmt.Fprintf(&text, ": %v", a.Err)
		}
	}
	return text.String()
}

// Unwrap returns [ErrNoMatch].
func (e *MatchError) Unwrap() error { return ErrNoMatch }

// Match returns the mapping by which Entra's certificate-based authentication
// accepts a DER certificate for an account. Bindings are tried by priority; the
// first that is satisfied decides. If high is set, bindings of low affinity are
// dropped; [StrengthPolicy.Of] returns whether it is required.
//
// All spellings of a mapping match, except those that certificates with different
// names could share.
//
// The error is a [*MatchError], [ErrBinding] or [ErrSeveralNames], or reports a
// malformed field of the certificate: after a fault, no further binding is tried.
func Match(a Account, bindings []Binding, der []byte, high bool) (Mapping, error) {
	f, err := readFields(der)
	if err != nil {
		return Mapping{}, err
	}
	if err := f.checkNames(); err != nil {
		return Mapping{}, err
	}
	bindings = slices.Clone(bindings)
	slices.SortStableFunc(bindings, func(x, y Binding) int { return cmp.Compare(x.Priority, y.Priority) })
	for _, b := range bindings {
		if !b.exists() {
			return Mapping{}, fmt.Errorf("mapping: %w: %v to %v", ErrBinding, b.Field, b.Attribute)
		}
	}
	ids := parseStored(a.CertificateUserIDs)
	var failed MatchError
	for _, b := range bindings {
		stored := ids
		switch b.Attribute {
		case UserPrincipalName:
			stored = storedName(b.Field, a.UPN)
		case OnPremisesUserPrincipalName:
			stored = storedName(b.Field, a.OnPremisesUPN)
		}
		m, fault, err := f.try(b, stored, high)
		if err != nil {
			return Mapping{}, fmt.Errorf("mapping: %v: %w", b.Field, err)
		}
		if fault.Outcome == 0 {
			return m, nil
		}
		failed.Attempts = append(failed.Attempts, Attempt{b, fault.Outcome, fault.Value, fault.Err})
	}
	return Mapping{}, &failed
}

// checkNames refuses a certificate with malformed or several different names.
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

// exists reports whether Entra supports a binding: sign-in names with every
// attribute, other fields with certificateUserIds only.
func (b Binding) exists() bool {
	switch b.Attribute {
	case UserPrincipalName, OnPremisesUserPrincipalName:
		return b.Field == PrincipalName || b.Field == RFC822
	case CertificateUserIDs:
		return b.Field.valid() && b.Field != IssuerSID
	}
	return false
}

// try returns the mapping that satisfies a binding, or why none of the stored
// values does.
func (f *fields) try(b Binding, stored *storedValues, high bool) (Mapping, StoredFault, error) {
	if high && !b.Field.Strong() {
		return Mapping{}, StoredFault{Outcome: Dropped}, nil
	}
	if b.Field == SHA1PublicKey && !stored.has(b.Field) {
		// Without SHA-1, which FIPS 140-only mode does not allow.
		return Mapping{}, f.unmatched(b.Field, stored), nil
	}
	list, err := f.matching(b.Field, Entra)
	if err != nil {
		return Mapping{}, StoredFault{}, err
	}
	if len(list) == 0 {
		return Mapping{}, StoredFault{Outcome: Absent}, nil
	}
	if m, ok := stored.find(list); ok {
		return m, StoredFault{}, nil
	}
	return Mapping{}, f.unmatched(b.Field, stored), nil
}

// storedName returns the value of an attribute that holds a name without prefix
// and tag.
func storedName(field Kind, value string) *storedValues {
	if value == "" {
		return sortStored(nil)
	}
	return sortStored([]storedValue{{text: value, kind: field, m: Mapping{Kind: field, Value: value}}})
}
