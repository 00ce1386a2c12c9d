package challenge

import "fmt"

// A Reason is why an answer was refused.
type Reason int

const (
	// NoRoots: the Verifier has no Roots. The roots of the system are never
	// used.
	NoRoots Reason = iota + 1
	// UnfitChallenge: the challenge is not one of [New], most often
	// because the session had none.
	UnfitChallenge
	// Unbound: the challenge requires a TLS connection, and its Exporter
	// is not set.
	Unbound
	// TooLate: the answer came after MaxAge.
	TooLate
	// TooEarly: the time of the challenge is more than a minute after Now.
	TooEarly
	// MalformedAnswer: the answer is not in the format of [Respond].
	MalformedAnswer
	// MalformedCertificate: the certificate, its key or its extension list
	// cannot be parsed.
	MalformedCertificate
	// RepeatedExtension: the certificate has an extension twice. Programs
	// differ in which one they use.
	RepeatedExtension
	// UnfitKey: the algorithm of the answer is not that of the certificate's
	// key, or the key is too short (see [Verifier.AllowWeakKeys]) or has more
	// than 8192 bits.
	UnfitKey
	// WrongSignature: the certificate's key did not sign the challenge.
	// An answer to another challenge, audience, purpose or connection gives
	// this reason.
	WrongSignature
	// Untrusted: no chain leads to Roots now. The issuer is unknown, a
	// certificate is expired, a critical extension is not supported (for name
	// constraints see [NewPool]), or name constraints that crypto/x509 applies
	// are violated.
	Untrusted
	// IssuerUsage: every chain has an issuer whose extended key usage does not
	// cover sign-in.
	IssuerUsage
	// IssuerKey: every chain has an issuer whose key is too short; see
	// [Verifier.AllowWeakKeys].
	IssuerKey
	// NameConstraint: every chain has an issuer whose name constraints exclude
	// or do not permit a name below it, or cannot be applied to one.
	NameConstraint
	// NotOffered: a rule of Windows says that the certificate is not one to
	// sign in with.
	NotOffered
	// MalformedName: the subject alternative name cannot be read.
	MalformedName
	// SeveralNames: the certificate has several different names.
	SeveralNames
	// NoName: SignIn returns no name. The certificate has none and there is no
	// hint, or the sign-in document rules this sign-in out.
	NoName
	// UnprovenName: the name is not in the certificate, and Accept is not set.
	UnprovenName
	// NotAccepted: Accept returned an error.
	NotAccepted
	// Revoked: Revoked returned an error for every chain.
	Revoked

	endOfReasons
)

var reasonText = [endOfReasons]string{
	NoRoots:              "verifier has no roots",
	UnfitChallenge:       "no challenge was given",
	Unbound:              "challenge is not bound to the connection",
	TooLate:              "challenge is too old",
	TooEarly:             "challenge is from the future",
	MalformedAnswer:      "answer is malformed",
	MalformedCertificate: "certificate is malformed",
	RepeatedExtension:    "certificate repeats an extension",
	UnfitKey:             "key does not fit",
	WrongSignature:       "signature is wrong",
	Untrusted:            "certificate is not trusted",
	IssuerUsage:          "issuer is not for sign-in",
	IssuerKey:            "issuer's key is too short",
	NameConstraint:       "issuer must not issue for the name",
	NotOffered:           "certificate is not for sign-in",
	MalformedName:        "name is malformed",
	SeveralNames:         "certificate has several names",
	NoName:               "certificate has no name",
	UnprovenName:         "name is not the certificate's",
	NotAccepted:          "account does not accept the certificate",
	Revoked:              "certificate is not cleared of revocation",
}

// String returns the reason in a few words, for a log.
func (r Reason) String() string {
	if r <= 0 || r >= endOfReasons {
		return fmt.Sprintf("reason %d", int(r))
	}
	return reasonText[r]
}

// A Refusal is the error of [Verifier.Verify]. It is for the log of the server. The
// client should get no details, which help an attacker more than a user.
type Refusal struct {
	Reason Reason
	Err    error // the cause; may be nil
}

func (r *Refusal) Error() string {
	if r.Err == nil {
		return "challenge: refused: " + r.Reason.String()
	}
	return "challenge: refused: " + r.Reason.String() + ": " + r.Err.Error()
}

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }

func refuse(reason Reason, err error) *Refusal { return &Refusal{Reason: reason, Err: err} }
