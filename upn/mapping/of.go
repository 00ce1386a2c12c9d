package mapping

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/upn"
)

// maxUserID is the limit of a value of certificateUserIds, in characters.
const maxUserID = 1024

// Of returns the mappings of a DER certificate as they are stored. Kinds are in
// the order of the dialect's documentation, and the preferred spelling of a kind
// is first. Kinds whose fields the certificate does not have are omitted.
//
// The error lists the kinds whose fields are malformed; the list still has the
// others. It is empty only if the certificate is malformed as a whole. In FIPS
// 140-only mode, SHA1PublicKey is missing with [errors.ErrUnsupported].
func Of(der []byte, d Dialect) ([]Spelling, error) {
	f, err := readFields(der)
	if err != nil {
		return nil, err
	}
	var list []Spelling
	var faults error
	for _, kind := range d.kinds() {
		spellings, err := f.spell(kind, d)
		switch {
		case err == nil:
			list = append(list, spellings...)
		case faults == nil:
			faults = fmt.Errorf("mapping: %v: %w", kind, err)
		default:
			faults = fmt.Errorf("%w; %v: %w", faults, kind, err)
		}
	}
	return list, faults
}

// fields holds the decoded certificate and its names.
type fields struct {
	cert  cert.Certificate
	names upn.Names

	issuer, subject           decodedName
	issuerForms, subjectForms func() *nameForms // computed once

	matches [ActiveDirectory + 1][endOfKinds]struct {
		done bool
		list []Mapping
		err  error
	}
}

func readFields(der []byte) (*fields, error) {
	c, err := cert.Parse(der)
	if err != nil {
		return nil, fmt.Errorf("mapping: certificate: %w", err)
	}
	f := &fields{cert: c, names: upn.Read(der)}
	f.issuerForms = sync.OnceValue(func() *nameForms { return readForms(f.cert.Issuer) })
	f.subjectForms = sync.OnceValue(func() *nameForms { return readForms(f.cert.Subject) })
	return f, nil
}

// A decodedName caches what readName returns: several kinds have the same name.
type decodedName struct {
	done bool
	name name
	err  error
}

func (d *decodedName) read(e ber.Element) (name, error) {
	if !d.done {
		d.name, d.err = readName(e)
		d.done = true
	}
	return d.name, d.err
}

// spell returns every spelling of a kind, the preferred one first. There are none
// if the certificate does not have the field.
func (f *fields) spell(kind Kind, d Dialect) ([]Spelling, error) {
	var list []Spelling
	var err error
	switch kind {
	case PrincipalName:
		list, err = spellValues(kind, f.names.UPNs), f.names.Err
	case RFC822:
		list, err = spellValues(kind, f.names.Emails), f.names.Err
	case SKI:
		list, err = f.spellSKI()
	case SHA1PublicKey:
		list, err = f.spellSHA1(d)
	default:
		list, err = f.spellNames(kind, d)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		switch text := s.String(); {
		case d == Entra && utf8.RuneCountInString(text) > maxUserID:
			return nil, fmt.Errorf("longer than the %d characters of certificateUserIds", maxUserID)
		case len(text) > maxMapping:
			return nil, errTooLong
		}
	}
	return list, nil
}

// matching returns the mappings of a kind that match the certificate: all
// spellings but those that another certificate could share. It computes them once.
func (f *fields) matching(kind Kind, d Dialect) ([]Mapping, error) {
	r := &f.matches[d][kind]
	if !r.done {
		r.list, r.err = f.computeMatching(kind, d)
		r.done = true
	}
	return r.list, r.err
}

func (f *fields) computeMatching(kind Kind, d Dialect) ([]Mapping, error) {
	list, err := f.spell(kind, d)
	if err != nil {
		return nil, err
	}
	var ms []Mapping
	for _, s := range list {
		if s.Doubt&SeveralValues != 0 {
			return nil, fmt.Errorf("%w: %.64q and %.64q", ErrSeveralNames, list[0].Value, list[1].Value)
		}
		if s.Preferred || s.Doubt&loose == 0 {
			ms = append(ms, s.Mapping)
		}
	}
	return ms, nil
}

var errTooLong = fmt.Errorf("longer than the %d bytes of a mapping", maxMapping)

// spellValues returns the spellings of a field that may occur several times.
func spellValues(kind Kind, values []string) []Spelling {
	var list []Spelling
	for i, v := range values {
		s := Spelling{Mapping: Mapping{Kind: kind, Value: v}, Preferred: i == 0}
		if len(values) > 1 {
			s.Doubt = SeveralValues
		}
		list = append(list, s)
	}
	return list
}

func (f *fields) spellSKI() ([]Spelling, error) {
	x, ok, err := f.cert.Extension(oidSubjectKeyID)
	if err != nil || !ok {
		return nil, err
	}
	r := x.Value.Inside()
	id, _ := r.Take(ber.OctetString)
	if err := r.Close(); err != nil {
		return nil, err
	}
	if len(id.Value) == 0 {
		return nil, errors.New("identifier is empty")
	}
	return spellValues(SKI, []string{hex.EncodeToString(id.Value)}), nil
}

