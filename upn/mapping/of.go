package mapping

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/upn"
)

// maxUserID is how long a value of certificateUserIds may be, in characters.
const maxUserID = 1024

// Of returns the mappings of a certificate, ready to be stored: kind by kind in
// the order of the dialect's documentation, the preferred spelling of each kind
// first. A field that the certificate does not have is left out.
//
// The error says which fields are there and cannot be written, and why; the
// list holds all others. It is empty only where the certificate cannot be
// walked at all.
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

// fields is what mappings are made of.
type fields struct {
	cert  cert.Certificate
	names upn.Names
}

func readFields(der []byte) (*fields, error) {
	c, err := cert.Parse(der)
	if err != nil {
		return nil, fmt.Errorf("mapping: certificate: %w", err)
	}
	return &fields{cert: c, names: upn.Read(der)}, nil
}

// spell returns every spelling of one kind, none where the certificate does not
// have the field.
func (f *fields) spell(kind Kind, d Dialect) ([]Spelling, error) {
	var list []Spelling
	var err error
	switch kind {
	case PrincipalName:
		list, err = several(kind, f.names.UPNs), f.names.Err
	case RFC822:
		list, err = several(kind, f.names.Emails), f.names.Err
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
			return nil, fmt.Errorf("longer than the %d characters that certificateUserIds takes", maxUserID)
		case len(text) > maxMapping:
			return nil, errTooLong
		}
	}
	return list, nil
}

// deciding returns the mappings of one kind that tie an account to this
// certificate: all spellings but those that another could share.
func (f *fields) deciding(kind Kind, d Dialect) ([]Mapping, error) {
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

// several spells values that are all in the certificate.
func several(kind Kind, values []string) []Spelling {
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
	return several(SKI, []string{hex.EncodeToString(id.Value)}), nil
}

// spellSHA1 spells the hash that Entra takes from the whole certificate, and
// Active Directory from what nobody can tell: the key, without or with its
// algorithm, or the certificate.
func (f *fields) spellSHA1(d Dialect) ([]Spelling, error) {
	thumbprint := f.cert.Raw
	if d == Entra {
		return []Spelling{hashed(thumbprint, 0, true)}, nil
	}
	r := f.cert.SPKI.Inside()
	r.Take(ber.Sequence) // algorithm
	bits, _ := r.Take(ber.BitString)
	if err := r.Close(); err != nil {
		return nil, err
	}
	if len(bits.Value) == 0 || bits.Value[0] != 0 {
		return nil, errors.New("key is not a string of whole bytes")
	}
	return []Spelling{
		hashed(bits.Value[1:], KeyHash, true),
		hashed(thumbprint, KeyHash, false),
		hashed(f.cert.SPKI.Raw, KeyHash, false),
	}, nil
}

func hashed(b []byte, doubt Doubt, preferred bool) Spelling {
	hash := sha1.Sum(b)
	m := Mapping{Kind: SHA1PublicKey, Value: hex.EncodeToString(hash[:])}
	return Spelling{Mapping: m, Doubt: doubt, Preferred: preferred}
}

// spellNames spells the kinds with a distinguished name in them.
func (f *fields) spellNames(kind Kind, d Dialect) ([]Spelling, error) {
	var issuer, subject name
	var err error
	if kinds[kind].issuer {
		if issuer, err = readName(f.cert.Issuer); err != nil {
			return nil, fmt.Errorf("issuer: %w", err)
		}
		if len(issuer) == 0 {
			return nil, nil
		}
	}
	var values []string // of a kind that has no subject; the preferred one first
	switch kind {
	case IssuerSerial:
		values, err = serialText(f.cert.Serial.Value)
	case IssuerSID:
		values, err = f.sidText()
	default:
		if subject, err = readName(f.cert.Subject); err != nil {
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
	list := []Spelling{{Mapping: write(0), Preferred: true}}
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

// addSpelling adds another spelling to a list whose first is preferred. One
// that would be read as something else is in doubt all the same, and not added.
func addSpelling(list []Spelling, m Mapping, doubt Doubt) []Spelling {
	if m == list[0].Mapping {
		return list
	}
	list[0].Doubt |= doubt
	if back, err := Parse(m.String()); err != nil || back != m {
		return list
	}
	return append(list, Spelling{Mapping: m, Doubt: doubt})
}

// serialText spells a serial number: hexadecimal of its bytes, last byte first,
// without the zero byte that keeps a DER INTEGER positive.
func serialText(value []byte) ([]string, error) {
	if len(value) == 0 {
		return nil, errors.New("serial number is empty")
	}
	text := func(b []byte) string {
		b = slices.Clone(b)
		slices.Reverse(b)
		return hex.EncodeToString(b)
	}
	switch {
	case len(value) > 1 && value[0] == 0:
		return []string{text(value[1:])}, nil
	case len(value) > 1 && value[0] == 0xFF:
		return []string{text(value), text(value[1:])}, nil
	}
	return []string{text(value)}, nil
}

// sidText is the security identifier, none where the certificate has none.
func (f *fields) sidText() ([]string, error) {
	sid, err := readSID(&f.cert)
	switch {
	case err != nil:
		return nil, err
	case sid.Conflict():
		return nil, fmt.Errorf("the extension names %s and the URI names %s", sid.Extension, sid.URI)
	case sid.Value() == "":
		return nil, nil
	}
	return []string{sid.Value()}, nil
}
