package explain

import (
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/upn"
)

// An explanation is the result for one certificate. Its JSON form is part of the
// interface of the program.
type explanation struct {
	Source       string              `json:"source"`              // a file, or a container in a reader
	Container    string              `json:"container,omitempty"` // name of the key in Windows
	Subject      string              `json:"subject"`
	NotBefore    rules.Date          `json:"notBefore"`
	NotAfter     rules.Date          `json:"notAfter"`
	UPN          []string            `json:"upn"`
	RFC822       []string            `json:"rfc822"`
	KeyUsage     []string            `json:"keyUsage"`
	EKU          []string            `json:"eku"`
	Tile         string              `json:"tile"` // the text on the sign-in screen of Windows
	Offered      bool                `json:"offered"`
	Name         string              `json:"signInName"`
	NameSource   string              `json:"signInNameSource"`
	Findings     rules.Findings      `json:"findings"`
	Needed       []string            `json:"policiesNeeded"` // that would have it offered; also empty if none would
	Requirements []rules.Requirement `json:"requirements"`
	Matrix       upn.Matrix          `json:"matrix"`
	accounts

	neverOffered bool // under no policy
}

// explain checks a certificate and determines its names. The error reports that it
// is not a certificate at all.
func (e *explainer) explain(source string, der []byte, spec rules.KeySpec) (*explanation, error) {
	cert, err := rules.Read(der)
	if err != nil {
		return nil, err
	}
	names := cert.Names()
	usage, _ := cert.KeyUsage() // a malformed extension is a finding
	purposes, _ := cert.ExtendedKeyUsage()
	findings := cert.Check(spec, e.policy, e.at)
	x := &explanation{
		Source:       source,
		Subject:      cert.Subject(),
		NotBefore:    cert.NotBefore(),
		NotAfter:     cert.NotAfter(),
		UPN:          nonNil(names.UPNs),
		RFC822:       nonNil(names.Emails),
		KeyUsage:     nonNil(usage),
		EKU:          nonNil(purposes),
		Tile:         cert.Title(e.policy),
		Offered:      findings.Offered(),
		Findings:     findings,
		Needed:       []string{},
		Requirements: cert.Requirements(e.profile, spec, e.policy),
		accounts:     accountsOf(der),
	}
	// The name on an Azure AD joined device. If there is none, its source tells
	// why, so the error is dropped. The matrix has the other situations.
	joined := e.situation
	joined.Hybrid, joined.Subsequent = false, false
	name, _ := joined.Name(names)
	x.Name, x.NameSource = name.Value, string(name.Source)
	if x.Matrix, err = e.situation.Matrix(names); err != nil {
		return nil, err
	}
	if !x.Offered {
		needed, ok := findings.PoliciesNeeded()
		x.Needed, x.neverOffered = nonNil(needed), !ok
	}
	return x, nil
}

// nonNil returns s, or an empty slice for nil, so that JSON has [] instead of null.
func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
