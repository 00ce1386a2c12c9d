package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/internal/cert"
)

// A reason is one outcome of a rule.
type reason uint8

const (
	notParsed reason = iota

	inTime
	tooEarly
	tooLate
	datesUnreadable

	exchangeKey
	exchangeKeyOfFile
	exchangeKeyAssumed
	signatureKey
	signatureKeyAssumed
	keySpecNotDocumented

	hasUPN
	hasEmail
	hasNoName
	hasSubjectOnly
	namesUnreadable

	usageSigns
	usageDoesNotSign
	usageMissing
	usageUnreadable

	purposeLogon
	purposeMissing
	purposeGeneral
	purposeOther
	purposeUnreadable

	keyRSA
	keyCurve
	keyOther
	keyUnreadable

	fieldMalformed
)

// reasons lists for each reason the verdict, the policy that waives a failure, the
// text, and a remedy other than that policy.
var reasons = [...]struct {
	verdict Verdict
	policy  value
	detail  func(e *evidence) string
	remedy  string
}{
	notParsed: {Unknown, none, func(e *evidence) string { return e.c.err.Error() },
		"read the certificate from the card again, or have it issued anew"},

	inTime: {Passed, none, func(e *evidence) string {
		return fmt.Sprintf("valid from %v to %v", e.c.NotBefore(), e.c.NotAfter())
	}, ""},
	tooEarly: {Failed, allowTimeInvalidCertificates, func(e *evidence) string {
		return fmt.Sprintf("not valid before %v; the clock says %s", e.c.NotBefore(), e.clock())
	}, "check the clock of the machine, or wait"},
	tooLate: {Failed, allowTimeInvalidCertificates, func(e *evidence) string {
		return fmt.Sprintf("not valid after %v; the clock says %s", e.c.NotAfter(), e.clock())
	}, "check the clock of the machine, or have the certificate renewed"},
	datesUnreadable: {Unknown, none, func(e *evidence) string {
		return fmt.Sprintf("a date cannot be read: notBefore %v, notAfter %v", e.c.NotBefore(), e.c.NotAfter())
	}, "have the certificate issued anew, with dates as RFC 5280, 4.1.2.5 has them"},

	exchangeKey: {Passed, none, func(*evidence) string { return "AT_KEYEXCHANGE, says the container map" }, ""},
	exchangeKeyOfFile: {Passed, none, func(*evidence) string {
		return "a certificate file has no container; it is taken as one with AT_KEYEXCHANGE"
	}, ""},
	exchangeKeyAssumed: {Passed, none, func(e *evidence) string {
		return "AT_KEYEXCHANGE is assumed for " + printable([]byte(e.spec.Assumed)) + "; the mapping is not documented"
	}, ""},
	signatureKey: {Failed, allowSignatureOnlyKeys, func(*evidence) string { return "AT_SIGNATURE, says the container map" },
		"put the certificate into a key exchange container"},
	signatureKeyAssumed: {Failed, allowSignatureOnlyKeys, func(e *evidence) string {
		return "AT_SIGNATURE is assumed for " + printable([]byte(e.spec.Assumed)) + "; the mapping is not documented"
	}, "use a certificate whose key is for key exchange"},
	keySpecNotDocumented: {Unknown, none, func(e *evidence) string {
		return fmt.Sprintf("key kind %d is not one of this package", e.spec.Kind)
	}, "pass one of the key kinds of this package"},

	hasUPN: {Passed, none, func(e *evidence) string { return listed("UPN", e.c.names.UPNs) }, ""},
	hasEmail: {Passed, none, func(e *evidence) string {
		return listed("no UPN, but RFC822 name", e.c.names.Emails) +
			"; the sign-in document's order decided, which has it second; Active Directory would need a mapping"
	}, ""},
	hasNoName: {Failed, x509HintsNeeded, func(*evidence) string {
		return "neither a UPN nor an RFC822 name in the subject alternative name"
	}, "have the certificate issued with a UPN"},
	hasSubjectOnly: {Failed, x509HintsNeeded, func(e *evidence) string {
		return fmt.Sprintf("neither a UPN nor an RFC822 name in the subject alternative name; %s of the subject is not a name to sign in with", quoted(e.c.names.Subject))
	}, "have the certificate issued with a UPN"},
	namesUnreadable: {Unknown, none, func(e *evidence) string { return strings.TrimPrefix(e.c.names.Err.Error(), "upn: ") },
		"have the certificate issued anew, with a UPN as a UTF8String"},

	usageSigns: {Passed, none, func(e *evidence) string {
		names, _ := e.c.KeyUsage()
		return strings.Join(names, ", ")
	}, ""},
	usageDoesNotSign: {Failed, none, func(e *evidence) string {
		names, _ := e.c.KeyUsage()
		return "no digitalSignature among [" + strings.Join(names, ", ") + "]"
	}, "have the certificate issued with the key usage digitalSignature"},
	usageMissing: {Failed, none, func(*evidence) string {
		return "no key usage extension; the requirement table asks for digitalSignature"
	}, "have the certificate issued with the key usage digitalSignature"},
	usageUnreadable: {Unknown, none, func(e *evidence) string {
		_, _, err := e.c.fields.KeyUsage()
		return "key usage: " + err.Error()
	}, "have the certificate issued with one key usage extension that can be read"},

	purposeLogon: {Passed, none, func(*evidence) string { return "smart card logon (1.3.6.1.4.1.311.20.2.2)" }, ""},
	purposeMissing: {Failed, allowCertificatesWithNoEKU, func(*evidence) string {
		return "no extended key usage; step (e) of the enumeration and the policy text decided, not the requirement table, which allows this"
	}, "have the certificate issued with the smart card logon usage"},
	purposeGeneral: {Failed, allowCertificatesWithNoEKU, func(e *evidence) string {
		return e.purposes() + ", no smart card logon; the policy text decided, which lets all-purpose and client authentication through"
	}, "have the certificate issued with the smart card logon usage"},
	purposeOther: {Failed, none, func(e *evidence) string {
		return e.purposes() + ", neither smart card logon, client authentication nor all-purpose"
	}, "have the certificate issued with the smart card logon usage"},
	purposeUnreadable: {Unknown, none, func(e *evidence) string {
		_, _, err := e.c.fields.ExtendedKeyUsage()
		return "extended key usage: " + err.Error()
	}, "have the certificate issued with one extended key usage extension that can be read"},

	keyRSA:   {Passed, none, func(*evidence) string { return "RSA" }, ""},
	keyCurve: {Failed, enumerateECCCerts, func(e *evidence) string { return "EC key on " + e.key() }, "use a certificate with an RSA key"},
	keyOther: {Failed, none, func(e *evidence) string {
		return e.key() + " is neither RSA nor P-256, P-384 or P-521"
	}, "use a certificate with an RSA key"},
	keyUnreadable: {Unknown, none, func(e *evidence) string {
		_, err := e.c.fields.Key()
		return "public key: " + err.Error()
	}, "have the certificate issued anew"},

	fieldMalformed: {Unknown, none, func(e *evidence) string {
		texts := make([]string, len(e.c.faults))
		for i, f := range e.c.faults {
			texts[i] = f.Error()
		}
		return strings.Join(texts, "; ")
	}, "have the certificate issued anew"},
}

