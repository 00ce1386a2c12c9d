package mapping

// A Kind is a field of a certificate that an account can be mapped by.
type Kind int

const (
	// PrincipalName is the User Principal Name of the subject alternative name.
	// Active Directory takes it without a mapping.
	PrincipalName Kind = iota + 1
	// RFC822 is the e-mail address of the subject alternative name.
	RFC822
	// IssuerSubject is both names.
	IssuerSubject
	// Subject is the name of the holder.
	Subject
	// SKI is the subject key identifier extension (RFC 5280, 4.2.1.2).
	SKI
	// SHA1PublicKey is a SHA-1 hash: for Entra of the whole certificate, for
	// Active Directory of the public key or of the certificate, see [KeyHash].
	SHA1PublicKey
	// IssuerSerial is the name of the issuer and the serial number.
	IssuerSerial
	// IssuerSID is the name of the issuer and the security identifier in the
	// certificate. Entra has no such field.
	IssuerSID

	endOfKinds
)

var kinds = [endOfKinds]struct {
	name   string // as programs print it
	tag    string // in front of Value
	issuer bool   // <I> and the issuer stand before the tag
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

// String is PN, RFC822, IS, S, SKI, SHA1PUKEY, ISR or ISID.
func (k Kind) String() string {
	if !k.valid() {
		return "none"
	}
	return kinds[k].name
}

// Strong reports whether a mapping of this kind is strong in Active Directory
// (KB5014754), which is the same as high affinity in Entra: it holds on to a
// key or a certificate, not to a name that can be given out again.
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

// kinds are the fields of a dialect in the order of its documentation.
func (d Dialect) kinds() []Kind {
	if d == ActiveDirectory {
		return []Kind{IssuerSubject, Subject, IssuerSerial, SKI, SHA1PublicKey, RFC822, IssuerSID}
	}
	return []Kind{PrincipalName, RFC822, IssuerSubject, Subject, SKI, SHA1PublicKey, IssuerSerial}
}
