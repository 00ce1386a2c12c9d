package challenge

import "fmt"

// A Reason says why an answer was refused.
type Reason int

const (
	// NoRoots results when the Verifier has no Roots. The system's own are
	// never used: whoever may issue names must be chosen.
	NoRoots Reason = iota + 1
	// UnfitChallenge results when the given challenge is none that [New]
	// makes: most often the zero value, because the session had none.
	UnfitChallenge
	// Unbound results when the given challenge asks for a TLS connection and
	// its Exporter is not set.
	Unbound
	// TooLate results when the answer came after MaxAge.
	TooLate
	// TooEarly results when the challenge is more than a minute from the
	// future, by Now.
	TooEarly
	// MalformedAnswer results when the answer is not what [Respond] returns.
	MalformedAnswer
	// MalformedCertificate results when the certificate cannot be read, be it
	// by crypto/x509 or by the stricter reader that names come from.
	MalformedCertificate
	// RepeatedExtension results when the certificate has an extension twice.
	// Readers differ in which one they take.
	RepeatedExtension
	// UnfitKey results when the certificate's key is of another kind than the
	// answer's algorithm, or an RSA key under 2048 or over 8192 bits.
	UnfitKey
	// WrongSignature results when the signature is not one by the
	// certificate's key over the given challenge. An answer to another
	// challenge, audience, purpose or connection looks like this.
	WrongSignature
	// Untrusted results when no chain leads to the Roots now: unknown issuer,
	// expired, a critical extension that nobody understood.
	Untrusted
	// IssuerUsage results when every chain has an issuer whose own extended
	// key usage is not for sign-in.
	IssuerUsage
	// IssuerKey results when every chain has an issuer whose key is too short;
	// see [Verifier.AllowWeakKeys].
	IssuerKey
	// NameConstraint results when every chain has an issuer whose name
	// constraints exclude a name below it, do not permit it, or cannot be
	// applied to it.
	NameConstraint
	// NotOffered results when a rule of Windows says that the certificate is
	// none to sign in with.
	NotOffered
	// MalformedName results when the subject alternative name cannot be read.
	MalformedName
	// SeveralNames results when the certificate has several different names.
	SeveralNames
	// NoName results when SignIn gives no name: the certificate has none and no
	// hint was given, or the sign-in document rules this sign-in out.
	NoName
	// UnprovenName results when the name does not come from the certificate
	// and Accept is not set to say whose it is.
	UnprovenName
	// NotAccepted results when Accept returned an error.
	NotAccepted
	// Revoked results when Revoked returned an error for every chain.
	Revoked

	endOfReasons
)

var reasonText = [endOfReasons]string{
	NoRoots:              "verifier has no roots",
	UnfitChallenge:       "no challenge was given",
	Unbound:              "challenge is not tied to the connection",
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

// String says the reason in a few words, for a log.
func (r Reason) String() string {
	if r <= 0 || r >= endOfReasons {
		return fmt.Sprintf("reason %d", int(r))
	}
	return reasonText[r]
}

// A Refusal is the error of [Verifier.Verify]. It is for the log of the server.
// The client is told "no": each detail helps an attacker more than a person.
type Refusal struct {
	Reason Reason
	Err    error // what was found; may be nil
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
