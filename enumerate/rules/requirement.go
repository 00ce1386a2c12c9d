package rules

import (
	"encoding/json"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// A Profile is a column of the requirement table of "Certificate requirements and
// enumeration".
type Profile uint8

const (
	Current Profile = iota // Windows Vista and later
	Legacy                 // Windows before Vista
)

// String returns "current" or "legacy".
func (p Profile) String() string {
	if p == Legacy {
		return "legacy"
	}
	return "current"
}

// MarshalText returns the text of String.
func (p Profile) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// A Requirement is the result of one row of the requirement table. It does not
// decide whether a certificate is offered; [Findings] do.
type Requirement struct {
	Name     string // crl-distribution-point, key-usage, basic-constraints, eku, subject-alternative-name, subject, at-keyexchange, crl, upn
	Profile  Profile
	Required bool    // the table requires it; a row that requires nothing passes
	Verdict  Verdict // Unknown where the field is malformed
	Detail   string
}

// Reference returns the row and column of the table.
func (r Requirement) Reference() string {
	return fmt.Sprintf("Certificate requirements and enumeration, requirement table, row %s, column %s", r.Name, r.Profile)
}

// MarshalJSON returns an object with name, profile, required, verdict, detail and
// reference.
func (r Requirement) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name      string  `json:"name"`
		Profile   Profile `json:"profile"`
		Required  bool    `json:"required"`
		Verdict   Verdict `json:"verdict"`
		Detail    string  `json:"detail"`
		Reference string  `json:"reference"`
	}{r.Name, r.Profile, r.Required, r.Verdict, r.Detail, r.Reference()})
}

// Requirements compares a certificate file in DER with every row of the
// requirement table. Where it cannot be parsed, every verdict is [Unknown].
func Requirements(der []byte, profile Profile) []Requirement {
	return Inspect(der).Requirements(profile, KeySpec{}, Policy{})
}

// Requirements compares the certificate, for a key with that specification, with
// every row of the requirement table. Of the policies only AllowSignatureOnlyKeys
// has an effect, on the current profile.
func (c *Certificate) Requirements(profile Profile, spec KeySpec, p Policy) []Requirement {
	list := make([]Requirement, 0, len(rows))
	for _, row := range rows {
		r := Requirement{Name: row.name, Profile: profile, Verdict: Unknown}
		want := row.current
		if profile == Legacy {
			want = row.legacy
		}
		r.Required = want.required
		switch {
		case c.err != nil:
			r.Detail = c.err.Error()
		case want.check == nil:
			r.Verdict, r.Detail = Passed, want.text
		default:
			r.Verdict, r.Detail = want.check(&evidence{c: c, spec: spec, policy: p})
		}
		list = append(list, r)
	}
	return list
}

// A cell of the table has a check, or the text of a cell that requires nothing.
type cell struct {
	required bool
	check    func(*evidence) (Verdict, string)
	text     string
}

var rows = [...]struct {
	name            string
	current, legacy cell
}{
	{"crl-distribution-point",
		cell{text: "not required on the client; a domain sign-in needs an HTTP address that answers"},
		cell{required: true, check: requireCRLAddress}},
	{"key-usage", cell{required: true, check: requireDigitalSignature}, cell{required: true, check: requireDigitalSignature}},
	{"basic-constraints", cell{text: "not required"}, cell{check: allowEndEntity}},
	{"eku", cell{check: allowOnlyLogon}, cell{required: true, check: requireLogon}},
	{"subject-alternative-name", cell{text: "an e-mail address is not required"}, cell{required: true, check: requireUPN}},
	{"subject", cell{text: "not required"}, cell{required: true, check: requireSubject}},
	{"at-keyexchange", cell{required: true, check: requireExchangeOrPolicy}, cell{required: true, check: requireExchange}},
	{"crl", cell{text: "not required"}, cell{text: "not required"}},
	{"upn", cell{text: "not required"}, cell{text: "not required in this row; the subject alternative name must have it"}},
}

// result returns verdict and text of a reason, without regard to policies.
func result(e *evidence, why reason) (Verdict, string) {
	return reasons[why].verdict, reasons[why].detail(e)
}

func requireDigitalSignature(e *evidence) (Verdict, string) { return result(e, decideKeyUsage(e)) }

func requireLogon(e *evidence) (Verdict, string) {
	switch why := decideEKU(e); why {
	case purposeLogon, purposeUnreadable:
		return result(e, why)
	case purposeMissing:
		return Failed, "no extended key usage; smart card logon is required"
	}
	return Failed, e.purposes() + "; smart card logon is required, client authentication only for TLS"
}

