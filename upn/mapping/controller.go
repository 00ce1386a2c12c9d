package mapping

import (
	"fmt"
	"time"

	"github.com/smartlogon/smartlogon/upn"
)

// A Server is the Windows Server version of a domain controller.
type Server int

const (
	ServerNewest Server = iota // Windows Server 2025
	Server2016
	Server2019
	Server2022
)

// A Controller is the configuration of a domain controller. The zero value is the
// default since 2025-09-09: strong mappings are enforced, there is no name policy,
// and names in the certificate are used.
type Controller struct {
	Server Server

	// Compatibility is StrongCertificateBindingEnforcement 1, which domain
	// controllers ignore since 2025-09-09. It accepts a weak mapping unless the
	// certificate is older than the account by more than Backdating
	// (CertificateBackdatingCompensation).
	Compatibility bool
	Backdating    time.Duration

	// IgnoreSAN is UseSubjectAltName 0: names and security identifier of the
	// certificate are ignored, except in a mapping by issuer and SID.
	IgnoreSAN bool

	// NamePolicy is the policy "Allow name-based strong mappings".
	NamePolicy []NameRule
}

// An Answer is the decision of a domain controller on a certificate.
type Answer int

const (
	// Strong: accepted by a strong mapping, or by a weak one that the security
	// identifier or a policy makes strong.
	Strong Answer = iota + 1
	// Weak: accepted by a weak mapping in compatibility mode.
	Weak
	// WeakRefused: refused because the mapping is weak (event 39).
	WeakRefused
	// Backdated: refused in compatibility mode because the mapping is weak and
	// the certificate is older than the account (event 40).
	Backdated
	// Mismatch: refused with KDC_ERR_CERTIFICATE_MISMATCH because the
	// certificate has the security identifier of another account (event 41).
	Mismatch
	// NoMapping: refused with KDC_ERR_CLIENT_NAME_MISMATCH because no mapping
	// matches.
	NoMapping

	endOfAnswers
)

var answers = [endOfAnswers]struct {
	text  string
	event int
}{
	Strong:      {text: "strong"},
	Weak:        {text: "weak", event: 39},
	WeakRefused: {text: "weak, refused", event: 39},
	Backdated:   {text: "weak and backdated, refused", event: 40},
	Mismatch:    {text: "KDC_ERR_CERTIFICATE_MISMATCH", event: 41},
	NoMapping:   {text: "KDC_ERR_CLIENT_NAME_MISMATCH"},
}

// String returns the answer in a few words.
func (a Answer) String() string {
	if a <= 0 || a >= endOfAnswers {
		return fmt.Sprintf("answer %d", int(a))
	}
	return answers[a].text
}

// Accepted reports whether the user is signed in.
func (a Answer) Accepted() bool { return a == Strong || a == Weak }

// Event returns the number of the event in the controller's log, or 0.
func (a Answer) Event() int {
	if a <= 0 || a >= endOfAnswers {
		return 0
	}
	return answers[a].event
}

// A Judgment is the answer of a domain controller and its reason.
type Judgment struct {
	Answer Answer

	// Mapping is the mapping that decided. It is a PrincipalName if the User
	// Principal Name, which needs no stored mapping, matched.
	Mapping Mapping

	// SID is the security identifier in the certificate, if the controller
	// reads it. After a Conflict, the extension decides.
	SID SID

	// By is what made a weak mapping strong.
	By Upgrade

	// Faults are the values of AltSecurityIdentities that the controller cannot
	// read, or that would match the certificate in another form. They do not
	// change the answer.
	Faults []StoredFault
}

// An Upgrade is what makes a weak mapping strong.
type Upgrade int

const (
	NotUpgraded Upgrade = iota
	BySID               // the security identifier in the certificate
	ByPolicy            // a NameRule
)

