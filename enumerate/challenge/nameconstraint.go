package challenge

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

var oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

// NewPool returns a pool of issuers for [Verifier.Roots] and
// [Verifier.Intermediates], and for nothing else. A Verifier applies name
// constraints on UPNs and directory names, which crypto/x509 does not; a pool of
// crypto/x509 refuses an issuer where such constraints are critical, and this one
// accepts it.
func NewPool(issuers ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, issuer := range issuers {
		handled := *issuer
		handled.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(issuer.UnhandledCriticalExtensions), oidNameConstraints.Equal)
		pool.AddCert(&handled)
	}
	return pool
}

// checkNameConstraints applies the name constraints of every issuer to the names
// of the certificates below it, except to issuers that issued themselves (RFC
// 5280, 6.1.3 (b) and (c)). crypto/x509 has applied those on DNS names, IP
// addresses, URIs and e-mail addresses in the subject alternative names that it
// could read.
func checkNameConstraints(chain []*x509.Certificate) error {
	for i, issuer := range chain {
		value, ok := extensionValue(issuer, oidNameConstraints)
		if !ok || i == 0 {
			continue
		}
		constraints, err := parseNameConstraints(value)
		if err != nil {
			return fmt.Errorf("name constraints of %.64q: %w", issuer.Subject.String(), err)
		}
		for j, c := range chain[:i] {
			if j > 0 && bytes.Equal(c.RawSubject, c.RawIssuer) {
				continue
			}
			if err := constraints.check(c); err != nil {
				return fmt.Errorf("name constraints of %.64q: %w", issuer.Subject.String(), err)
			}
		}
	}
	return nil
}

func extensionValue(c *x509.Certificate, oid asn1.ObjectIdentifier) ([]byte, bool) {
	i := slices.IndexFunc(c.Extensions, func(x pkix.Extension) bool { return x.Id.Equal(oid) })
	if i < 0 {
		return nil, false
	}
	return c.Extensions[i].Value, true
}

// A nameForm is a kind of GeneralName (RFC 5280, 4.2.1.6). otherNames of two types
// are two forms.
type nameForm struct {
	tag       ber.Tag
	otherName string // content of the type identifier
}

const (
	tagOtherName     ber.Tag = 0xA0
	tagEmail         ber.Tag = 0x81
	tagDNS           ber.Tag = 0x82
	tagDirectoryName ber.Tag = 0xA4
	tagURI           ber.Tag = 0x86
	tagIP            ber.Tag = 0x87

	tagExplicit0 ber.Tag = 0xA0 // the value of an otherName
	tagPermitted ber.Tag = 0xA0
	tagExcluded  ber.Tag = 0xA1
	tagMinimum   ber.Tag = 0x80
)

// Types of otherName, as contents of an OBJECT IDENTIFIER.
const (
	oidUPN             = "\x2B\x06\x01\x04\x01\x82\x37\x14\x02\x03" // 1.3.6.1.4.1.311.20.2.3
	oidSmtpUTF8Mailbox = "\x2B\x06\x01\x05\x05\x07\x08\x09"         // 1.3.6.1.5.5.7.8.9
)

var (
	formUPN       = nameForm{tagOtherName, oidUPN}
	formEmail     = nameForm{tag: tagEmail}
	formDirectory = nameForm{tag: tagDirectoryName}
)

func (f nameForm) String() string {
	switch f {
	case formUPN:
		return "UPN"
	case formEmail:
		return "e-mail address"
	case formDirectory:
		return "directory name"
	case nameForm{tag: tagDNS}:
		return "DNS name"
	case nameForm{tag: tagIP}:
		return "IP address"
	case nameForm{tag: tagURI}:
		return "URI"
	}
	if f.tag == tagOtherName {
		return "otherName " + cert.DottedOID([]byte(f.otherName))
	}
	return "general name " + f.tag.String()
}

// A generalName is a name in a certificate, or the base of a subtree.
type generalName struct {
	form nameForm

	// value is the element itself; of a directory name the Name; of an
	// otherName the element in its explicit [0].
	value ber.Element

	// applied reports that crypto/x509 has applied the constraints on it.
	applied bool
}

