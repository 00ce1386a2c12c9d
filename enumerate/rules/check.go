package rules

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/internal/cert"
)

// order lists the rules in the order in which Windows applies them.
var order = [...]struct {
	rule   Rule
	decide func(e *evidence) reason
}{
	{Validity, decideValidity},
	{KeySpecification, decideKeySpecification},
	{UPN, decideUPN},
	{KeyUsage, decideKeyUsage},
	{EKU, decideEKU},
	{ECC, decideECC},
}

// Check applies the six rules to a certificate in DER: for a key with that
// specification, under a policy, at a time. It never fails: where the certificate
// cannot be parsed, every verdict is [Unknown] and [Findings.Err] says why.
func Check(der []byte, spec KeySpec, p Policy, at time.Time) Findings {
	var one struct { // a single allocation
		c Certificate
		j judgment
	}
	one.c.parse(der)
	return one.j.judge(&one.c, spec, p, at)
}

// Check applies the six rules to the certificate, as the function Check does.
func (c *Certificate) Check(spec KeySpec, p Policy, at time.Time) Findings {
	return new(judgment).judge(c, spec, p, at)
}

// A judgment is the memory behind Findings.
type judgment struct {
	evidence evidence
	findings [len(order)]Finding
}

func (j *judgment) judge(c *Certificate, spec KeySpec, p Policy, at time.Time) Findings {
	e := &j.evidence
	*e = evidence{c: c, spec: spec, at: at, policy: p}
	for i := range order {
		o := &order[i]
		why := notParsed
		if c.err == nil {
			why = o.decide(e)
		}
		r := &reasons[why]
		f := &j.findings[i]
		f.Rule, f.Verdict, f.Policy, f.why, f.from = o.rule, r.verdict, r.policy.String(), why, e
		if f.Verdict == Failed && e.policy.enabled(r.policy) {
			f.Verdict = Waived
		}
	}
	if len(c.faults) == 0 {
		return j.findings[:]
	}
	malformed := Finding{Rule: Encoding, Verdict: reasons[fieldMalformed].verdict, why: fieldMalformed, from: e}
	return append(j.findings[:], malformed)
}

func decideValidity(e *evidence) reason {
	notBefore, notAfter := e.c.fields.Dates()
	switch {
	case notBefore.Time.IsZero() || notAfter.Time.IsZero():
		return datesUnreadable
	case e.at.Before(notBefore.Time):
		return tooEarly
	case e.at.After(notAfter.Time):
		return tooLate
	}
	return inTime
}

func decideKeySpecification(e *evidence) reason {
	assumed := e.spec.Assumed != ""
	switch e.spec.Kind {
	case FromFile:
		return exchangeKeyOfFile
	case KeyExchange:
		if assumed {
			return exchangeKeyAssumed
		}
		return exchangeKey
	case Signature:
		if assumed {
			return signatureKeyAssumed
		}
		return signatureKey
	}
	return keySpecNotDocumented
}

func decideUPN(e *evidence) reason {
	switch names := &e.c.names; {
	case names.Err != nil:
		return namesUnreadable
	case len(names.UPNs) > 0:
		return hasUPN
	case len(names.Emails) > 0:
		return hasEmail
	case names.Subject != "":
		return hasSubjectOnly
	}
	return hasNoName
}

func decideKeyUsage(e *evidence) reason {
	usage, ok, err := e.c.fields.KeyUsage()
	switch {
	case err != nil:
		return usageUnreadable
	case !ok:
		return usageMissing
	case usage&cert.DigitalSignature == 0:
		return usageDoesNotSign
	}
	return usageSigns
}

// Purposes of the EKU rule, as contents of an OBJECT IDENTIFIER.
const (
	oidSmartCardLogon = "\x2B\x06\x01\x04\x01\x82\x37\x14\x02\x02" // 1.3.6.1.4.1.311.20.2.2
	oidClientAuth     = "\x2B\x06\x01\x05\x05\x07\x03\x02"         // 1.3.6.1.5.5.7.3.2
	oidAnyPurpose     = "\x55\x1D\x25\x00"                         // 2.5.29.37.0
)

