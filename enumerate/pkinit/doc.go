// Package pkinit signs a user in to Kerberos, such as Active Directory, with the
// key of a certificate: PKINIT (RFC 4556). The key may be on a smart card. The
// package does not use cards: any [crypto.Signer] works.
//
//	package main
//
//	import (
//		"context"
//		"crypto/x509"
//		"os"
//
//		"github.com/smartlogon/smartlogon/card/pcsc"
//		"github.com/smartlogon/smartlogon/card/prompt"
//		"github.com/smartlogon/smartlogon/enumerate"
//		"github.com/smartlogon/smartlogon/enumerate/pkinit"
//	)
//
//	func main() {
//		ctx, find := context.Background(), enumerate.Finder{Service: pcsc.System(nil)}
//		alice := must(find.Offered(ctx))[0]
//		o := pkinit.Options{Roots: x509.NewCertPool()}
//		o.Roots.AppendCertsFromPEM(must(os.ReadFile("authorities.pem"))) // that issue the KDC's certificate
//		key := must(alice.Unlock(ctx, prompt.Terminal(os.Stdin)))
//		defer key.Close()
//		must(0, must(pkinit.Login(ctx, key, alice.Chain(nil), o)).WriteCache(pkinit.DefaultCache()))
//	}
//
//	func must[T any](v T, err error) T {
//		if err != nil {
//			panic(err)
//		}
//		return v
//	}
//
// examples/kinit is a program for users.
//
// # What is sent
//
// The first request has no signature. Its answer names the methods and the time of
// the KDC, and has a freshness token (RFC 8070), which proves that the key is used
// now. The second request is signed once, with SHA-256. It has the checksum of RFC
// 4556 and that of MS-PKCA, which newer Windows KDCs require. It offers
// Diffie-Hellman in the 2048-bit group 14, or ECDH on P-256 if [Options].ECDH is
// set, signatures with SHA-256 or better, the key derivation of RFC 8636, and AES.
// Login never tries again by itself: that would cost another signature, and a touch
// on some cards.
//
// # What is checked
//
// Any host on the network can answer, so the KDC must prove that it is one:
//
//	signature      SHA-256 or better; RSA with 2048 bits or more, or P-256, P-384, P-521
//	certificate    valid, issued by Roots, for KDC authentication, also each issuer's
//	name           krbtgt/REALM, or the dNSName of the domain
//	nonce          in the signed key and in the encrypted part
//	public value   in the group
//	reply          user, realm, service, times and flags as asked for
//	checksum       of the request, if the KDC sends it (RFC 6806, 11)
//
// Messages are read as DER, within limits of size and number. The revocation of the
// KDC's certificate is checked by [Options].Revoked only.
//
// # Names
//
// The name comes from [upn.SignIn] with Hybrid set, or else is the user principal
// name of the certificate, which Active Directory compares with that of the account
// anyway. A name whose suffix is the realm
// is sent as a principal, another one and a hint as an enterprise name, which the
// KDC looks up in the forest and may refer to another realm; see [Form]. A KDC of
// MIT Kerberos usually knows no enterprise names, and compares the user principal
// name of the certificate with case, that of the realm included.
//
// # Errors
//
// An error of the KDC is an [*Error] with its code. card.Hint returns what the user
// can do, for example the mapping to write into the account. Replies that are
// refused are one of the Err variables.
//
// # Limits
//
// The package gets ticket-granting tickets and renews them. [TGT.CCache] and
// [TGT.WriteCache] hand them to programs that get tickets for services. Caches of
// other types than FILE are not supported. The NT hash that Windows puts into the
// ticket for this kind of sign-in is never read. A KDC that encrypts the key with
// RSA is refused. PKINIT needs SHA-1 for a checksum: in FIPS 140-only mode Login
// returns [errors.ErrUnsupported]. Exponentiation in the 2048-bit group takes a time that depends on
// the secret, which is used once.
package pkinit