func readGeneralName(e ber.Element) (generalName, error) {
	in := e.Inside()
	switch e.Tag {
	case tagDirectoryName: // explicit, as Name is a CHOICE
		name, _ := in.Take(ber.Sequence)
		return generalName{form: formDirectory, value: name}, in.Close()
	case tagOtherName:
		oid, _ := in.Take(ber.OID)
		wrapper, _ := in.Take(tagExplicit0)
		if err := in.Close(); err != nil {
			return generalName{}, err
		}
		in = wrapper.Inside()
		value, ok := in.Next()
		if err := in.Close(); err != nil {
			return generalName{}, err
		}
		if !ok || !cert.ValidOID(oid.Value) {
			return generalName{}, &ber.Error{Offset: e.Offset, Reason: "otherName without a type and a value"}
		}
		return generalName{form: nameForm{tagOtherName, string(oid.Value)}, value: value}, nil
	}
	return generalName{form: nameForm{tag: e.Tag}, value: e}, nil
}

// namesOf returns the names in a certificate that constraints apply to: the
// subject, the e-mail addresses in it, and the subject alternative names.
//
// RFC 5280 asks for the e-mail addresses in a subject only where there is no
// subject alternative name. OpenSSL always checks them, and so does this.
func namesOf(c *x509.Certificate) ([]generalName, error) {
	var names []generalName
	r := ber.DER(c.RawSubject)
	subject, _ := r.Take(ber.Sequence)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	attributes, err := cert.Attributes(subject)
	if err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	if len(subject.Value) > 0 {
		names = append(names, generalName{form: formDirectory, value: subject})
	}
	for _, a := range attributes {
		if string(a.OID) == cert.OIDEmailAddress {
			names = append(names, generalName{form: formEmail, value: a.Value})
		}
	}
	value, ok := extensionValue(c, oidSubjectAltName)
	if !ok {
		return names, nil
	}
	alternative, err := readAlternativeNames(value)
	if err != nil {
		return nil, fmt.Errorf("subject alternative name: %w", err)
	}
	// What crypto/x509 has parsed, it has checked.
	dns, ips, uris := len(c.DNSNames), len(c.IPAddresses), len(c.URIs)
	for _, name := range alternative {
		switch name.form.tag {
		case tagDNS:
			dns--
		case tagIP:
			ips--
		case tagURI:
			uris--
		}
	}
	for _, name := range alternative {
		switch name.form.tag {
		case tagDNS:
			name.applied = dns == 0
		case tagIP:
			name.applied = ips == 0
		case tagURI:
			u, err := url.Parse(string(name.value.Value))
			name.applied = uris == 0 && err == nil && hasDomain(u)
		}
		if name.form == (nameForm{tagOtherName, oidSmtpUTF8Mailbox}) {
			name.form = formEmail // RFC 9598, 6
		}
		names = append(names, name)
	}
	return names, nil
}

