package mtls

import (
	"errors"
	"strings"

	"github.com/smartlogon/smartlogon/internal/fault"
	"github.com/smartlogon/smartlogon/internal/keyring"
)

// Errors of this package. Others come from packages enumerate and card; see
// [card.Hint].
var (
	// ErrNoCertificate reports that the server got an empty certificate. It may
	// wrap the reason, such as card.ErrNoCard.
	ErrNoCertificate = fault.New(fault.Object,
		"no certificate for this server",
		"Insert a card with a certificate of an authority that the server accepts; the program examples/explain prints what is on a card.",
	)

	// ErrPSS reports a card that signs only by PKCS #1 v1.5. TLS 1.3 has no such
	// signatures for RSA keys (RFC 8446, 4.2.3).
	ErrPSS = fault.New(fault.Object,
		"card does not sign by RSA-PSS",
		"Set MaxVersion of the tls.Config to TLS 1.2 for this server, or use another card.",
	)

	// ErrRenegotiation reports a TLS 1.2 server that requests the certificate
	// after the first handshake, which crypto/tls refuses by default. See
	// [Source.Explain].
	ErrRenegotiation = fault.New(fault.Object,
		"server requests the certificate by renegotiation",
		"Let the server request the certificate in the first handshake, or set Renegotiation of the tls.Config to tls.RenegotiateOnceAsClient.",
	)

	// ErrPostHandshake reports a TLS 1.3 server that requests the certificate
	// after the handshake, which crypto/tls does not implement. See
	// [Source.Explain].
	ErrPostHandshake = fault.New(fault.Object,
		"server requests the certificate after the handshake",
		"Let the server request the certificate in the handshake, or set MaxVersion and Renegotiation of the tls.Config to tls.VersionTLS12 and tls.RenegotiateOnceAsClient.",
	)

	// ErrClosed reports the use of a Source after Close.
	ErrClosed = keyring.ErrClosed
)

var errNotChosen = errors.New("none was chosen")

// A noCertificateError is an ErrNoCertificate with a reason, whose hint it has.
type noCertificateError struct{ reason error }

func (e noCertificateError) Error() string {
	return ErrNoCertificate.Error() + ": " + e.reason.Error()
}

func (e noCertificateError) Is(target error) bool { return target == ErrNoCertificate }

func (e noCertificateError) Unwrap() error { return e.reason }

// Texts of crypto/tls, whose errors have no other mark.
const (
	textRenegotiation = "tls: no renegotiation"
	textPostHandshake = "unexpected handshake message of type *tls.certificateRequestMsgTLS13"
	textRemote        = "remote error: tls: "
)

// Explain returns err, the error of a handshake or of a request, with what crypto/tls
// has left out: the error of the card, the reason for an empty certificate that the
// server refused, [ErrRenegotiation] and [ErrPostHandshake]. Then [errors.Is] and
// [card.Hint] work. It returns other errors unchanged.
func (s *Source) Explain(err error) error {
	if err == nil {
		return nil
	}
	text, last := err.Error(), s.Err()
	switch {
	case strings.Contains(text, textRenegotiation):
		return explainedError{err, ErrRenegotiation}
	case strings.Contains(text, textPostHandshake):
		return explainedError{err, ErrPostHandshake}
	case last == nil || errors.Is(err, last):
	case strings.Contains(text, last.Error()):
		return explainedError{err, last}
	case errors.Is(last, ErrNoCertificate) && strings.Contains(text, textRemote):
		return explainedError{err, last}
	}
	return err
}

// An explainedError is an error of crypto/tls and its cause.
type explainedError struct{ err, cause error }

func (e explainedError) Error() string {
	text, cause := e.err.Error(), e.cause.Error()
	if strings.Contains(text, cause) {
		return text
	}
	return text + ": " + cause
}

func (e explainedError) Unwrap() []error { return []error{e.cause, e.err} }
