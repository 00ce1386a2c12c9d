package mapping

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// A StoredFault is a value of an account that matches no certificate, or not the
// one in question, because of its form.
type StoredFault struct {
	Value   string
	Outcome Outcome // Malformed, WrongOrder, ZeroByte, Reversed or Ambiguous
	Err     error   // reason why the value is Malformed
}

// A storedValue is a parsed value of certificateUserIds or altSecurityIdentities.
type storedValue struct {
	text string
	m    Mapping // if err is nil
	kind Kind    // of m, or the kind that a malformed value seems to have, or 0
	err  error
}

// storedValues are the parsed values of an attribute, with those of each kind
// together, so that a comparison does not read all of them.
type storedValues struct {
	all   []storedValue
	order []int               // indexes of all, sorted by kind
	start [endOfKinds + 1]int // of each kind in order
}

func parseStored(values []string) *storedValues {
	list := make([]storedValue, len(values))
	for i, text := range values {
		v := storedValue{text: text}
		if v.m, v.err = parse(text); v.err == nil {
			v.kind = v.m.Kind
		} else {
			v.kind = guessKind(text)
		}
		list[i] = v
	}
	return sortStored(list)
}

// sortStored groups the values of each kind, in their order.
func sortStored(list []storedValue) *storedValues {
	s := &storedValues{all: list, order: make([]int, len(list))}
	for i := range list {
		s.start[list[i].kind+1]++
	}
	for k := range endOfKinds {
		s.start[k+1] += s.start[k]
	}
	next := s.start
	for i := range list {
		k := list[i].kind
		s.order[next[k]] = i
		next[k]++
	}
	return s
}

// ofKind yields the values of a kind, which is 0 for malformed values of an unknown
// kind.
func (s *storedValues) ofKind(kind Kind) iter.Seq[*storedValue] {
	return func(yield func(*storedValue) bool) {
		for _, i := range s.order[s.start[kind]:s.start[kind+1]] {
			if !yield(&s.all[i]) {
				return
			}
		}
	}
}

// guessKind returns the kind of a malformed value by its tags, or 0. Case does not
// matter. A serial number or security identifier decides, as an issuer precedes it.
func guessKind(text string) Kind {
	text = strings.ToUpper(text[:min(len(text), maxMapping)])
	hasIssuer := strings.Contains(text, issuerTag)
	for _, k := range [...]Kind{IssuerSerial, IssuerSID, SKI, SHA1PublicKey, PrincipalName, RFC822, IssuerSubject, Subject} {
		if strings.Contains(text, kinds[k].tag) && (k != IssuerSubject || hasIssuer) {
			return k
		}
	}
	return 0
}

// has reports whether a value is a mapping of a kind.
func (s *storedValues) has(kind Kind) bool {
	for v := range s.ofKind(kind) {
		if v.err == nil {
			return true
		}
	}
	return false
}

// find returns the first mapping of the list, whose mappings have one kind, that a
// stored value equals.
func (s *storedValues) find(list []Mapping) (Mapping, bool) {
	for _, m := range list {
		for v := range s.ofKind(m.Kind) {
			if v.err == nil && m.equal(v.m) {
				return m, true
			}
		}
	}
	return Mapping{}, false
}

// unmatched returns why none of the stored values of a kind matches, and the value
// to blame. Values in a form that does not match come first, then malformed values
// of the kind, other values, and malformed values of an unknown kind.
func (f *fields) unmatched(kind Kind, stored *storedValues) StoredFault {
	var malformed *storedValue
	outcome := Unset
	forms := f.wrongForms(kind)
	for v := range stored.ofKind(kind) {
		if v.err != nil {
			malformed = cmp.Or(malformed, v)
			continue
		}
		if o := forms.compare(v.m); o != Different {
			return v.fault(o)
		}
		outcome = Different
	}
	if malformed == nil && outcome == Unset {
		for v := range stored.ofKind(0) {
			malformed = v
			break
		}
	}
	if malformed != nil {
		return malformed.fault(Malformed)
	}
	return StoredFault{Outcome: outcome}
}

func (v *storedValue) fault(o Outcome) StoredFault {
	return StoredFault{Value: v.text, Outcome: o, Err: v.err}
}

var errPrincipalName = errors.New("<PN> is not supported in Active Directory")

// storedFaults returns the values of altSecurityIdentities that are malformed or
// would match the certificate in another form.
func (f *fields) storedFaults(stored *storedValues) []StoredFault {
	var cache [endOfKinds]struct {
		matching []Mapping
		forms    *wrongForms
	}
	var faults []StoredFault
	for i := range stored.all {
		v := &stored.all[i]
		switch {
		case v.err != nil:
			faults = append(faults, v.fault(Malformed))
			continue
		case v.kind == PrincipalName:
			faults = append(faults, StoredFault{v.text, Malformed, errPrincipalName})
			continue
		case v.kind == RFC822 || v.kind == SHA1PublicKey: // have no other form
			continue
		}
		k := &cache[v.kind]
		if k.forms == nil {
			k.forms = f.wrongForms(v.kind)
			k.matching, _ = f.matching(v.kind, ActiveDirectory)
		}
		if slices.ContainsFunc(k.matching, v.m.equal) {
			continue
		}
		if o := k.forms.compare(v.m); o != Different {
			faults = append(faults, v.fault(o))
		}
	}
	return faults
}