func allowOnlyLogon(e *evidence) (Verdict, string) {
	switch why := decideEKU(e); why {
	case purposeLogon, purposeUnreadable:
		return result(e, why)
	case purposeMissing:
		return Passed, "no extended key usage, which the requirement table allows; step (e) of the enumeration does not"
	}
	return Failed, e.purposes() + "; an extended key usage that is present must contain smart card logon"
}

func requireUPN(e *evidence) (Verdict, string) {
	switch why := decideUPN(e); why {
	case hasUPN, namesUnreadable:
		return result(e, why)
	}
	return Failed, "no otherName with a User Principal Name in UTF-8"
}

func requireSubject(e *evidence) (Verdict, string) {
	subject := e.c.Subject()
	switch {
	case subject != "":
		return Passed, quoted(subject)
	case len(e.c.fields.Subject.Value) == 0:
		return Passed, "the name is there and empty; its content is optional"
	}
	return Unknown, "the name cannot be read"
}

func requireExchange(e *evidence) (Verdict, string) { return result(e, decideKeySpecification(e)) }

func requireExchangeOrPolicy(e *evidence) (Verdict, string) {
	verdict, detail := requireExchange(e)
	if verdict == Failed && e.policy.AllowSignatureOnlyKeys {
		return Waived, detail + "; AllowSignatureOnlyKeys lets it through"
	}
	return verdict, detail
}

const (
	oidBasicConstraints = "\x55\x1D\x13" // 2.5.29.19
	oidCRLAddresses     = "\x55\x1D\x1F" // 2.5.29.31
)

// allowEndEntity checks the basic constraints (RFC 5280, 4.2.1.9), if present.
func allowEndEntity(e *evidence) (Verdict, string) {
	x, ok, err := e.c.fields.Extension(oidBasicConstraints)
	if err != nil {
		return Unknown, "basic constraints: " + err.Error()
	}
	if !ok {
		return Passed, "no basic constraints; they are optional"
	}
	r := x.Value.Inside()
	list, _ := r.Take(ber.Sequence)
	in := list.Inside()
	ca := false
	if in.Peek() == ber.Boolean {
		flag, _ := in.Next()
		ca = len(flag.Value) != 1 || flag.Value[0] != 0
	}
	pathLength := in.Peek() == ber.Integer
	if pathLength {
		in.Next()
	}
	for _, err := range [...]error{r.Close(), in.Close()} {
		if err != nil {
			return Unknown, "basic constraints: " + err.Error()
		}
	}
	switch {
	case ca:
		return Failed, "basic constraints say that it is a CA; it must be an end entity"
	case pathLength:
		return Failed, "basic constraints have a path length; there must be none"
	}
	return Passed, "end entity, no path length"
}

// requireCRLAddress requires a URI in a distribution point (RFC 5280, 4.2.1.13).
func requireCRLAddress(e *evidence) (Verdict, string) {
	x, ok, err := e.c.fields.Extension(oidCRLAddresses)
	if err != nil {
		return Unknown, "CRL distribution points: " + err.Error()
	}
	if !ok {
		return Failed, "no CRL distribution points"
	}
	addresses, err := crlAddresses(x.Value)
	if err != nil {
		return Unknown, "CRL distribution points: " + err.Error()
	}
	if len(addresses) == 0 {
		return Failed, "CRL distribution points without an address"
	}
	return Passed, quoted(addresses[0])
}

// crlAddresses returns the URIs of the distribution points in their order.
func crlAddresses(value ber.Element) ([]string, error) {
	const (
		distributionPoint ber.Tag = 0xA0 // of DistributionPoint
		fullName          ber.Tag = 0xA0 // of DistributionPointName
		uri               ber.Tag = 0x86
	)
	var addresses []string
	r := value.Inside()
	list, _ := r.Take(ber.Sequence)
	if err := r.Close(); err != nil {
		return nil, err
	}
	points := list.Inside()
	for points.More() {
		point, _ := points.Take(ber.Sequence)
		in := point.Inside()
		if in.Peek() != distributionPoint {
			continue
		}
		name, _ := in.Next()
		kinds := name.Inside()
		if kinds.Peek() != fullName {
			continue
		}
		full, _ := kinds.Next()
		names := full.Inside()
		for n, ok := names.Next(); ok; n, ok = names.Next() {
			if n.Tag == uri {
				addresses = append(addresses, string(n.Value))
			}
		}
		if err := names.Err(); err != nil {
			return nil, err
		}
	}
	return addresses, points.Err()
}
