// Package mapping returns the mappings that tie a certificate to an account, and
// decides whether they do: certificateUserIds in Entra ID and
// altSecurityIdentities in Active Directory.
//
//	package main
//
//	import (
//		"fmt"
//		"log"
//		"os"
//
//		"github.com/smartlogon/smartlogon/upn/mapping"
//	)
//
//	func main() {
//		der, err := os.ReadFile("alice.der") // DER; decode a PEM file with encoding/pem
//		if err != nil {
//			log.Fatal(err)
//		}
//		list, err := mapping.Of(der, mapping.ActiveDirectory) // or mapping.Entra
//		for _, s := range list {
//			if s.Preferred {
//				fmt.Println(s.Kind, s.Strong(), s) // ISR true X509:<I>DC=com,…<SR>4b21…
//			}
//		}
//		if err != nil {
//			log.Fatal(err) // lists the kinds that are missing
//		}
//	}
//
// [Match] decides for Entra whether a certificate satisfies a username binding of
// an account, and [Controller.Judge] returns the answer of a domain controller.
// The account is the one that the sign-in name selected.
//
//	m, err := mapping.Match(account, bindings, der, true)
//	j, err := mapping.Controller{}.Judge(account, der, nil)
//
// A weak mapping identifies a name, which can be issued again. Store strong ones.
//
// # Form of a mapping
//
// A mapping is "X509:", a tag in angle brackets, and a value. Prefix and tag are in
// capitals, without spaces around them. Most wrong values have the wrong order:
//
//   - A distinguished name is in encoded order, the reverse of the order in which
//     Windows displays it: DC=com,DC=contoso,CN=Alice. There is no space after a
//     comma. Spaces inside values stay.
//   - A serial number is reversed byte by byte, without its leading zero byte:
//     00 C1 02 03 is 0302c1.
//   - A key identifier and a hash are not reversed.
//
// Hexadecimal is written in lower case and read in either case. Names are written
// as the Windows function CertNameToStr writes them; a value that is not a string is
// # and hexadecimal. If the documents leave a form open, [Of] returns every spelling
// in use, the preferred one first, and [Doubt] states the point in question.
//
// If a value is stored in another form, [MatchError] and [Judgment] name the value
// and what is wrong with it.
//
// # Limits
//
// The package looks up no account, verifies no chain and checks no revocation. It
// cannot check what only the service knows: that a value of certificateUserIds is
// unique in the tenant, the limit of ten values, and the scope of authorities.
package mapping
