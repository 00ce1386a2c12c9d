package cba

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/crl"
)

// A Code is the number of an error of Entra ID, as in AADSTS500171. The codes of
// requests and of invalid certificates are taken from Microsoft's list by their
// meaning; which of them Entra ID reports in the same state was not observed.
type Code int

const (
	badRequest   Code = 900144 // a parameter is missing
	badClient    Code = 50011  // the redirect URI is not the client's
	notSupported Code = 700016 // no such client
	noState      Code = 50089  // the flow token expired

	invalidCertificate Code = 50017 // validation failed
	notCurrent         Code = 500172
	noAuthority        Code = 500176
	caScope            Code = 500189
	noUniqueUser       Code = 50034
	notInScope         Code = 130501
	noPolicy           Code = 1001000
	noBindingField     Code = 1001003
	needsMultiFactor   Code = 50076
	needsStrength      Code = 53003 // Conditional Access
	codeUsed           Code = 54005
	codeExpired        Code = 70008
	wrongVerifier      Code = 501481
)

// String returns the code as people see it.
func (c Code) String() string { return fmt.Sprintf("AADSTS%d", int(c)) }

// A Refusal is why a request was refused. Err is for the administrator's log; the
// user sees the code only.
type Refusal struct {
	Code Code
	Err  error
}

func (r *Refusal) Error() string {
	if r.Err == nil {
		return r.Code.String()
	}
	return r.Code.String() + ": " + r.Err.Error()
}

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }

func refuse(code Code, err error) *Refusal { return &Refusal{code, err} }

// refusalOf returns the code for an error of challenge.Verifier.
func refusalOf(err error) *Refusal {
	var inner *Refusal
	if errors.As(err, &inner) {
		return inner
	}
	var list *crl.Error
	if errors.As(err, &list) {
		return refuse(Code(list.Code), err)
	}
	var refusal *challenge.Refusal
	if !errors.As(err, &refusal) {
		return refuse(invalidCertificate, err)
	}
	switch refusal.Reason {
	case challenge.Untrusted:
		var invalid x509.CertificateInvalidError
		var unknown x509.UnknownAuthorityError
		switch {
		case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
			return refuse(notCurrent, err)
		case errors.As(err, &unknown):
			return refuse(noAuthority, err)
		}
	case challenge.SeveralNames, challenge.MalformedName, challenge.NoName:
		return refuse(noUniqueUser, err)
	}
	return refuse(invalidCertificate, err)
}
