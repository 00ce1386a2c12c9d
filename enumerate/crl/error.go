package crl

import (
	"fmt"
	"strings"
)

// A Code is why a chain was refused. Its value is the number of the error that Entra
// ID reports in the same state (AADSTS500171). As an error, it is what [Error]
// wraps: errors.Is(err, crl.Revoked).
type Code int

const (
	// Revoked: a list has the certificate, or has it on hold.
	Revoked Code = 500171
	// NotCurrent: the list is past its next update, or is from the future.
	NotCurrent Code = 500172
	// Unreachable: the server cannot be reached, or responds with a status
	// other than 200.
	Unreachable Code = 500173
	// Unusable: the list is malformed or has an unsupported extension, has no
	// next update, has a lower number than one before it, or is a delta list
	// that does not belong to its base list.
	Unusable Code = 500174
	// NoList: there is no URL for the list of the issuer, or none that is http
	// or https, or the chain is too long.
	NoList Code = 500175
	// OtherScope: the list does not cover the certificate, as it has only the
	// certificates of another distribution point, or only those of CAs, or
	// only some reasons (RFC 5280, 5.2.5).
	OtherScope Code = 500178
	// NoBase: there is a delta list in the place of a base list.
	NoBase Code = 500177
	// NotDER: the file at the URL is not the DER of a list.
	NotDER Code = 2205011
	// TimedOut: the download took longer than Timeout.
	TimedOut Code = 2205012
	// TooLarge: the list is larger than MaxSize.
	TooLarge Code = 2205014
	// OtherIssuer: the list is not the issuer's: its name, its key identifier or
	// its signature is another one, or the issuer must not sign lists.
	OtherIssuer Code = 2205015
)

type meaning struct{ text, hint string }

var meanings = map[Code]meaning{
	Revoked:     {"certificate is revoked", "Get a new certificate from the issuer."},
	NotCurrent:  {"revocation list is not valid now", "Publish a new revocation list, and check the clocks of server and CA."},
	Unreachable: {"revocation list cannot be downloaded", "Make the URL of the revocation list reachable from the server."},
	Unusable:    {"revocation list cannot be used", "Publish a revocation list that keeps to RFC 5280, 5."},
	NoList:      {"issuer has no revocation list", "Configure a URL for the revocation list of the CA, or exempt the CA."},
	OtherScope:  {"revocation list does not cover the certificate", "Configure the URL of a complete revocation list."},
	NoBase:      {"delta list in the place of a base list", "Configure the URL of the base list, not of the delta list."},
	NotDER:      {"revocation list is not DER", "Publish the revocation list in DER, not in PEM."},
	TimedOut:    {"download of the revocation list timed out", "Sign in again later, or publish the revocation list on a faster server."},
	TooLarge:    {"revocation list is too large", "Make the revocation list smaller, or raise the limit."},
	OtherIssuer: {"revocation list is of another issuer", "Configure the URL of the list that the issuer of the certificate signs."},
}

// Error returns the meaning of the code.
func (c Code) Error() string {
	if m, ok := meanings[c]; ok {
		return m.text
	}
	return fmt.Sprintf("code %d", int(c))
}

// An Error is why [Checker.Check] refused a chain.
type Error struct {
	Code    Code
	Subject string // name of the certificate that was looked up
	URL     string // of the list; empty if there was none
	Err     error  // the cause; may be nil
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "crl: %.64q: %s", e.Subject, e.Code.Error())
	if e.URL != "" {
		fmt.Fprintf(&b, ": %.200q", e.URL)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns Code and Err.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Err}
}

// Hint returns what the administrator or the user can do, for card.Hint.
func (e *Error) Hint() string { return meanings[e.Code].hint }

// fail returns an Error without subject and URL, which the caller adds.
func fail(code Code, format string, args ...any) *Error {
	if format == "" {
		return &Error{Code: code}
	}
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}
