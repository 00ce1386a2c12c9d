package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Policy holds the Group Policy values of smart card sign-in that change what is
// offered and how it is shown ("Smart card Group Policy and registry settings").
// Its zero value is Windows as installed. The fields are named as the values of
// the registry key
//
//	HKLM\SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider
type Policy struct {
	// AllowCertificatesWithNoEKU lets certificates through that have no
	// extended key usage, or one with the all-purpose or the client
	// authentication usage.
	AllowCertificatesWithNoEKU bool

	// AllowSignatureOnlyKeys lists certificates whose key is for signatures
	// only.
	AllowSignatureOnlyKeys bool

	// AllowTimeInvalidCertificates lists certificates that have expired or are
	// not yet valid. A domain controller may still refuse them.
	AllowTimeInvalidCertificates bool

	// EnumerateECCCerts lists certificates with elliptic curve keys.
	EnumerateECCCerts bool

	// FilterDuplicateCerts shows one of several certificates of a card that
	// are from the same template for the same user; see [Arrange].
	FilterDuplicateCerts bool

	// ForceReadingAllCertificates reads every certificate from cards that do
	// not hand over all of them at once. No rule depends on it; whoever reads
	// cards does.
	ForceReadingAllCertificates bool

	// X509HintsNeeded shows a field for the user name, so that certificates
	// without one can be used.
	X509HintsNeeded bool

	// ReverseSubject turns the order of a subject that is shown; see [Title].
	ReverseSubject bool

	// AllowIntegratedUnblock offers to unblock a card at sign-in if the card
	// supports it. No rule depends on it.
	AllowIntegratedUnblock bool

	// IntegratedUnblockPromptString is the text that is shown for a blocked
	// card. It counts only with AllowIntegratedUnblock.
	IntegratedUnblockPromptString string
}

// A value is one on-or-off value of the registry key.
type value uint8

const (
	none value = iota
	allowCertificatesWithNoEKU
	allowSignatureOnlyKeys
	allowTimeInvalidCertificates
	enumerateECCCerts
	filterDuplicateCerts
	forceReadingAllCertificates
	x509HintsNeeded
	reverseSubject
	allowIntegratedUnblock
)

// values has, for each value, its name in the registry, what it does, and the
// field that holds it.
var values = [...]struct {
	name    string
	meaning string
	field   func(*Policy) *bool
}{
	allowCertificatesWithNoEKU: {"AllowCertificatesWithNoEKU", "certificates with no, the all-purpose or the client authentication usage are listed",
		func(p *Policy) *bool { return &p.AllowCertificatesWithNoEKU }},
	allowSignatureOnlyKeys: {"AllowSignatureOnlyKeys", "certificates with signature-only keys are listed",
		func(p *Policy) *bool { return &p.AllowSignatureOnlyKeys }},
	allowTimeInvalidCertificates: {"AllowTimeInvalidCertificates", "expired and not yet valid certificates are listed",
		func(p *Policy) *bool { return &p.AllowTimeInvalidCertificates }},
	enumerateECCCerts: {"EnumerateECCCerts", "certificates with elliptic curve keys are listed",
		func(p *Policy) *bool { return &p.EnumerateECCCerts }},
	filterDuplicateCerts: {"FilterDuplicateCerts", "of the same certificates one is shown",
		func(p *Policy) *bool { return &p.FilterDuplicateCerts }},
	forceReadingAllCertificates: {"ForceReadingAllCertificates", "every certificate of a card is read",
		func(p *Policy) *bool { return &p.ForceReadingAllCertificates }},
	x509HintsNeeded: {"X509HintsNeeded", "a person can type a user name",
		func(p *Policy) *bool { return &p.X509HintsNeeded }},
	reverseSubject: {"ReverseSubject", "a subject is shown in reverse order",
		func(p *Policy) *bool { return &p.ReverseSubject }},
	allowIntegratedUnblock: {"AllowIntegratedUnblock", "unblocking is offered at sign-in",
		func(p *Policy) *bool { return &p.AllowIntegratedUnblock }},
}

// promptString is the one value that is a text.
const promptString = "IntegratedUnblockPromptString"

func (v value) String() string { return values[v].name }

func (p *Policy) enabled(v value) bool { return v != none && *values[v].field(p) }

// passedOver are values of the registry key that are documented and change
// nothing of what is offered.
var passedOver = [...]string{"DisallowPlaintextPin", "EnableScPnP", "ScPnPNotification"}

// set gives the value called name its data: a bool for a REG_DWORD of 0 or 1, a
// string for a REG_SZ. The registry does not tell names apart by case. what
// describes the data for an error that names the value.
func (p *Policy) set(name string, data any, what string) error {
	for v := none + 1; int(v) < len(values); v++ {
		if !strings.EqualFold(name, v.String()) {
			continue
		}
		on, ok := data.(bool)
		if !ok {
			return fmt.Errorf("rules: policy %s is %s, not a REG_DWORD of 0 or 1", v, what)
		}
		*values[v].field(p) = on
		return nil
	}
	if strings.EqualFold(name, promptString) {
		text, ok := data.(string)
		if !ok {
			return fmt.Errorf("rules: policy %s is %s, not a REG_SZ", promptString, what)
		}
		p.IntegratedUnblockPromptString = text
		return nil
	}
	for _, known := range passedOver {
		if strings.EqualFold(name, known) {
			return nil
		}
	}
	return fmt.Errorf("rules: policy %s is not one that is documented", quoted(name))
}

// onOff is the data of a REG_DWORD, which must be 0 or 1, and what to call it.
func onOff(n uint64) (data any, what string) {
	switch n {
	case 0:
		return false, "a REG_DWORD"
	case 1:
		return true, "a REG_DWORD"
	}
	return nil, fmt.Sprintf("a REG_DWORD of %d", n)
}

// String has the policies that are enabled, as Set reads them.
func (p *Policy) String() string {
	var list []string
	for v := none + 1; int(v) < len(values); v++ {
		if p.enabled(v) {
			list = append(list, v.String()+"=1")
		}
	}
	if p.IntegratedUnblockPromptString != "" {
		list = append(list, promptString+"="+p.IntegratedUnblockPromptString)
	}
	return strings.Join(list, ",")
}

// Set changes the policies that text names, as in "EnumerateECCCerts=1,
// X509HintsNeeded=0". With String it makes a *Policy a flag.Value. A text value
// ends at the next comma.
func (p *Policy) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return fmt.Errorf("rules: policy %s has no value: write NAME=1", quoted(part))
		}
		var data any = value
		switch {
		case strings.EqualFold(name, promptString):
		case value == "0" || value == "1":
			data = value == "1"
		}
		if err := p.set(name, data, quoted(value)); err != nil {
			return err
		}
	}
	return nil
}

// UnmarshalJSON reads an object whose names are those of the registry and whose
// values are true, false, 0 or 1, or the text of IntegratedUnblockPromptString.
// What it does not name is not configured. A name that is not documented and a
// value of another type are errors that name it.
func (p *Policy) UnmarshalJSON(text []byte) error {
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		return fmt.Errorf("rules: policy: %w", err)
	}
	var read Policy
	for _, name := range slices.Sorted(maps.Keys(object)) {
		data := object[name]
		what := cut(asJSON(data))
		if n, ok := data.(float64); ok && (n == 0 || n == 1) {
			data = n == 1
		}
		if err := read.set(name, data, what); err != nil {
			return err
		}
	}
	*p = read
	return nil
}

// asJSON is how data stood in the object.
func asJSON(data any) string {
	text, _ := json.Marshal(data) // it has just been read
	return string(text)
}
