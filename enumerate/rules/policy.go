package rules

// Policy holds the Group Policy values of smart card sign-in that change what is
// offered and how it is shown ("Smart card Group Policy and registry settings").
// Its zero value is Windows as installed. The fields are named as the values of
// the registry key
//
//	HKLM\SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider
type Policy struct {
	// AllowCertificatesWithNoEKU lets certificates through that have no
	// extended key usage, or one with the all-purpose or the client
	// authentication usage.
	AllowCertificatesWithNoEKU bool

	// AllowSignatureOnlyKeys lists certificates whose key is for signatures
	// only.
	AllowSignatureOnlyKeys bool

	// AllowTimeInvalidCertificates lists certificates that have expired or are
	// not yet valid. A domain controller may still refuse them.
	AllowTimeInvalidCertificates bool

	// EnumerateECCCerts lists certificates with elliptic curve keys.
	EnumerateECCCerts bool

	// FilterDuplicateCerts shows one of several certificates of a card that
	// are from the same template for the same user; see [Arrange].
	FilterDuplicateCerts bool

	// ForceReadingAllCertificates reads every certificate from cards that do
	// not hand over all of them at once. No rule depends on it; whoever reads
	// cards does.
	ForceReadingAllCertificates bool

	// X509HintsNeeded shows a field for the user name, so that certificates
	// without one can be used.
	X509HintsNeeded bool

	// ReverseSubject turns the order of a subject that is shown; see [Title].
	ReverseSubject bool

	// AllowIntegratedUnblock offers to unblock a card at sign-in if the card
	// supports it. No rule depends on it.
	AllowIntegratedUnblock bool

	// IntegratedUnblockPromptString is what is then shown of a blocked card.
	IntegratedUnblockPromptString string
}

// A value is one on-or-off value of the registry key.
type value uint8

const (
	none value = iota
	allowCertificatesWithNoEKU
	allowSignatureOnlyKeys
	allowTimeInvalidCertificates
	enumerateECCCerts
	filterDuplicateCerts
	forceReadingAllCertificates
	x509HintsNeeded
	reverseSubject
	allowIntegratedUnblock
)

// values has, for each value, its name in the registry, what it does, and the
// field that holds it.
var values = [...]struct {
	name    string
	meaning string
	field   func(*Policy) *bool
}{
	allowCertificatesWithNoEKU: {"AllowCertificatesWithNoEKU", "certificates with no, the all-purpose or the client authentication usage are listed",
		func(p *Policy) *bool { return &p.AllowCertificatesWithNoEKU }},
	allowSignatureOnlyKeys: {"AllowSignatureOnlyKeys", "certificates with signature-only keys are listed",
		func(p *Policy) *bool { return &p.AllowSignatureOnlyKeys }},
	allowTimeInvalidCertificates: {"AllowTimeInvalidCertificates", "expired and not yet valid certificates are listed",
		func(p *Policy) *bool { return &p.AllowTimeInvalidCertificates }},
	enumerateECCCerts: {"EnumerateECCCerts", "certificates with elliptic curve keys are listed",
		func(p *Policy) *bool { return &p.EnumerateECCCerts }},
	filterDuplicateCerts: {"FilterDuplicateCerts", "of the same certificates one is shown",
		func(p *Policy) *bool { return &p.FilterDuplicateCerts }},
	forceReadingAllCertificates: {"ForceReadingAllCertificates", "every certificate of a card is read",
		func(p *Policy) *bool { return &p.ForceReadingAllCertificates }},
	x509HintsNeeded: {"X509HintsNeeded", "a person can type a user name",
		func(p *Policy) *bool { return &p.X509HintsNeeded }},
	reverseSubject: {"ReverseSubject", "a subject is shown in reverse order",
		func(p *Policy) *bool { return &p.ReverseSubject }},
	allowIntegratedUnblock: {"AllowIntegratedUnblock", "unblocking is offered at sign-in",
		func(p *Policy) *bool { return &p.AllowIntegratedUnblock }},
}

// promptString is the one value that is a text.
const promptString = "IntegratedUnblockPromptString"

func (v value) String() string { return values[v].name }

func (p *Policy) enabled(v value) bool { return v != none && *values[v].field(p) }

// System is the policy of this machine, from its registry. It is the zero Policy
// on systems other than Windows. The error names a value that is not documented
// or has the wrong type.
func System() (Policy, error) { return Policy{}, nil }
