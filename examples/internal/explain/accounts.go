package explain

import (
	"cmp"
	"strings"

	"github.com/smartlogon/smartlogon/upn/mapping"
)

// accounts holds the strings that map a certificate to accounts in a directory.
type accounts struct {
	Mappings struct {
		Entra map[string][]string `json:"entra"` // certificateUserIds
		AD    map[string][]string `json:"ad"`    // altSecurityIdentities
	} `json:"mappings"`
	NotMapped string `json:"notMapped,omitempty"` // why some strings are missing

	SID      string `json:"sid"`
	OtherSID string `json:"otherSid,omitempty"` // a second, different SID; domain controllers use the first
}

// The kinds of mapping in each directory, in the order of its documentation.
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
	a.Mappings.Entra, entraErr = stringsOf(der, mapping.Entra, entraKinds)
	a.Mappings.AD, adErr = stringsOf(der, mapping.ActiveDirectory, adKinds)
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

// stringsOf returns the mapping strings for a directory by kind, the preferred
// spelling first. Each kind has an entry.
func stringsOf(der []byte, d mapping.Dialect, kinds []mapping.Kind) (map[string][]string, error) {
	byKind := make(map[string][]string, len(kinds))
	for _, k := range kinds {
		byKind[k.String()] = []string{}
	}
	mappings, err := mapping.Of(der, d)
	for _, m := range mappings {
		byKind[m.Kind.String()] = append(byKind[m.Kind.String()], m.String())
	}
	return byKind, err
}
