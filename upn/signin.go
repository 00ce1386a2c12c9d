package upn

import "errors"

// ErrHintRequired says that the certificate gives no name that Windows could
// send, so that a person has to type one.
var ErrHintRequired = errors.New("upn: no name to send: a user name hint is required")

// ErrRefused says that the sign-in document does not let this user or hint
// sign in with a certificate.
var ErrRefused = errors.New("upn: sign-in refused")

// A Source is where the name that Windows sends comes from.
type Source string

const (
	FromUPN       Source = "upn"           // SAN Principal Name
	FromRFC822    Source = "rfc822"        // SAN RFC822 Name
	FromHint      Source = "hint"          // what the person typed
	FromADUPN     Source = "ad-upn"        // the UPN of Active Directory
	FromCachedUPN Source = "cached-upn"    // the Azure AD UPN of an earlier sign-in
	HintRequired  Source = "hint-required" // none: a person must type a hint
	Malformed     Source = "malformed"     // none: the certificate's names cannot be read
	Refused       Source = "refused"       // none: the document rules this sign-in out
)

// A Revision is an edition of Microsoft's sign-in document.
type Revision int

const (
	Revision2022 Revision = 2022 // of 2022-09-30; what 0 means
	Revision2025 Revision = 2025 // of 2025-03-04
)

// A User is how the domain of a user signs in to Azure AD.
type User int

const (
	Managed       User = iota // in a managed domain
	StagedRollout             // federated, but chosen for Staged Rollout
	Federated                 // federated: no sign-in with this method
)

// SignIn is the situation in which a certificate is used. Its zero value is a
// managed user of an Azure AD joined machine who typed no hint, by the document
// of 2022.
type SignIn struct {
	Hybrid     bool   // hybrid joined, else Azure AD joined
	Subsequent bool   // not the first sign-in of this user on this machine
	Hint       string // user@domain or domain\user, as typed; always wins
	ADUPN      string // what Active Directory calls the user (hybrid)
	CachedUPN  string // what Azure AD called the user at an earlier sign-in (hybrid)
	CloudOnly  bool   // the account has no counterpart in Active Directory
	User       User
	Revision   Revision
}

// A Name is the name that Windows sends, and why.
type Name struct {
	Value     string
	Source    Source
	Ambiguous bool // the certificate has several different names; this is the first
}

// Sentence is the statement of the sign-in document that the answer follows, in
// our words.
func (n Name) Sentence() string { return "" }

// Name returns the name that Windows sends in this situation. The error is
// [ErrHintRequired], [ErrRefused], a [*MalformedError] or a [*HintError]; the
// Name returned with it still has its Source and Sentence.
func (s SignIn) Name(n Names) (Name, error) { return Name{}, nil }

// A HintError says what is wrong with a hint or with another given name.
type HintError struct {
	Name   string // quoted and cut in the text
	Reason string
}

func (e *HintError) Error() string { return "" }
