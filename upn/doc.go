// Package upn reads the sign-in names in a smart card certificate and returns the
// name that Windows sends when the certificate signs a user in.
//
//	package main
//
//	import (
//		"fmt"
//		"log"
//		"os"
//
//		"github.com/smartlogon/smartlogon/upn"
//	)
//
//	func main() {
//		der, err := os.ReadFile("alice.der") // DER; decode a PEM file with encoding/pem
//		if err != nil {
//			log.Fatal(err)
//		}
//		names := upn.Read(der)                // all names in the certificate
//		name, err := upn.SignIn{}.Name(names) // the one that Windows sends
//		if err != nil {
//			log.Fatal(err)
//		}
//		fmt.Println(name.Value, upn.Equal(name.Value, "Alice@example.com"))
//	}
//
// # Names
//
// [Read] has three outcomes: names, no names, or a [*MalformedError] in
// [Names.Err]. One fault anywhere in the subject alternative name makes all of it
// malformed. A malformed name is never treated as absent: otherwise an attacker
// could break one field to have another one used.
//
// A name is returned as encoded: not trimmed, folded or normalized. A name is
// malformed if it cannot be displayed and compared safely: if it has no user part
// or suffix, or a character that displays nothing, such as a control or format
// character, a space other than U+0020, or a blank glyph. Compare names with
// [Equal].
//
// # Sign-in
//
// [SignIn] implements Microsoft's sign-in document for Azure AD joined and hybrid
// joined machines: which source has precedence, and when the user must type a
// hint. Each result has its source and the statement of the document that decided
// it.
//
// # Limits
//
// The package does not decide whether a certificate may be used for sign-in, see
// package enumerate/rules, and does not map certificates to accounts, see package
// upn/mapping. It verifies no signature. It never uses the E= or CN= of the
// subject as a name.
package upn
