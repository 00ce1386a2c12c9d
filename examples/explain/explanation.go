package main

import (
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/upn"
)

// An explanation is all that can be said of a certificate without its card.
type explanation struct {
	Source       string              `json:"source"`              // a file, or a container in a reader
	Container    string              `json:"container,omitempty"` // the name by which Windows knows the key
	Subject      string              `json:"subject"`
	NotBefore    rules.Date          `json:"notBefore"`
	NotAfter     rules.Date          `json:"notAfter"`
	UPN          []string            `json:"upn"`
	RFC822       []string            `json:"rfc822"`
	KeyUsage     []string            `json:"keyUsage"`
	EKU          []string            `json:"eku"`
	Tile         string              `json:"tile"` // the text that Windows shows
	Offered      bool                `json:"offered"`
	Name         string              `json:"signInName"`
	NameSource   string              `json:"signInNameSource"`
	Findings     rules.Findings      `json:"findings"`
	Needed       []string            `json:"policiesNeeded"` // that would let it through; empty also where none would
	Requirements []rules.Requirement `json:"requirements"`
	Matrix       upn.Matrix          `json:"matrix"`
	accounts

	hopeless bool // no policy lets it through
}

// explain judges and names a certificate. The error says why it cannot be read
// at all.
func (e *explainer) explain(source string, der []byte, spec rules.KeySpec) (*explanation, error) {
	cert, err := rules.Read(der)
	if err != nil {
		return nil, err
	}
	names := cert.Names()
	usage, _ := cert.KeyUsage() // a fault in either is a finding
	purposes, _ := cert.ExtendedKeyUsage()
	findings := cert.Check(spec, e.policy, e.at)
	x := &explanation{
		Source:       source,
		Subject:      cert.Subject(),
		NotBefore:    cert.NotBefore(),
		NotAfter:     cert.NotAfter(),
		UPN:          list(names.UPNs),
		RFC822:       list(names.Emails),
		KeyUsage:     list(usage),
		EKU:          list(purposes),
		Tile:         cert.Title(e.policy),
		Offered:      findings.Offered(),
		Findings:     findings,
		Needed:       []string{},
		Requirements: cert.Requirements(e.profile, spec, e.policy),
		accounts:     accountsOf(der),
	}
	// The name that an Azure AD joined machine sends. Its source says, too,
	// why there is none; the matrix has the other situations.
	joined := e.situation
	joined.Hybrid, joined.Subsequent = false, false
	name, _ := joined.Name(names)
	x.Name, x.NameSource = name.Value, string(name.Source)
	if x.Matrix, err = e.situation.Matrix(names); err != nil {
		return nil, err
	}
	if !x.Offered {
		needed, ok := findings.PoliciesNeeded()
		x.Needed, x.hopeless = list(needed), !ok
	}
	return x, nil
}

// list is never nil, so that JSON has [] and not null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