// evidence has what a rule is applied to, and what texts are made from on demand.
type evidence struct {
	c      *Certificate
	spec   KeySpec
	at     time.Time
	policy Policy
}

func (e *evidence) clock() string { return e.at.UTC().Format(time.RFC3339) }

func (e *evidence) purposes() string {
	list, _ := e.c.ExtendedKeyUsage()
	const limit = 8 // the list may be as long as the certificate
	if len(list) > limit {
		return strings.Join(list[:limit], ", ") + fmt.Sprintf(" and %d more", len(list)-limit)
	}
	return strings.Join(list, ", ")
}

var curveNames = map[string]string{cert.OIDP256: "P-256", cert.OIDP384: "P-384", cert.OIDP521: "P-521"}

// key returns a name for the kind of the public key.
func (e *evidence) key() string {
	k, _ := e.c.fields.Key()
	switch name := curveNames[string(k.Curve)]; {
	case name != "":
		return name
	case k.Curve != nil:
		return "curve " + cert.DottedOID(k.Curve)
	case string(k.Algorithm) == cert.OIDEC:
		return "a curve without a name"
	}
	return "key algorithm " + cert.DottedOID(k.Algorithm)
}

// listed returns the value that Windows sends and, if there are several, all.
func listed(what string, values []string) string {
	text := what + " " + quoted(values[0])
	if len(values) == 1 {
		return text
	}
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = quoted(v)
	}
	return text + fmt.Sprintf(", the first of %d different ones, which is what Windows sends: %s", len(values), strings.Join(all, ", "))
}

// quoted returns an untrusted value, cut and quoted for one line of text.
func quoted(s string) string {
	if short := cut(s); short != s {
		return fmt.Sprintf("%q...", strings.TrimSuffix(short, "..."))
	}
	return fmt.Sprintf("%q", s)
}

// cut shortens a text to 64 characters.
func cut(s string) string {
	const limit = 64
	n := 0
	for i := range s {
		if n++; n > limit {
			return s[:i] + "..."
		}
	}
	return s
}