// spellSHA1 returns the SHA-1 hash of the certificate for Entra. For Active
// Directory the documents disagree, see [KeyHash]: it returns the hashes of the
// key, of the certificate, and of the key with its algorithm.
func (f *fields) spellSHA1(d Dialect) ([]Spelling, error) {
	thumbprint := f.cert.Raw
	if d == Entra {
		return spellHashes(0, thumbprint)
	}
	r := f.cert.SPKI.Inside()
	r.Take(ber.Sequence) // algorithm
	bits, _ := r.Take(ber.BitString)
	if err := r.Close(); err != nil {
		return nil, err
	}
	if len(bits.Value) == 0 || bits.Value[0] != 0 {
		return nil, errors.New("key is not a whole number of bytes")
	}
	return spellHashes(KeyHash, bits.Value[1:], thumbprint, f.cert.SPKI.Raw)
}

// spellHashes returns the spellings of hashes, the first one preferred.
func spellHashes(doubt Doubt, inputs ...[]byte) ([]Spelling, error) {
	var list []Spelling
	for i, b := range inputs {
		hash, err := sumSHA1(b)
		if err != nil {
			return nil, err
		}
		m := Mapping{Kind: SHA1PublicKey, Value: hex.EncodeToString(hash[:])}
		list = append(list, Spelling{Mapping: m, Doubt: doubt, Preferred: i == 0})
	}
	return list, nil
}

// sumSHA1 returns the SHA-1 hash of b. In FIPS 140-only mode it returns an error,
// where sha1.Sum panics.
func sumSHA1(b []byte) (sum [sha1.Size]byte, err error) {
	h := sha1.New()
	if _, err := h.Write(b); err != nil {
		return sum, fmt.Errorf("%w: %v", errors.ErrUnsupported, err)
	}
	h.Sum(sum[:0])
	return sum, nil
}

// spellNames returns the spellings of the kinds that have a distinguished name.
func (f *fields) spellNames(kind Kind, d Dialect) ([]Spelling, error) {
	var issuer, subject name
	var err error
	if kinds[kind].issuer {
		if issuer, err = f.issuer.read(f.cert.Issuer); err != nil {
			return nil, fmt.Errorf("issuer: %w", err)
		}
		if len(issuer) == 0 {
			return nil, nil
		}
	}
	var values []string // of a kind without subject, the preferred one first
	var conflict Doubt
	switch kind {
	case IssuerSerial:
		values, err = serialSpellings(f.cert.Serial.Value)
	case IssuerSID:
		values, conflict, err = f.sidValue()
	default:
		if subject, err = f.subject.read(f.cert.Subject); err != nil {
			return nil, fmt.Errorf("subject: %w", err)
		}
		if len(subject) == 0 {
			return nil, nil
		}
	}
	if err != nil || subject == nil && len(values) == 0 {
		return nil, err
	}
	write := func(other Doubt) Mapping {
		m := Mapping{Kind: kind, Issuer: issuer.write(other)}
		if m.Value = subject.write(other); subject == nil {
			m.Value = values[0]
		}
		return m
	}
	list := []Spelling{{Mapping: write(0), Doubt: conflict, Preferred: true}}
	for _, doubt := range [...]Doubt{Quoting, PlusSign, TypeName, Blanks} {
		if doubt == Blanks && d != Entra {
			continue
		}
		list = addSpelling(list, write(doubt), doubt)
	}
	for _, v := range values[min(1, len(values)):] {
		list = addSpelling(list, Mapping{Kind: kind, Issuer: list[0].Issuer, Value: v}, NegativeSerial)
	}
	return list, nil
}

// addSpelling appends a spelling that differs from the first, preferred one. A
// spelling that Parse reads as another mapping only marks the doubt.
func addSpelling(list []Spelling, m Mapping, doubt Doubt) []Spelling {
	if m == list[0].Mapping {
		return list
	}
	list[0].Doubt |= doubt
	if parsed, err := Parse(m.String()); err != nil || parsed != m {
		return list
	}
	return append(list, Spelling{Mapping: m, Doubt: doubt})
}

// serialSpellings returns the spellings of a serial number: its bytes in
// hexadecimal, last byte first, without the leading zero byte of a positive DER
// INTEGER.
func serialSpellings(value []byte) ([]string, error) {
	if len(value) == 0 {
		return nil, errors.New("serial number is empty")
	}
	reversed := func(b []byte) string {
		b = slices.Clone(b)
		slices.Reverse(b)
		return hex.EncodeToString(b)
	}
	switch {
	case len(value) > 1 && value[0] == 0:
		return []string{reversed(value[1:])}, nil
	case len(value) > 1 && value[0] == 0xFF:
		return []string{reversed(value), reversed(value[1:])}, nil
	}
	return []string{reversed(value)}, nil
}

// sidValue returns the security identifier, or nothing if the certificate has none.
func (f *fields) sidValue() ([]string, Doubt, error) {
	sid, err := readSID(&f.cert)
	if err != nil || sid.Value() == "" {
		return nil, 0, err
	}
	if sid.Conflict() {
		return []string{sid.Value()}, SIDConflict, nil
	}
	return []string{sid.Value()}, 0, nil
}
