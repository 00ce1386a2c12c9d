package mapping

// A Kind is a field of a certificate, or a pair of fields, that a mapping uses.
type Kind int

const (
	// PrincipalName is the User Principal Name in the subject alternative name.
	// Active Directory uses it without a stored mapping.
	PrincipalName Kind = iota + 1
	// RFC822 is the e-mail address in the subject alternative name.
	RFC822
	// IssuerSubject is the names of issuer and subject.
	IssuerSubject
	// Subject is the name of the subject.
	Subject
	// SKI is the subject key identifier (RFC 5280, 4.2.1.2).
	SKI
	// SHA1PublicKey is a SHA-1 hash: in Entra of the certificate, in Active
	// Directory of the public key or the certificate, see [KeyHash].
	SHA1PublicKey
	// IssuerSerial is the name of the issuer and the serial number.
	IssuerSerial
	// IssuerSID is the name of the issuer and the security identifier in the
	// certificate. Entra does not support it.
	IssuerSID

	endOfKinds
)

var kinds = [endOfKinds]struct {
	name   string
	tag    string // precedes Value
	issuer bool   // <I> and the issuer precede tag
	strong bool
}{
	PrincipalName: {name: "PN", tag: "<PN>"},
	RFC822:        {name: "RFC822", tag: "<RFC822>"},
	IssuerSubject: {name: "IS", tag: "<S>", issuer: true},
	Subject:       {name: "S", tag: "<S>"},
	SKI:           {name: "SKI", tag: "<SKI>", strong: true},
	SHA1PublicKey: {name: "SHA1PUKEY", tag: "<SHA1-PUKEY>", strong: true},
	IssuerSerial:  {name: "ISR", tag: "<SR>", issuer: true, strong: true},
	IssuerSID:     {name: "ISID", tag: "<SID>", issuer: true, strong: true},
}

// String returns PN, RFC822, IS, S, SKI, SHA1PUKEY, ISR or ISID.
func (k Kind) String() string {
	if !k.valid() {
		return "none"
	}
	return kinds[k].name
}

// Strong reports whether mappings of this kind are strong in Active Directory
// (KB5014754), which Entra calls high affinity. A strong mapping identifies a key
// or a certificate; a weak one identifies a name, which can be reissued.
func (k Kind) Strong() bool { return k.valid() && kinds[k].strong }

func (k Kind) valid() bool { return k > 0 && k < endOfKinds }

// A Dialect is where a mapping is stored.
type Dialect int

const (
	// Entra is the attribute certificateUserIds of Entra ID.
	Entra Dialect = iota
	// ActiveDirectory is the attribute altSecurityIdentities (MS-PKCA
	// 3.1.5.2.1.3).
	ActiveDirectory
)

// kinds returns the kinds of a dialect in the order of its documentation.
func (d Dialect) kinds() []Kind {
	if d == ActiveDirectory {
		return []Kind{IssuerSubject, Subject, IssuerSerial, SKI, SHA1PublicKey, RFC822, IssuerSID}
	}
	return []Kind{PrincipalName, RFC822, IssuerSubject, Subject, SKI, SHA1PublicKey, IssuerSerial}
}
