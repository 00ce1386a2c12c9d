package upn

import (
	"encoding/json"
	"strings"
)

// A sentence is one statement of the sign-in document, as far as an answer
// rests on it.
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

// Attributes of an Azure AD account that a name is compared with.
const (
	accountUPN        = "userPrincipalName"
	accountOnPremises = "onPremisesUserPrincipalName"
)

// sentences has the text of each statement in our words, and how Azure AD finds
// the account by the name that is sent.
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

// Sentence is the statement of the sign-in document that the answer follows, in
// the words of this package. It names the revision where only one has it.
func (n Name) Sentence() string { return sentences[n.why].text }

// Account says with which attributes of its accounts Azure AD compares the name,
// in this order, and whether the tenant must be found by a domain hint because
// the suffix of the name does not tell it. There are none where there is no name.
func (n Name) Account() (attributes []string, byDomainHint bool) {
	s := sentences[n.why]
	return append([]string(nil), s.account...), s.domainHint
}

// MarshalJSON gives name, source and sentence, and ambiguous where it is so.
func (n Name) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name      string `json:"name"`
		Source    Source `json:"source"`
		Sentence  string `json:"sentence"`
		Ambiguous bool   `json:"ambiguous,omitempty"`
	}{n.Value, n.Source, n.Sentence(), n.Ambiguous})
}

// routable reports whether the suffix of a UPN can be a domain that a tenant has
// verified: one of the public name space. A single label cannot, nor can the
// reserved and private top levels of RFC 6761, section 6, of RFC 6762, appendix
// G, and of ICANN's reservation of "internal".
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
