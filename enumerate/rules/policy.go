package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Policy holds the Group Policy values that change which certificates are offered
// and how they are shown ("Smart card Group Policy and registry settings"). The
// zero value is Windows as installed. The fields have the names of the values of
// the registry key
//
//	HKLM\SOFTWARE\Policies\Microsoft\Windows\SmartCardCredentialProvider
type Policy struct {
	// AllowCertificatesWithNoEKU lists certificates without an extended key
	// usage, and those with the all-purpose or the client authentication
	// usage.
	AllowCertificatesWithNoEKU bool

	// AllowSignatureOnlyKeys lists certificates with a signature key.
	AllowSignatureOnlyKeys bool

	// AllowTimeInvalidCertificates lists expired and not yet valid
	// certificates. A domain controller may still refuse them.
	AllowTimeInvalidCertificates bool

	// EnumerateECCCerts lists certificates with elliptic curve keys.
	EnumerateECCCerts bool

	// FilterDuplicateCerts lists one of several certificates on a card that
	// have the same template and user; see [Arrange].
	FilterDuplicateCerts bool

	// ForceReadingAllCertificates reads every certificate from cards that do
	// not return all of them at once. No rule depends on it.
	ForceReadingAllCertificates bool

	// X509HintsNeeded shows a field for the user name, so that certificates
	// without a name can be used.
	X509HintsNeeded bool

	// ReverseSubject shows a subject in reverse order; see
	// [Certificate.Title].
	ReverseSubject bool

	// AllowIntegratedUnblock offers to unblock a card at sign-in if the card
	// supports it. No rule depends on it.
	AllowIntegratedUnblock bool

	// IntegratedUnblockPromptString is the text shown for a blocked card. It
	// has no effect without AllowIntegratedUnblock.
	IntegratedUnblockPromptString string
}

// A value is one REG_DWORD of the registry key.
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

// values lists the name, the meaning and the field of each value.
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

// promptString is the only REG_SZ.
const promptString = "IntegratedUnblockPromptString"

func (v value) String() string { return values[v].name }

func (p *Policy) enabled(v value) bool { return v != none && *values[v].field(p) }

// maxPolicyFile is the size in bytes of the largest policy that is read, as JSON or
// as a registry export.
const maxPolicyFile = 16 << 20

// ignoredValues are documented and do not change which certificates are offered.
var ignoredValues = [...]string{"DisallowPlaintextPin", "EnableScPnP", "ScPnPNotification"}

// set sets a value, whose name is compared without case as the registry does. data
// is a bool for a REG_DWORD of 0 or 1 and a string for a REG_SZ; description is
// for errors.
func (p *Policy) set(name string, data any, description string) error {
	for v := none + 1; int(v) < len(values); v++ {
		if !strings.EqualFold(name, v.String()) {
			continue
		}
		on, ok := data.(bool)
		if !ok {
			return fmt.Errorf("policy %s is %s, not a REG_DWORD of 0 or 1", v, description)
		}
		*values[v].field(p) = on
		return nil
	}
	if strings.EqualFold(name, promptString) {
		text, ok := data.(string)
		if !ok {
			return fmt.Errorf("policy %s is %s, not a REG_SZ", promptString, description)
		}
		p.IntegratedUnblockPromptString = text
		return nil
	}
	for _, ignored := range ignoredValues {
		if strings.EqualFold(name, ignored) {
			return nil
		}
	}
	return fmt.Errorf("policy %s is not documented", quoted(name))
}

// onOff returns data and description of a REG_DWORD for set.
func onOff(n uint64) (data any, description string) {
	switch n {
	case 0:
		return false, "a REG_DWORD"
	case 1:
		return true, "a REG_DWORD"
	}
	return nil, fmt.Sprintf("a REG_DWORD of %d", n)
}

// String returns the enabled policies in the form that Set reads.
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

// Set changes the policies in a list such as "EnumerateECCCerts=1,
// X509HintsNeeded=0" and leaves the others as they are. A *Policy is a
// flag.Value. The text of IntegratedUnblockPromptString ends at the next comma.
func (p *Policy) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return fmt.Errorf("rules: policy %s has no value, such as NAME=1", quoted(part))
		}
		var data any = value
		switch {
		case strings.EqualFold(name, promptString):
		case value == "0" || value == "1":
			data = value == "1"
		}
		if err := p.set(name, data, quoted(value)); err != nil {
			return fmt.Errorf("rules: %w", err)
		}
	}
	return nil
}

// UnmarshalJSON reads an object with the names of the registry and the values
// true, false, 0 or 1, or the text of IntegratedUnblockPromptString. Other
// policies are not configured. The error names a policy that is undocumented or
// has the wrong type; p is then unchanged. An object has at most 16 MiB.
func (p *Policy) UnmarshalJSON(text []byte) error {
	if len(text) > maxPolicyFile {
		return fmt.Errorf("rules: policy: %d bytes are more than %d", len(text), maxPolicyFile)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return fmt.Errorf("rules: policy: %w", err)
	}
	var policy Policy
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value := object[name]
		if err := policy.set(name, jsonData(value), printable(value)); err != nil {
			return fmt.Errorf("rules: %w", err)
		}
	}
	*p = policy
	return nil
}

// jsonData returns the data of a JSON value for set, or nil where it is neither a
// boolean, 0, 1 nor a text.
func jsonData(value json.RawMessage) any {
	if value[0] == '[' || value[0] == '{' {
		return nil // may be large
	}
	var data any
	if json.Unmarshal(value, &data) != nil {
		return nil
	}
	if n, ok := data.(float64); ok && (n == 0 || n == 1) {
		return n == 1
	}
	return data
}