func decideEKU(e *evidence) reason {
	list, ok, err := e.c.fields.ExtendedKeyUsage()
	if err != nil {
		return purposeUnreadable
	}
	if !ok {
		return purposeMissing
	}
	result := purposeOther
	for oid, more := list.Next(); more; oid, more = list.Next() {
		switch string(oid) {
		case oidSmartCardLogon:
			return purposeLogon
		case oidClientAuth, oidAnyPurpose:
			result = purposeGeneral
		}
	}
	return result
}

func decideECC(e *evidence) reason {
	k, err := e.c.fields.Key()
	if err != nil {
		return keyUnreadable
	}
	switch string(k.Algorithm) {
	case cert.OIDRSA:
		return keyRSA
	case cert.OIDEC:
		switch string(k.Curve) {
		case cert.OIDP256, cert.OIDP384, cert.OIDP521:
			return keyCurve
		}
	}
	return keyOther
}

// A Finding is the verdict of one rule on one certificate.
type Finding struct {
	Rule    Rule
	Verdict Verdict
	Policy  string // the policy that waived a failure or would waive it; may be empty

	why  reason
	from *evidence
}

// String returns the rule, the verdict and the detail.
func (f Finding) String() string {
	s := fmt.Sprintf("%v: %v", f.Rule, f.Verdict)
	if detail := f.Detail(); detail != "" {
		s += ": " + detail
	}
	return s
}

// Detail returns what the certificate has and, where Microsoft's documents
// disagree, which of them decided. Values from the certificate are quoted and cut.
func (f Finding) Detail() string {
	if f.from == nil {
		return ""
	}
	return reasons[f.why].detail(f.from)
}

// Remedy returns what can be done about a rule that does not hold. It is empty for
// a rule that passed.
func (f Finding) Remedy() string {
	if f.from == nil {
		return ""
	}
	r := &reasons[f.why]
	if f.Verdict == Failed && r.policy != none {
		return r.remedy + "; or set the policy " + f.Policy + ": " + values[r.policy].meaning
	}
	return r.remedy
}

// MarshalJSON returns an object with rule, verdict and detail, and with policy and
// remedy where they are not empty.
func (f Finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Rule    Rule    `json:"rule"`
		Verdict Verdict `json:"verdict"`
		Detail  string  `json:"detail"`
		Policy  string  `json:"policy,omitempty"`
		Remedy  string  `json:"remedy,omitempty"`
	}{f.Rule, f.Verdict, f.Detail(), f.Policy, f.Remedy()})
}

// Findings are the results of all rules, in their order.
type Findings []Finding

// Offered reports whether Windows would offer the certificate: every rule passed
// or is waived. It is false for no findings.
func (f Findings) Offered() bool {
	for _, finding := range f {
		if finding.Verdict != Passed && finding.Verdict != Waived {
			return false
		}
	}
	return len(f) > 0
}

// Err returns why the certificate cannot be parsed, or nil. Where it cannot, every
// verdict is [Unknown].
func (f Findings) Err() error {
	if len(f) == 0 || f[0].from == nil {
		return nil
	}
	return f[0].from.c.err
}

// PoliciesNeeded returns the names of the policies that must be enabled besides
// those that are, so that the certificate is offered. It reports false where no
// policy helps. For a certificate that is offered it returns none and true.
func (f Findings) PoliciesNeeded() (names []string, ok bool) {
	for _, finding := range f {
		switch {
		case finding.Verdict == Passed || finding.Verdict == Waived:
		case finding.Verdict == Failed && finding.Policy != "":
			names = append(names, finding.Policy) // no policy serves two rules
		default:
			return nil, false
		}
	}
	return names, len(f) > 0
}