// Judge returns the answer of a domain controller to a user who signs in to an
// account with a DER certificate (MS-PKCA 3.1.5.2.1). The certificate of the direct
// issuer is used by NamePolicy only and may be nil.
//
// The caller has verified the chain and has looked up the account by the name that
// the client sent. Computer accounts are not supported.
//
// Each spelling of a mapping by SHA-1 hash matches, see [KeyHash]. The error
// reports a malformed field of the certificate or [ErrSeveralNames], or is
// [errors.ErrUnsupported] if a SHA-1 hash decides in FIPS 140-only mode.
func (dc Controller) Judge(a Account, der, issuer []byte) (Judgment, error) {
	f, err := readFields(der)
	if err != nil {
		return Judgment{}, err
	}
	if !dc.IgnoreSAN {
		if err := f.checkNames(); err != nil {
			return Judgment{}, err
		}
	}
	stored := parseStored(a.AltSecurityIdentities)
	j, err := dc.judge(f, a, stored, issuer)
	if err != nil {
		return Judgment{}, err
	}
	j.Faults = f.storedFaults(stored)
	return j, nil
}

func (dc Controller) judge(f *fields, a Account, stored *storedValues, issuer []byte) (Judgment, error) {
	weak, strong, err := dc.match(f, a, stored)
	switch {
	case err != nil:
		return Judgment{}, err
	case strong.Kind == IssuerSID:
		sid, err := readSID(&f.cert)
		return Judgment{Answer: Strong, Mapping: strong, SID: sid}, err
	case strong.Kind != 0:
		return Judgment{Answer: Strong, Mapping: strong}, nil
	case len(weak) == 0:
		return Judgment{Answer: NoMapping}, nil
	}
	m, ok, err := dc.byPolicy(f, weak, issuer)
	if err != nil {
		return Judgment{}, err
	}
	if ok {
		return Judgment{Answer: Strong, Mapping: m, By: ByPolicy}, nil
	}
	return dc.bySID(f, a, weak[0])
}

// matchOrder is the order in which a controller compares stored mappings.
var matchOrder = [...]Kind{IssuerSubject, Subject, IssuerSerial, SKI, SHA1PublicKey, RFC822, IssuerSID}

// match returns the first strong mapping of the account that matches, and the weak
// mappings that match before it.
func (dc Controller) match(f *fields, a Account, stored *storedValues) (weak []Mapping, strong Mapping, err error) {
	if !dc.IgnoreSAN && len(f.names.UPNs) > 0 && upn.Equal(f.names.UPNs[0], a.UPN) {
		weak = append(weak, Mapping{Kind: PrincipalName, Value: f.names.UPNs[0]})
	}
	for _, kind := range matchOrder {
		switch {
		case !stored.has(kind),
			kind == RFC822 && dc.IgnoreSAN,
			kind == IssuerSID && (dc.Server == Server2016 || dc.Server == Server2019):
			continue
		}
		list, err := f.matching(kind, ActiveDirectory)
		if err != nil {
			return nil, Mapping{}, fmt.Errorf("mapping: %v: %w", kind, err)
		}
		m, ok := stored.find(list)
		switch {
		case !ok:
		case kind.Strong():
			return weak, m, nil
		default:
			weak = append(weak, m)
		}
	}
	return weak, Mapping{}, nil
}

// bySID returns the judgment of a certificate with a weak mapping only.
func (dc Controller) bySID(f *fields, a Account, weak Mapping) (Judgment, error) {
	j := Judgment{Mapping: weak}
	if !dc.IgnoreSAN {
		sid, err := readSID(&f.cert)
		if err != nil {
			return Judgment{}, fmt.Errorf("mapping: %w", err)
		}
		if dc.Server == Server2016 {
			sid.URI = "" // not supported there
		}
		j.SID = sid
	}
	switch {
	case j.SID.Value() == "":
		j.Answer = dc.weakAnswer(f, a)
	case j.SID.Value() == a.SID:
		j.Answer, j.By = Strong, BySID
	default:
		j.Answer = Mismatch
	}
	return j, nil
}

// weakAnswer returns the answer to a weak mapping without a security identifier.
func (dc Controller) weakAnswer(f *fields, a Account) Answer {
	if !dc.Compatibility {
		return WeakRefused
	}
	issued, _ := f.cert.Dates()
	if issued.Time.IsZero() || issued.Time.Before(a.Created.Add(-dc.Backdating)) {
		return Backdated
	}
	return Weak
}
