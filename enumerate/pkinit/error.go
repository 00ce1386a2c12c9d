package pkinit

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/internal/fault"
	"github.com/smartlogon/smartlogon/internal/signature"
)

var (
	// ErrMalformed reports a reply that is not valid DER, too large, or not a
	// reply to the request.
	ErrMalformed = fault.New(fault.Object, "malformed reply",
		"Check that the address is that of a KDC, and report the reply if it is.")

	// ErrSignature reports a reply whose signature is missing or invalid.
	ErrSignature = fault.New(fault.Object, "signature of the KDC is not valid",
		"Do not sign in on this network: the reply was changed or comes from another host.")

	// ErrKDCCertificate reports a KDC whose certificate has an unknown issuer, is
	// expired or revoked, is not for a KDC, or names another realm.
	ErrKDCCertificate = fault.New(fault.Object, "certificate of the KDC is not accepted",
		"Check the trusted authorities and the realm; have the KDC's certificate issued from the template \"Kerberos Authentication\".")

	// ErrMismatch reports a signed reply that is for another request: another
	// user, realm, nonce or time.
	ErrMismatch = fault.New(fault.Object, "reply is for another request",
		"Try again; if it happens again, do not sign in on this network.")

	// ErrWeak reports a KDC that uses an algorithm, a key or a group that is not
	// accepted.
	ErrWeak = fault.New(fault.Object, "algorithm is not accepted",
		"Update the KDC: it must sign with SHA-256 or better, and encrypt with AES.")

	// ErrNoKDC reports that no KDC answered.
	ErrNoKDC = fault.New(fault.Object, "no KDC answers",
		"Check the network, the realm, and that DNS has SRV records for it, or name a KDC.")

	// ErrNoRealm reports that the name has no realm and the options have none.
	ErrNoRealm = fault.New(fault.Object, "no realm",
		"Give the realm: the DNS name of the Active Directory domain, in capitals.")

	// ErrNoRoots reports options without roots.
	ErrNoRoots = fault.New(fault.Object, "no trusted authorities",
		"Give the certificates of the authorities that issue the KDC's certificate.")

	// ErrClosed reports the use of a closed TGT.
	ErrClosed = fault.New(fault.Object, "ticket is closed", "Sign in again.")

	// ErrKeyMismatch reports a key that does not belong to the certificate. It is
	// the same value as challenge.ErrMismatch and piv.ErrMismatch.
	ErrKeyMismatch = signature.ErrMismatch
)

// An Error is an error that a KDC returned. Such a message is not signed: another
// host on the network may have sent it.
type Error struct {
	Code   int           // RFC 4120, 7.5.9 and RFC 4556, 3.1.3
	Text   string        // from the KDC; quote it for display
	Status uint32        // NTSTATUS of a Windows KDC, or 0 (MS-KILE 2.2.1)
	Skew   time.Duration // how far the clock of the KDC is ahead, if Code is 37

	// Mapping is a strong mapping of the certificate for altSecurityIdentities of
	// the account (package upn/mapping), if the KDC did not find the account by
	// the certificate.
	Mapping string
}

func (e *Error) Error() string {
	var b strings.Builder
	name := codes[e.Code].name
	if name == "" {
		name = "error"
	}
	fmt.Fprintf(&b, "KDC returned %s (%d)", name, e.Code)
	if e.Skew != 0 {
		fmt.Fprintf(&b, ", clocks differ by %v", e.Skew.Round(time.Second))
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, ", status %08X", e.Status)
	}
	if e.Text != "" {
		fmt.Fprintf(&b, ": %.256q", e.Text)
	}
	return b.String()
}

// Is reports whether target is an *Error with the same code and otherwise empty.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && *t == Error{Code: e.Code}
}

// Hint returns one sentence that tells the user what to do, for card.Hint.
func (e *Error) Hint() string {
	hint := codes[e.Code].hint
	if e.Mapping == "" {
		return hint
	}
	switch e.Code {
	case CodeCertificateMismatch, CodeClientNameMismatch, CodePrincipalUnknown:
		return fmt.Sprintf("%s, or have the administrator add %q to altSecurityIdentities of the account.", strings.TrimSuffix(hint, "."), e.Mapping)
	}
	return hint
}

// Codes of errors that have a meaning of their own for smart cards.
const (
	CodePrincipalUnknown      = 6
	CodePolicy                = 12
	CodeEncryptionUnsupported = 14
	CodePADataUnsupported     = 16
	CodeClientRevoked         = 18
	CodePreauthFailed         = 24
	CodePreauthRequired       = 25
	CodeServiceUnavailable    = 29
	CodeClockSkew             = 37
	CodeTooBig                = 52
	CodeClientNotTrusted      = 62
	CodeKeyParameters         = 65
	CodeCertificateMismatch   = 66
	CodeWrongRealm            = 68
	CodeClientNameMismatch    = 75
	CodeKeyPurpose            = 77
	CodeChecksumRequired      = 79
	CodeDigestNotAccepted     = 80
)

