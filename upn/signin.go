package upn

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrHintRequired results when Windows has no name to send unless the user
	// types a hint.
	ErrHintRequired = errors.New("upn: no name to send: a user name hint is required")

	// ErrRefused results when the sign-in document excludes this sign-in.
	// [Name.Sentence] returns the reason.
	ErrRefused = errors.New("upn: sign-in refused")
)

// A Source is the origin of the name that Windows sends, or the reason why there
// is none.
type Source string

const (
	FromUPN       Source = "upn"           // the first UPN of the certificate
	FromRFC822    Source = "rfc822"        // the first e-mail address of the certificate
	FromHint      Source = "hint"          // the hint that the user typed
	FromADUPN     Source = "ad-upn"        // the UPN in Active Directory
	FromCachedUPN Source = "cached-upn"    // the Azure AD UPN of an earlier sign-in
	HintRequired  Source = "hint-required" // none: the user must type a hint
	Malformed     Source = "malformed"     // none: the names of the certificate are malformed
	Refused       Source = "refused"       // none: the document excludes this sign-in
)

// A Revision is a revision of Microsoft's sign-in document. They differ in the
// form of a hint, in the lookup of a name with a suffix that is not routable, and
// in what they state about E= and CN=.
type Revision int

const (
	Revision2022 Revision = 2022 // of 2022-09-30; the default
	Revision2025 Revision = 2025 // of 2025-03-04
)

// A User is how Azure AD authenticates a user.
type User uint8

const (
	Managed       User = iota // in a managed domain
	StagedRollout             // in a federated domain, but in a Staged Rollout group
	Federated                 // in a federated domain
)

// SignIn describes a sign-in. The zero value is the sign-in of a managed user at an
// Azure AD joined machine, without a hint, by the document of 2022.
type SignIn struct {
	Hybrid     bool   // the machine is hybrid joined, not Azure AD joined
	Subsequent bool   // the user has signed in at this machine before
	Hint       string // as typed: user@domain or domain\user
	ADUPN      string // userPrincipalName in Active Directory; used if Hybrid
	CachedUPN  string // Azure AD UPN of the last sign-in; used if Hybrid
	CloudOnly  bool   // the user has no account in Active Directory
	User       User
	Revision   Revision
}

// A Name is the name that Windows sends and its source. Value is empty if there is
// none.
type Name struct {
	Value     string
	Source    Source
	Ambiguous bool // the certificate has several different names; this is the first

	why sentence
}

// Name returns the name that Windows sends in this sign-in.
//
// The error is [ErrHintRequired], [ErrRefused], the [*MalformedError] in names, a
// [*FormError] if Hint, ADUPN or CachedUPN is malformed, or reports an unsupported
// Revision. With the first three, the Name has a Source and a Sentence. A hint is
// sent even if the names in the certificate are malformed.
func (s SignIn) Name(names Names) (Name, error) {
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
		return s.hybridName()
	}
	return s.joinedName(names)
}

// joinedName returns the name that an Azure AD joined machine sends: the first UPN
// or else the first e-mail address. The first and later sign-ins are alike.
func (s SignIn) joinedName(names Names) (Name, error) {
	var name Name
	switch {
	case names.Err != nil:
		return Name{Source: Malformed, why: namesUnreadable}, names.Err
	case len(names.UPNs) > 0:
		name = Name{Value: names.UPNs[0], Source: FromUPN, Ambiguous: len(names.UPNs) > 1, why: principalNameFirst}
	case len(names.Emails) > 0:
		name = Name{Value: names.Emails[0], Source: FromRFC822, Ambiguous: len(names.Emails) > 1, why: emailSecond}
	case names.Subject != "" && !s.revised():
		return Name{Source: HintRequired, why: subjectNotSent}, ErrHintRequired
	default:
		return Name{Source: HintRequired, why: noNameHintNeeded}, ErrHintRequired
	}
	if s.CloudOnly && !s.revised() && !routable(name.Value) {
		return Name{Source: HintRequired, why: cloudOnlyNeedsHint}, ErrHintRequired
	}
	return name, nil
}

// hybridName returns the name that a hybrid joined machine sends. It does not
// depend on the certificate: the machine signs in to Active Directory first.
func (s SignIn) hybridName() (Name, error) {
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
		return fmt.Errorf("upn: unsupported revision %d of the sign-in document: want %d or %d", s.Revision, Revision2022, Revision2025)
	}
	for _, input := range [...]struct {
		field, value string
		fault        func([]byte) string
	}{
		{"hint", s.Hint, hintFault},
		{"Active Directory UPN", s.ADUPN, upnFault},
		{"cached UPN", s.CachedUPN, upnFault},
	} {
		if input.value == "" {
			continue
		}
		if reason := input.fault([]byte(input.value)); reason != "" {
			return &FormError{Field: input.field, Reason: reason}
		}
	}
	return nil
}

// A FormError reports a malformed name in a [SignIn].
type FormError struct {
	Field  string // hint, Active Directory UPN or cached UPN
	Reason string // quotes and truncates the name
}

func (e *FormError) Error() string { return "upn: " + e.Field + ": " + e.Reason }

// A Matrix holds the name for each cell of the table in the sign-in document. A
// cell without a name has the reason in its Source.
type Matrix struct {
	Joined Cells `json:"joined"`
	Hybrid Cells `json:"hybrid"`
}

// Cells are the names at the first and at each later sign-in of a user at a
// machine.
type Cells struct {
	First      Name `json:"first"`
	Subsequent Name `json:"subsequent"`
}

// Matrix returns the names for all four cells. It ignores Hybrid and Subsequent.
// The error is a [*FormError] or reports an unsupported Revision.
func (s SignIn) Matrix(names Names) (Matrix, error) {
	if err := s.check(); err != nil {
		return Matrix{}, err
	}
	cell := func(hybrid, subsequent bool) Name {
		s.Hybrid, s.Subsequent = hybrid, subsequent
		name, _ := s.Name(names) // Source has the reason
		return name
	}
	return Matrix{
		Joined: Cells{First: cell(false, false), Subsequent: cell(false, true)},
		Hybrid: Cells{First: cell(true, false), Subsequent: cell(true, true)},
	}, nil
}
