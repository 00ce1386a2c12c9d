package mtls

import (
	"errors"
	"io"
	"net"
	"slices"
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

// Texts of crypto/tls and net/http, whose errors have no other mark.
const (
	textRenegotiation = "tls: no renegotiation"
	textPostHandshake = "unexpected handshake message of type *tls.certificateRequestMsgTLS13"
)

var textsConnectionLost = []string{
	"http2: client conn", // could not be established, or was lost
	"http: server closed idle connection",
}

// Explain returns err, the error of a handshake or of a request, with what crypto/tls
// has left out: the error of the card, [ErrRenegotiation] and [ErrPostHandshake], and
// [ErrNoCertificate] if the connection was lost after the server got no certificate.
// Then [errors.Is] and [card.Hint] work. It returns other errors unchanged.
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
	case errors.Is(last, ErrNoCertificate) && isConnectionLost(err):
		return explainedError{err, last}
	}
	return err
}

// isConnectionLost reports whether err may be due to a server that refused to go on. In
// TLS 1.3 it does so after the handshake of the client, who may get the alert of the
// server, or fail to write, or only the error of package http2.
func isConnectionLost(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op != "dial" && !op.Timeout()
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		slices.ContainsFunc(textsConnectionLost, func(text string) bool { return strings.Contains(err.Error(), text) })
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
