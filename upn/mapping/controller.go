package mapping

import (
	"fmt"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/upn"
)

// A Server is the version of a domain controller.
type Server int

const (
	ServerNewest Server = iota // 2025, and what zero means
	Server2016
	Server2019
	Server2022
)

// A Controller is how a domain controller is set up. Its zero value is one of
// today: enforcement of strong mappings, no policy, names are taken from the
// certificate.
type Controller struct {
	Server Server

	// Compatibility is StrongCertificateBindingEnforcement 1, which domain
	// controllers ignore since 2025-09-09. A weak mapping is then enough if the
	// certificate is not older than the account by more than Backdating
	// (CertificateBackdatingCompensation).
	Compatibility bool
	Backdating    time.Duration

	// IgnoreSAN is UseSubjectAltName 0: neither the names nor the security
	// identifier of a certificate are used, but for a mapping by issuer and SID.
	IgnoreSAN bool

	// NamePolicy is the policy "Allow name-based strong mappings".
	NamePolicy []NameRule
}

// An Answer is what a domain controller says to a certificate.
type Answer int

const (
	// Strong: accepted by a strong mapping, or a weak one that the security
	// identifier or a policy makes strong.
	Strong Answer = iota + 1
	// Weak: accepted by a weak mapping, which only compatibility mode does.
	Weak
	// WeakRefused: refused, as there is only a weak mapping (event 39).
	WeakRefused
	// Backdated: refused in compatibility mode, as the mapping is weak and the
	// certificate is older than the account (event 40).
	Backdated
	// Mismatch: refused with KDC_ERR_CERTIFICATE_MISMATCH, as the certificate
	// names the security identifier of another account (event 41).
	Mismatch
	// NoMapping: refused with KDC_ERR_CLIENT_NAME_MISMATCH, as nothing maps the
	// certificate to the account.
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

// String says the answer in a few words.
func (a Answer) String() string {
	if a <= 0 || a >= endOfAnswers {
		return fmt.Sprintf("answer %d", int(a))
	}
	return answers[a].text
}

// Accepted reports whether the person signs in.
func (a Answer) Accepted() bool { return a == Strong || a == Weak }

// Event is the number of the event in the controller's log, 0 for none.
func (a Answer) Event() int {
	if a <= 0 || a >= endOfAnswers {
		return 0
	}
	return answers[a].event
}

// A Judgement is the answer of a domain controller and what led to it.
type Judgement struct {
	Answer Answer

	// Mapping is the one that decided. The User Principal Name, which needs no
	// stored mapping, is a PrincipalName.
	Mapping Mapping

	// SID is what the certificate names, as far as the controller looked. A
	// Conflict between the two places does not change the answer: the extension
	// stands before the URI.
	SID SID

	// By says what made a weak mapping strong.
	By Upgrade
}

// An Upgrade is what makes a weak mapping strong.
type Upgrade int

const (
	NotUpgraded Upgrade = iota
	BySID               // the security identifier in the certificate
	ByPolicy            // a NameRule
)

// Judge says what a domain controller answers when a user signs in to an
// account with a certificate (MS-PKCA 3.1.5.2.1). issuer is the certificate of
// the direct issuer, which only NamePolicy needs; it may be nil. That the chain
// is good has been checked elsewhere, and the account has been found by the
// name that the client sent. Accounts of computers are not judged.
//
// A mapping by SHA-1 hash is taken in any spelling, as nobody can tell which one
// is right.
func (dc Controller) Judge(a Account, der, issuer []byte) (Judgement, error) {
	f, err := readFields(der)
	if err != nil {
		return Judgement{}, err
	}
	if !dc.IgnoreSAN {
		if err := f.checkNames(); err != nil {
			return Judgement{}, err
		}
	}
	weak, strong, err := dc.hits(f, a)
	switch {
	case err != nil:
		return Judgement{}, err
	case strong.Kind != 0:
		return Judgement{Answer: Strong, Mapping: strong}, nil
	case len(weak) == 0:
		return Judgement{Answer: NoMapping}, nil
	}
	m, ok, err := dc.byPolicy(f, weak, issuer)
	if err != nil {
		return Judgement{}, err
	}
	if ok {
		return Judgement{Answer: Strong, Mapping: m, By: ByPolicy}, nil
	}
	return dc.bySID(f, a, weak[0])
}

// order is the one in which a controller looks at stored mappings.
var order = [...]Kind{IssuerSubject, Subject, IssuerSerial, SKI, SHA1PublicKey, RFC822, IssuerSID}

// hits returns the weak mappings of the account that the certificate satisfies,
// and the first strong one: a weak hit does not end the search.
func (dc Controller) hits(f *fields, a Account) (weak []Mapping, strong Mapping, err error) {
	if !dc.IgnoreSAN && len(f.names.UPNs) > 0 && upn.Equal(f.names.UPNs[0], a.UPN) {
		weak = append(weak, Mapping{Kind: PrincipalName, Value: f.names.UPNs[0]})
	}
	for _, kind := range order {
		stored := parseAll(a.AltSecurityIdentities, kind)
		switch {
		case len(stored) == 0,
			kind == RFC822 && dc.IgnoreSAN,
			kind == IssuerSID && (dc.Server == Server2016 || dc.Server == Server2019):
			continue
		}
		list, err := f.deciding(kind, ActiveDirectory)
		if err != nil {
			return nil, Mapping{}, fmt.Errorf("mapping: %v: %w", kind, err)
		}
		i := slices.IndexFunc(list, func(m Mapping) bool { return slices.ContainsFunc(stored, m.same) })
		switch {
		case i < 0:
		case kind.Strong():
			return weak, list[i], nil
		default:
			weak = append(weak, list[i])
		}
	}
	return weak, Mapping{}, nil
}

// bySID says what becomes of a certificate with nothing but a weak mapping.
func (dc Controller) bySID(f *fields, a Account, weak Mapping) (Judgement, error) {
	j := Judgement{Mapping: weak}
	if !dc.IgnoreSAN {
		sid, err := readSID(&f.cert)
		if err != nil {
			return Judgement{}, fmt.Errorf("mapping: %w", err)
		}
		if dc.Server == Server2016 {
			sid.URI = "" // it does not know the URI
		}
		j.SID = sid
	}
	switch {
	case j.SID.Value() == "":
		j.Answer = dc.onlyWeak(f, a)
	case j.SID.Value() == a.SID:
		j.Answer, j.By = Strong, BySID
	default:
		j.Answer = Mismatch
	}
	return j, nil
}

func (dc Controller) onlyWeak(f *fields, a Account) Answer {
	if !dc.Compatibility {
		return WeakRefused
	}
	issued, _ := f.cert.Dates()
	if issued.Time.IsZero() || issued.Time.Before(a.Created.Add(-dc.Backdating)) {
		return Backdated
	}
	return Weak
}
