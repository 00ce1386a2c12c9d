package main

import (
	"cmp"
	"strings"

	"github.com/smartlogon/smartlogon/upn/mapping"
)

// accounts is what ties a certificate to accounts in a directory.
type accounts struct {
	Mappings struct {
		Entra map[string][]string `json:"entra"` // certificateUserIds
		AD    map[string][]string `json:"ad"`    // altSecurityIdentities
	} `json:"mappings"`
	NotMapped string `json:"notMapped,omitempty"` // what is in the certificate and cannot be written

	SID      string `json:"sid"`
	OtherSID string `json:"otherSid,omitempty"` // the certificate names a second one; a controller uses the first
}

// The kinds of both directories, in the order of their documentation.
var (
	entraKinds = []mapping.Kind{
		mapping.PrincipalName, mapping.RFC822, mapping.IssuerSubject, mapping.Subject,
		mapping.SKI, mapping.SHA1PublicKey, mapping.IssuerSerial,
	}
	adKinds = []mapping.Kind{
		mapping.IssuerSubject, mapping.Subject, mapping.IssuerSerial, mapping.SKI,
		mapping.SHA1PublicKey, mapping.RFC822, mapping.IssuerSID,
	}
)

func accountsOf(der []byte) (a accounts) {
	var entraErr, adErr error
	a.Mappings.Entra, entraErr = spellings(der, mapping.Entra, entraKinds)
	a.Mappings.AD, adErr = spellings(der, mapping.ActiveDirectory, adKinds)
	if err := cmp.Or(entraErr, adErr); err != nil {
		a.NotMapped = err.Error()
	}
	sid, err := mapping.ReadSID(der)
	if err != nil {
		a.NotMapped = strings.TrimPrefix(a.NotMapped+"; "+err.Error(), "; ")
	}
	a.SID = sid.Value()
	if sid.Conflict() {
		a.OtherSID = sid.URI
	}
	return a
}

// spellings are the strings of a directory by kind, ready to paste, the one to
// prefer first.
func spellings(der []byte, d mapping.Dialect, kinds []mapping.Kind) (map[string][]string, error) {
	all := make(map[string][]string, len(kinds))
	for _, k := range kinds {
		all[k.String()] = []string{}
	}
	found, err := mapping.Of(der, d)
	for _, s := range found {
		all[s.Kind.String()] = append(all[s.Kind.String()], s.String())
	}
	return all, err
}
