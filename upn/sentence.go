package upn

import (
	"encoding/json"
	"strings"
)

// A sentence is a statement of the sign-in document that decides a name.
type sentence uint8

const (
	principalNameFirst sentence = iota + 1
	emailSecond
	noNameHintNeeded
	subjectNotSent
	cloudOnlyNeedsHint
	namesUnreadable
	hintAlwaysSent
	hintMustBeUPN
	directoryNameSent
	domainHintFindsTenant
	directoryNameThenOnPremises
	directoryNameMissing
	cachedNameSent
	federatedUser
)

// Attributes of an Azure AD account that are compared with a name.
const (
	accountUPN        = "userPrincipalName"
	accountOnPremises = "onPremisesUserPrincipalName"
)

// sentences holds each statement in the words of this package, and how Azure AD
// looks up the account.
var sentences = [...]struct {
	text       string
	account    []string
	domainHint bool
}{
	principalNameFirst: {
		text:    "An Azure AD joined machine sends the SAN Principal Name of the certificate.",
		account: []string{accountUPN},
	},
	emailSecond: {
		text:    "Without a SAN Principal Name, an Azure AD joined machine sends the SAN RFC822 Name of the certificate.",
		account: []string{accountUPN},
	},
	noNameHintNeeded: {
		text: "With neither a SAN Principal Name nor a SAN RFC822 Name, the user must give a user name hint.",
	},
	subjectNotSent: {
		text: "With no UPN, but E= or CN= in the subject, Windows would send that whole value, which does not work (revision of 2022): the user must give a user name hint.",
	},
	cloudOnlyNeedsHint: {
		text: "A cloud-only user whose certificate has a name with a suffix that is not routable must give a user name hint (revision of 2022).",
	},
	namesUnreadable: {
		text: "The names of the certificate cannot be read; no other source takes their place. A user name hint would be sent.",
	},
	hintAlwaysSent: {
		text:    "A user name hint that the user gives is always sent.",
		account: []string{accountUPN},
	},
	hintMustBeUPN: {
		text: "A hint for Entra must be a UPN; domain\\user is a form of Active Directory (revision of 2025).",
	},
	directoryNameSent: {
		text:    "A hybrid joined machine signs in to Active Directory and sends the UPN that it learns there.",
		account: []string{accountUPN},
	},
	domainHintFindsTenant: {
		text:       "The UPN of Active Directory has a suffix that is not routable: the domain hint finds the tenant, and onPremisesUserPrincipalName the user (revision of 2022).",
		account:    []string{accountOnPremises},
		domainHint: true,
	},
	directoryNameThenOnPremises: {
		text:    "A hybrid joined machine sends the UPN of Active Directory; it is compared with the Entra UPN and, only if that fails, with onPremisesUserPrincipalName (revision of 2025).",
		account: []string{accountUPN, accountOnPremises},
	},
	directoryNameMissing: {
		text: "A hybrid joined machine sends the UPN of Active Directory or a hint, never a name of the certificate; neither is known, so the user must give a user name hint.",
	},
	cachedNameSent: {
		text:    "After the first sign-in, a hybrid joined machine sends the Azure AD UPN that it has cached.",
		account: []string{accountUPN},
	},
	federatedUser: {
		text: "The user must be in a managed domain or in Staged Rollout; a federated user cannot sign in with a certificate to Azure AD.",
	},
}

// Sentence returns the statement of the sign-in document that decided the name, in
// the words of this package. A statement of one revision only names that revision.
func (n Name) Sentence() string { return sentences[n.why].text }

// Account returns the account attributes that Azure AD compares with the name, in
// order. byDomainHint reports whether a domain hint must select the tenant because
// the suffix of the name does not. Without a name there are no attributes.
func (n Name) Account() (attributes []string, byDomainHint bool) {
	s := sentences[n.why]
	return append([]string(nil), s.account...), s.domainHint
}

// MarshalJSON encodes name, source, sentence and, if true, ambiguous.
func (n Name) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name      string `json:"name"`
		Source    Source `json:"source"`
		Sentence  string `json:"sentence"`
		Ambiguous bool   `json:"ambiguous,omitempty"`
	}{n.Value, n.Source, n.Sentence(), n.Ambiguous})
}

// routable reports whether the suffix of a UPN can be a verified domain of a
// tenant, which is a public one. A single label is not, nor are the top-level
// domains of RFC 6761, section 6, and RFC 6762, appendix G, and "internal", which
// ICANN has reserved.
func routable(name string) bool {
	_, suffix, _ := strings.Cut(name, "@")
	i := strings.LastIndexByte(suffix, '.')
	if i < 0 {
		return false
	}
	switch strings.ToLower(suffix[i+1:]) {
	case "local", "localhost", "internal", "intranet", "private", "corp", "home", "lan", "test", "example", "invalid":
		return false
	}
	return true
}