func readAlternativeNames(value []byte) ([]generalName, error) {
	r := ber.DER(value)
	list, _ := r.Take(ber.Sequence)
	if err := r.Close(); err != nil {
		return nil, err
	}
	var names []generalName
	in := list.Inside()
	for e, ok := in.Next(); ok; e, ok = in.Next() {
		name, err := readGeneralName(e)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, in.Err()
}

// hasDomain reports whether a URI has a domain name that a constraint can be
// compared with. RFC 5280 refuses others under a constraint on URIs. crypto/x509
// refuses them under any constraint (Go 1.26), also "urn:uuid:", which every PIV
// certificate has.
func hasDomain(u *url.URL) bool {
	host := u.Hostname()
	_, err := netip.ParseAddr(host)
	return host != "" && err != nil
}

// A subtree is an element of permittedSubtrees or excludedSubtrees.
type subtree struct {
	base    generalName
	bounded bool // it has a minimum or maximum, which RFC 5280 forbids
}

type nameConstraints struct{ permitted, excluded []subtree }

// parseNameConstraints reads the value of the extension (RFC 5280, 4.2.1.10).
func parseNameConstraints(value []byte) (nameConstraints, error) {
	r := ber.DER(value)
	list, _ := r.Take(ber.Sequence)
	if err := r.Close(); err != nil {
		return nameConstraints{}, err
	}
	var constraints nameConstraints
	in := list.Inside()
	for _, part := range []struct {
		tag      ber.Tag
		subtrees *[]subtree
	}{{tagPermitted, &constraints.permitted}, {tagExcluded, &constraints.excluded}} {
		if in.Peek() != part.tag {
			continue
		}
		e, _ := in.Next()
		subtrees, err := readSubtrees(e)
		if err != nil {
			return nameConstraints{}, err
		}
		*part.subtrees = subtrees
	}
	if err := in.Close(); err != nil {
		return nameConstraints{}, err
	}
	if constraints.permitted == nil && constraints.excluded == nil {
		return nameConstraints{}, errors.New("neither permitted nor excluded subtrees")
	}
	return constraints, nil
}

func readSubtrees(list ber.Element) ([]subtree, error) {
	var subtrees []subtree
	in := list.Inside()
	for in.More() {
		e, ok := in.Take(ber.Sequence)
		if !ok {
			break
		}
		fields := e.Inside()
		first, ok := fields.Next()
		if !ok && fields.Err() == nil {
			return nil, &ber.Error{Offset: e.Offset, Reason: "subtree without a base"}
		}
		base, err := readGeneralName(first)
		if err != nil {
			return nil, err
		}
		s := subtree{base: base}
		if fields.Peek() == tagMinimum {
			minimum, _ := fields.Next()
			s.bounded = !bytes.Equal(minimum.Value, []byte{0})
		}
		s.bounded = s.bounded || fields.More()
		if err := fields.Err(); err != nil {
			return nil, err
		}
		subtrees = append(subtrees, s)
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	if len(subtrees) == 0 {
		return nil, &ber.Error{Offset: list.Offset, Reason: "no subtree"}
	}
	return subtrees, nil
}

// check returns an error if a name of c is excluded, is not permitted though its
// form is constrained, or has a form whose constraint cannot be applied.
func (n nameConstraints) check(c *x509.Certificate) error {
	names, err := namesOf(c)
	if err != nil {
		return fmt.Errorf("certificate of %.64q: %w", c.Subject.String(), err)
	}
	for _, name := range names {
		if err := n.checkName(name); err != nil {
			return fmt.Errorf("%v of %.64q %w", name.form, c.Subject.String(), err)
		}
	}
	return nil
}

func (n nameConstraints) checkName(name generalName) error {
	for _, s := range n.excluded {
		if s.base.form != name.form {
			continue
		}
		within, err := s.contains(name, true)
		if err != nil {
			return err
		}
		if within {
			return errors.New("is excluded")
		}
	}
	constrained, permitted := false, false
	for _, s := range n.permitted {
		if s.base.form != name.form {
			continue
		}
		within, err := s.contains(name, false)
		if err != nil {
			return err
		}
		constrained = true
		permitted = permitted || within
	}
	if constrained && !permitted {
		return errors.New("is not permitted")
	}
	return nil
}

var errNotApplied = errors.New("has a constraint that cannot be applied")

// contains reports whether a name, which has the form of s, is in s. Names are
// folded more broadly in an excluded subtree than in a permitted one.
func (s subtree) contains(name generalName, excluded bool) (bool, error) {
	switch {
	case s.bounded:
	case name.applied:
		return !excluded, nil
	case name.form == formDirectory:
		return directoryContains(s.base.value, name.value)
	case name.form == formEmail:
		return emailContains(s.base.value, name.value, excluded)
	case name.form == formUPN:
		return upnContains(s.base.value, name.value, excluded)
	}
	return false, errNotApplied
}

// directoryContains reports whether base is the beginning of name (RFC 5280,
// 4.2.1.10), by the comparison of 7.1.
func directoryContains(base, name ber.Element) (bool, error) {
	b, err := foldName(base)
	if err != nil {
		return false, err
	}
	n, err := foldName(name)
	if err != nil {
		return false, err
	}
	return len(b) <= len(n) && slices.Equal(b, n[:len(b)]), nil
}

// foldName returns one text for each relative name. Strings are compared without
// case, type and repeated spaces, other values by their bytes.
func foldName(name ber.Element) ([]string, error) {
	attributes, err := cert.Attributes(name)
	if err != nil {
		return nil, err
	}
	var sets [][]string
	for in := name.Inside(); in.More(); in.Next() {
		sets = append(sets, nil)
	}
	for _, a := range attributes {
		value, ok := a.Text()
		if ok {
			value = "=" + strings.Join(strings.Fields(foldCase(value)), " ")
		} else {
			value = "#" + string(a.Value.Raw)
		}
		sets[a.RDN] = append(sets[a.RDN], strconv.Quote(string(a.OID))+strconv.Quote(value))
	}
	list := make([]string, len(sets))
	for i, set := range sets {
		if len(set) == 0 {
			return nil, errNotApplied // X.501, 9.2: a relative name is not empty
		}
		slices.Sort(set)
		list[i] = strings.Join(set, "+")
	}
	return list, nil
}

// emailContains applies a constraint on rfc822Names (RFC 5280, 4.2.1.10): a
// mailbox, a host, or the hosts below a domain that begins with a period. RFC 5280,
// 7.5 compares local parts with case. An excluded one is compared without, as names
// to sign in with are.
func emailContains(base, name ber.Element, excluded bool) (bool, error) {
	b, ok := emailText(base)
	if !ok || b == "" {
		return false, errNotApplied
	}
	n, ok := emailText(name)
	local, host, isMailbox := cutLast(n)
	if !ok || !isMailbox {
		return false, errNotApplied
	}
	host = foldCase(host)
	baseLocal, baseHost, isMailbox := cutLast(b)
	switch {
	case isMailbox && excluded:
		return foldCase(baseLocal) == foldCase(local) && foldCase(baseHost) == host, nil
	case isMailbox:
		return baseLocal == local && foldCase(baseHost) == host, nil
	case b[0] == '.':
		return strings.HasSuffix(host, foldCase(b)), nil
	}
	return foldCase(b) == host, nil
}

// emailText returns the text of an rfc822Name, a SmtpUTF8Mailbox or an attribute. A
// domain in another script than ASCII has two spellings, so it is refused.
func emailText(e ber.Element) (string, bool) {
	if e.Tag == tagEmail {
		e.Tag = ber.IA5String
	}
	text, ok := cert.Attribute{Value: e}.Text()
	_, host, _ := cutLast(text)
	return text, ok && strings.IndexFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// cutLast cuts a mailbox at its last "@". Without one, all of it is the host.
func cutLast(mailbox string) (local, host string, ok bool) {
	i := strings.LastIndexByte(mailbox, '@')
	if i < 0 {
		return "", mailbox, false
	}
	return mailbox[:i], mailbox[i+1:], true
}

// upnContains applies a constraint on UPNs. RFC 5280 defines none for an otherName,
// so this rule is the package's: "@example.com" is the domain, ".example.com" the
// domains below it, "alice@example.com" the one name.
func upnContains(base, name ber.Element, excluded bool) (bool, error) {
	if base.Tag != ber.UTF8String || name.Tag != ber.UTF8String || !utf8.Valid(base.Value) || !utf8.Valid(name.Value) {
		return false, errNotApplied
	}
	fold := foldASCII
	if excluded {
		fold = foldCase
	}
	b, n := fold(string(base.Value)), fold(string(name.Value))
	user, domain, isName := strings.Cut(b, "@")
	_, nameDomain, ok := strings.Cut(n, "@")
	switch {
	case !ok || strings.Contains(nameDomain, "@") || strings.Contains(domain, "@"):
	case isName && domain == "":
	case isName && user == "":
		return nameDomain == domain, nil
	case isName:
		return n == b, nil
	case len(b) > 1 && b[0] == '.':
		return strings.HasSuffix(nameDomain, b), nil
	}
	return false, errNotApplied
}

// foldCase folds the case of all letters, and characters that fold to the same
// letter, such as the Kelvin sign.
func foldCase(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// foldASCII folds the case of the letters that [upn.Equal] folds.
func foldASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
