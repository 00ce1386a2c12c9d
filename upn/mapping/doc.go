// Package mapping says by which of its fields a certificate can be tied to an
// account, and whether it is: certificateUserIds of Entra ID, and
// altSecurityIdentities of Active Directory.
//
// # What most people do
//
// Print what has to be stored in the account of a certificate's holder:
//
//	list, err := mapping.Of(der, mapping.ActiveDirectory)
//	for _, s := range list {
//		fmt.Println(s.Kind, s.Strong(), s) // ISR true X509:<I>DC=com,…<SR>4b21…
//	}
//
// Ask which binding of a tenant a certificate satisfies, for the account that
// the sign-in name found:
//
//	m, err := mapping.Match(account, bindings, der, true)
//
// Ask what a domain controller would answer:
//
//	j, err := mapping.Controller{}.Judge(account, der, nil)
//	fmt.Println(j.Answer)
//
// # How a mapping is written
//
// "X509:", a tag, and the value; prefix and tags in capitals, no blanks between.
// The byte and name order is where most stored values are wrong:
//
//   - A distinguished name is in the order of the certificate, which is the
//     reverse of what Windows shows: DC=com,DC=contoso,CN=Alice. No blank stands
//     behind a comma. Blanks inside a value stay.
//   - A serial number is reversed byte by byte, without the zero byte in front
//     that keeps it positive: 00 C1 02 03 is written 0302c1.
//   - A key identifier and a hash are in the order of the certificate.
//
// Hexadecimal is printed in small letters and read in either case.
//
// Names are written as the function CertNameToStr of Windows writes them. Where
// no document says what the directory expects, [Of] returns every spelling that
// is known to be in use, the preferred one first, and [Doubt] says what is open.
//
// # What it does not do
//
// It has no directory, and finds no account: a certificate never selects one.
// It verifies no chain and asks nobody about revocation. It does not judge what
// only the service can know: the values of other accounts (those of
// certificateUserIds are unique in a tenant, and at most ten), revocation lists,
// and the scoping of authorities.
//
// A weak mapping is tied to a name, which the same issuer or another can give
// out again. Store strong ones.
package mapping
