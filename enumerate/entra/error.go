package entra

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/smartlogon/smartlogon/internal/fault"
)

var (
	// ErrNoCertificateSignIn results when the service does not offer this user
	// to sign in with a certificate.
	ErrNoCertificateSignIn = fault.New(fault.Object, "service does not offer certificate sign-in for this user",
		"Check the user name, and ask the administrator whether certificate-based authentication is enabled for the user.")

	// ErrRS256 results when a key that is not RSA would have to sign a message
	// of MS-OAPXBC, which has RS256 only.
	ErrRS256 = fault.New(fault.Object, "key is not RSA, and messages of joined machines are signed with RS256 only",
		"Use a certificate with an RSA key, or sign in with the browser flow.")

	// ErrFlow results when a page or a message of the service is not what the
	// flow expects. Either the service has changed, or the Authority is not one.
	ErrFlow = fault.New(fault.Object, "service sent an unexpected response",
		"Check the Authority; if it is right, report that the flow of the service has changed.")
)

// An Error is a refusal by the service.
type Error struct {
	Code int    // the number of an error AADSTS500171, or 0
	Text string // of the service, cut to 300 characters
}

func (e *Error) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("refused by the service: %q", e.Text)
	}
	return fmt.Sprintf("refused by the service: AADSTS%d: %q", e.Code, e.Text)
}

// remedies are for users and administrators, by code.
var remedies = map[int]string{
	50011:   "Register the redirect URI for the client.",
	50017:   "Use a certificate that is for client authentication and that the tenant's authorities issued.",
	50034:   "Check the user name, and ask the administrator whether the account has a binding for this certificate.",
	50076:   "Use a certificate that counts as multi-factor, or add a second factor in a browser.",
	50089:   "Start the sign-in again; it took too long.",
	53003:   "Use a certificate of the issuers and policies that the client requires.",
	54005:   "Start the sign-in again; the code was used before.",
	70008:   "Start the sign-in again; the code has expired.",
	130501:  "Ask the administrator to enable certificate-based authentication for the user.",
	500171:  "Get a new certificate; this one is revoked.",
	500172:  "Get a new certificate if this one is expired; otherwise the administrator must publish a new revocation list.",
	500173:  "Ask the administrator to make the revocation list reachable.",
	500174:  "Ask the administrator to publish a revocation list that can be used.",
	500175:  "Ask the administrator to configure a revocation list for each authority.",
	500176:  "Ask the administrator to upload the issuer of the certificate to the tenant.",
	500177:  "Ask the administrator to configure a base list beside the delta list.",
	500178:  "Ask the administrator to publish the missing segments of the revocation list.",
	500179:  "Try again later; the revocation list could not be downloaded in time.",
	500183:  "Get a new certificate; this one is revoked.",
	500189:  "Use a certificate of an authority that is allowed for the user's groups.",
	501481:  "Start the sign-in again from the program that began it.",
	1001000: "Ask the administrator to configure the username bindings of the tenant.",
	1001003: "Use a certificate that has the fields of the tenant's username bindings.",
	2205011: "Ask the administrator to publish the revocation list in DER.",
	2205012: "Try again later; the revocation list could not be downloaded in time.",
	2205013: "Try again in a minute; the revocation list is being downloaded.",
	2205014: "Ask the administrator to make the revocation list smaller.",
	2205015: "Ask the administrator to configure the list that the issuer of the certificate signs.",
	7000214: "Get a new certificate; this one is revoked.",
}

// Hint returns what the user can do, for card.Hint. It is empty if the code is not
// known.
func (e *Error) Hint() string { return remedies[e.Code] }

var codePattern = regexp.MustCompile(`AADSTS(\d{4,8})`)

// refusal returns the error for a text of the service.
func refusal(text string) *Error {
	e := &Error{Text: cut(text)}
	if m := codePattern.FindStringSubmatch(text); m != nil {
		e.Code, _ = strconv.Atoi(m[1])
	}
	return e
}

// cut limits a text of the service to 300 characters.
func cut(text string) string {
	if r := []rune(text); len(r) > 300 {
		return string(r[:300]) + "…"
	}
	return text
}