// codes has the names and the meaning for a smart card of RFC 4120, 7.5.9, RFC
// 4556, 3.1.3, RFC 8070, 4 and MS-PKCA.
var codes = map[int]struct{ name, hint string }{
	6:   {"KDC_ERR_C_PRINCIPAL_UNKNOWN", "Check the name and the realm: the domain has no such user."},
	12:  {"KDC_ERR_POLICY", "Ask the administrator: a policy forbids this sign-in, for example by time or computer."},
	14:  {"KDC_ERR_ETYPE_NOSUPP", "Have AES enabled for the account and the KDC: other encryption is not offered."},
	16:  {"KDC_ERR_PADATA_TYPE_NOSUPP", "Have a certificate for KDC authentication issued to the domain controller: it cannot do smart card sign-in without one."},
	18:  {"KDC_ERR_CLIENT_REVOKED", "Ask the administrator: the account is disabled, locked or expired."},
	23:  {"KDC_ERR_KEY_EXPIRED", "Ask the administrator: the password of the account has expired, and the account does not require a smart card."},
	24:  {"KDC_ERR_PREAUTH_FAILED", "Try again, with the certificate and the name of the same user; the KDC did not accept the signature or the freshness token."},
	25:  {"KDC_ERR_PREAUTH_REQUIRED", "Ask the administrator: the KDC requires another authentication than the smart card."},
	29:  {"KDC_ERR_SVC_UNAVAILABLE", "Try again later, or another KDC."},
	31:  {"KRB_AP_ERR_BAD_INTEGRITY", "Use a card with an RSA key, and Diffie-Hellman without an elliptic curve: this KDC does not support them."},
	37:  {"KRB_AP_ERR_SKEW", "Set the clock of this machine by that of the KDC."},
	52:  {"KRB_ERR_RESPONSE_TOO_BIG", "Allow TCP to port 88 of the KDC: the reply does not fit into a datagram."},
	60:  {"KRB_ERR_GENERIC", "Look into the log of the KDC."},
	62:  {"KDC_ERR_CLIENT_NOT_TRUSTED", "Have the issuer of the card's certificate added to the NTAuth store and to the trusted roots of the domain controllers."},
	63:  {"KDC_ERR_KDC_NOT_TRUSTED", "Have a new certificate issued to the domain controller: its own is not trusted."},
	64:  {"KDC_ERR_INVALID_SIG", "Try again; if it happens again, check that the key on the card belongs to the certificate."},
	65:  {"KDC_ERR_DH_KEY_PARAMETERS_NOT_ACCEPTED", "Change the key agreement: between the 2048-bit group and the elliptic curve P-256."},
	66:  {"KDC_ERR_CERTIFICATE_MISMATCH", "Have the certificate reissued with the security identifier of the account."},
	68:  {"KDC_ERR_WRONG_REALM", "Give the realm of the account, or its user principal name."},
	70:  {"KDC_ERR_CANT_VERIFY_CERTIFICATE", "Have the authorities between the card's certificate and the root installed on the domain controller."},
	71:  {"KDC_ERR_INVALID_CERTIFICATE", "Check that the card's certificate is valid now and for sign-in."},
	72:  {"KDC_ERR_REVOKED_CERTIFICATE", "Have a new card or certificate issued: this one is revoked."},
	73:  {"KDC_ERR_REVOCATION_STATUS_UNKNOWN", "Have the revocation list of the card's issuer published: the KDC does not have it."},
	74:  {"KDC_ERR_REVOCATION_STATUS_UNAVAILABLE", "Check that the domain controller can reach the revocation list of the card's issuer."},
	75:  {"KDC_ERR_CLIENT_NAME_MISMATCH", "Use the name in the certificate."},
	76:  {"KDC_ERR_KDC_NAME_MISMATCH", "Have a certificate with the name of the domain issued to the domain controller."},
	77:  {"KDC_ERR_INCONSISTENT_KEY_PURPOSE", "Use a certificate for smart card logon (1.3.6.1.4.1.311.20.2.2) or client authentication."},
	78:  {"KDC_ERR_DIGEST_IN_CERT_NOT_ACCEPTED", "Have the card's certificate reissued with SHA-256."},
	79:  {"KDC_ERR_PA_CHECKSUM_MUST_BE_INCLUDED", "Update this program: the KDC requires the second checksum of the request."},
	80:  {"KDC_ERR_DIGEST_IN_SIGNED_DATA_NOT_ACCEPTED", "Sign with another digest: the KDC does not accept this one."},
	81:  {"KDC_ERR_PUBLIC_KEY_ENCRYPTION_NOT_SUPPORTED", "Use Diffie-Hellman: the KDC does not encrypt with the key of the certificate."},
	90:  {"KDC_ERR_PREAUTH_EXPIRED", "Try again: the signature came too late."},
	100: {"KDC_ERR_NO_ACCEPTABLE_KDF", "Update the KDC: it has no key derivation function of RFC 8636."},
}

// describe prefixes an error with the package and what failed.
func describe(operation string, err error) error {
	return fmt.Errorf("pkinit: %s: %w", operation, err)
}

// malformed marks a fault of a reply. A fault that has a kind keeps it.
func malformed(what string, err error) error {
	if errors.Is(err, ErrWeak) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
}
