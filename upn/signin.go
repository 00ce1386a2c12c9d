package upn

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrHintRequired says that there is no name that Windows could send until
	// a person types one.
	ErrHintRequired = errors.New("upn: no name to send: a user name hint is required")

	// ErrRefused says that the sign-in document rules this sign-in out.
	// [Name.Sentence] says why.
	ErrRefused = errors.New("upn: sign-in refused")
)

// A Source is where the name that Windows sends comes from, or why there is
// none.
type Source string

const (
	FromUPN       Source = "upn"           // the first UPN of the certificate
	FromRFC822    Source = "rfc822"        // the first e-mail address of the certificate
	FromHint      Source = "hint"          // what the person typed
	FromADUPN     Source = "ad-upn"        // what Active Directory calls the user
	FromCachedUPN Source = "cached-upn"    // what Azure AD called the user at an earlier sign-in
	HintRequired  Source = "hint-required" // none: a person must type a hint
	Malformed     Source = "malformed"     // none: the names of the certificate cannot be read
	Refused       Source = "refused"       // none: the document rules this sign-in out
)

// A Revision is an edition of Microsoft's sign-in document. They differ in what
// a hint may be, in how a name without a routable suffix is looked up, and in
// what they say of E= and CN=.
type Revision int

const (
	Revision2022 Revision = 2022 // of 2022-09-30, and what 0 means
	Revision2025 Revision = 2025 // of 2025-03-04
)

// A User is how Azure AD lets a user sign in.
type User uint8

const (
	Managed       User = iota // in a managed domain
	StagedRollout             // in a federated domain, but chosen for Staged Rollout
	Federated                 // in a federated domain
)

// SignIn is the situation in which a certificate signs a person in. Its zero
// value is a managed user at an Azure AD joined machine who typed no hint, as
// the document of 2022 has it.
type SignIn struct {
	Hybrid     bool   // the machine is hybrid joined; else Azure AD joined
	Subsequent bool   // this user has signed in at this machine before
	Hint       string // as typed: user@domain or domain\user
	ADUPN      string // what Active Directory calls the user; hybrid only
	CachedUPN  string // what Azure AD called the user the last time; hybrid only
	CloudOnly  bool   // the user has no account in Active Directory
	User       User
	Revision   Revision
}

// A Name is the name that Windows sends, and where it is from. Value is empty
// where there is none.
type Name struct {
	Value     string
	Source    Source
	Ambiguous bool // the certificate has several different names and this is the first

	why sentence
}

// Name returns the name that Windows sends in this situation.
//
// The error is [ErrHintRequired], [ErrRefused], a [*FormError] for a hint or
// another given name that has the wrong form, or the [*MalformedError] of the
// certificate. Except with a FormError, the Name that comes with it tells Source
// and Sentence. A given hint is sent whatever the certificate holds, even if
// that is malformed.
func (s SignIn) Name(n Names) (Name, error) {
	if err := s.check(); err != nil {
		return Name{}, err
	}
	switch {
	case s.User == Federated:
		return Name{Source: Refused, why: federatedUser}, ErrRefused
	case s.Hint != "" && !s.Hybrid && s.revised() && !strings.Contains(s.Hint, "@"):
		return Name{Source: Refused, why: hintMustBeUPN}, ErrRefused
	case s.Hint != "":
		return Name{Value: s.Hint, Source: FromHint, why: hintAlwaysSent}, nil
	case s.Hybrid:
		return s.hybrid()
	}
	return s.joined(n)
}

// joined is the order of an Azure AD joined machine, the same at every sign-in:
// principal name, e-mail address, else a hint.
func (s SignIn) joined(n Names) (Name, error) {
	var name Name
	switch {
	case n.Err != nil:
		return Name{Source: Malformed, why: namesUnreadable}, n.Err
	case len(n.UPNs) > 0:
		name = Name{Value: n.UPNs[0], Source: FromUPN, Ambiguous: len(n.UPNs) > 1, why: principalNameFirst}
	case len(n.Emails) > 0:
		name = Name{Value: n.Emails[0], Source: FromRFC822, Ambiguous: len(n.Emails) > 1, why: emailSecond}
	case n.Subject != "" && !s.revised():
		return Name{Source: HintRequired, why: subjectNotSent}, ErrHintRequired
	default:
		return Name{Source: HintRequired, why: noNameHintNeeded}, ErrHintRequired
	}
	if s.CloudOnly && !s.revised() && !routable(name.Value) {
		return Name{Source: HintRequired, why: cloudOnlyNeedsHint}, ErrHintRequired
	}
	return name, nil
}

// hybrid never looks at the certificate: Active Directory has already said who
// the user is, or Azure AD did so last time.
func (s SignIn) hybrid() (Name, error) {
	switch {
	case s.Subsequent && s.CachedUPN != "":
		return Name{Value: s.CachedUPN, Source: FromCachedUPN, why: cachedNameSent}, nil
	case s.ADUPN == "":
		return Name{Source: HintRequired, why: directoryNameMissing}, ErrHintRequired
	}
	why := directoryNameSent
	switch {
	case s.revised():
		why = directoryNameThenOnPremises
	case !routable(s.ADUPN):
		why = domainHintFindsTenant
	}
	return Name{Value: s.ADUPN, Source: FromADUPN, why: why}, nil
}

func (s SignIn) revised() bool { return s.Revision == Revision2025 }

func (s SignIn) check() error {
	switch s.Revision {
	case 0, Revision2022, Revision2025:
	default:
		return fmt.Errorf("upn: there is no revision %d of the sign-in document, only %d and %d", s.Revision, Revision2022, Revision2025)
	}
	for _, given := range [...]struct {
		what, value string
		fault       func([]byte) string
	}{
		{"hint", s.Hint, hintFault},
		{"Active Directory UPN", s.ADUPN, upnFault},
		{"cached UPN", s.CachedUPN, upnFault},
	} {
		if given.value == "" {
			continue
		}
		if reason := given.fault([]byte(given.value)); reason != "" {
			return &FormError{Given: given.what, Reason: reason}
		}
	}
	return nil
}

// A FormError says what is wrong with a name that was given to [SignIn].
type FormError struct {
	Given  string // hint, Active Directory UPN or cached UPN
	Reason string // the name in it is quoted and cut
}

func (e *FormError) Error() string { return "upn: " + e.Given + ": " + e.Reason }

// A Matrix has the name of every cell of the sign-in document's table. Where a
// cell has no name, its Source says why.
type Matrix struct {
	Joined Cells `json:"joined"`
	Hybrid Cells `json:"hybrid"`
}

// Cells are the first and each later sign-in of a user at a machine.
type Cells struct {
	First      Name `json:"first"`
	Subsequent Name `json:"subsequent"`
}

// Matrix answers for all four cells; Hybrid and Subsequent of s do not matter.
// The error is a [*FormError], or names an unknown revision.
func (s SignIn) Matrix(n Names) (Matrix, error) {
	if err := s.check(); err != nil {
		return Matrix{}, err
	}
	cell := func(hybrid, subsequent bool) Name {
		s.Hybrid, s.Subsequent = hybrid, subsequent
		name, _ := s.Name(n) // what is wrong is in the Source
		return name
	}
	return Matrix{
		Joined: Cells{First: cell(false, false), Subsequent: cell(false, true)},
		Hybrid: Cells{First: cell(true, false), Subsequent: cell(true, true)},
	}, nil
}