// wrongForms are the wrong or ambiguous forms in which a mapping of the certificate
// may be stored.
type wrongForms struct {
	kind            Kind
	issuer, subject *nameForms
	bytes           []byte // serial number or key identifier as encoded
	sid             string
}

// nameForms are the spellings of a name. loose and reversed have been simplified.
type nameForms struct {
	exact           [3]string // that match
	loose, reversed string
}

// wrongForms returns the forms of a kind. A malformed field has none.
func (f *fields) wrongForms(kind Kind) *wrongForms {
	w := &wrongForms{kind: kind}
	if kinds[kind].issuer {
		w.issuer = f.issuerForms()
	}
	switch kind {
	case IssuerSubject, Subject:
		w.subject = f.subjectForms()
	case IssuerSerial:
		w.bytes = f.cert.Serial.Value
	case SKI:
		if list, err := f.spell(kind, Entra); err == nil && len(list) > 0 {
			w.bytes, _ = hex.DecodeString(list[0].Value)
		}
	case IssuerSID:
		if values, _, err := f.sidValue(); err == nil && len(values) > 0 {
			w.sid = values[0]
		}
	}
	return w
}

// compare returns in which form a stored mapping that does not match has the
// fields of the certificate, or Different.
func (w *wrongForms) compare(m Mapping) Outcome {
	issuer, subject, value := Outcome(0), Outcome(0), Outcome(0)
	if kinds[w.kind].issuer {
		issuer = w.issuer.compare(m.Issuer)
	}
	switch w.kind {
	case IssuerSubject, Subject:
		subject = w.subject.compare(m.Value)
	case IssuerSerial:
		value = compareSerial(w.bytes, m.Value)
	case SKI:
		value = compareReversed(w.bytes, m.Value)
	case IssuerSID:
		if w.sid == "" || w.sid != m.Value {
			value = Different
		}
	default:
		value = Different
	}
	outcomes := []Outcome{value, issuer, subject}
	if slices.Contains(outcomes, Different) {
		return Different
	}
	for _, o := range outcomes {
		if o != 0 {
			return o
		}
	}
	return Ambiguous // each name has a spelling that matches, but they differ in style
}

// readForms returns the spellings of a Name, or none if it is malformed.
func readForms(e ber.Element) *nameForms {
	n, err := readName(e)
	if err != nil || len(n) == 0 {
		return &nameForms{}
	}
	w := &nameForms{exact: [...]string{n.write(0), n.write(PlusSign), n.write(TypeName)}}
	w.loose = simplify(w.exact[0])
	slices.SortStableFunc(n, func(a, b attribute) int { return b.rdn - a.rdn })
	w.reversed = simplify(n.write(0))
	return w
}

// compare returns 0, Ambiguous, Reversed or Different.
func (w *nameForms) compare(stored string) Outcome {
	if slices.Contains(w.exact[:], stored) {
		return 0
	}
	switch simplify(stored) {
	case "":
		return Different
	case w.loose:
		return Ambiguous
	case w.reversed:
		return Reversed
	}
	return Different
}

// simplify removes what differs between the spellings of a name. It may equate
// different names, so it only explains why a stored name does not match.
func simplify(name string) string { return simplifier.Replace(strings.ToLower(name)) }

var simplifier = strings.NewReplacer(" ", "", `"`, "", "+", "", "oid.", "", "st=", "s=", "emailaddress=", "e=")

// compareSerial returns the form in which a stored serial number has that of the
// certificate.
func compareSerial(serial []byte, stored string) Outcome {
	b, err := hex.DecodeString(stored)
	if err != nil {
		return Different
	}
	values, err := serialSpellings(serial)
	if err == nil && slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, stored) }) {
		return 0
	}
	number := bytes.TrimLeft(serial, "\x00")
	if bytes.Equal(bytes.TrimLeft(b, "\x00"), number) {
		return WrongOrder
	}
	slices.Reverse(b)
	if bytes.Equal(bytes.TrimLeft(b, "\x00"), number) {
		return ZeroByte
	}
	return Different
}

// compareReversed returns Reversed if stored is value in reverse order.
func compareReversed(value []byte, stored string) Outcome {
	b, err := hex.DecodeString(stored)
	if err != nil || len(value) == 0 {
		return Different
	}
	slices.Reverse(b)
	if bytes.Equal(b, value) {
		return Reversed
	}
	return Different
}
