// Package crl checks certificates against certificate revocation lists (RFC 5280, 5
// and 6.3), for the Revoked field of a [challenge.Verifier]:
//
//	revocation := &crl.Checker{}
//	v := challenge.Verifier{Roots: roots, Intermediates: issuers, Revoked: revocation.Check}
//
// Each certificate below the root is looked up in the list of its issuer. Check
// returns nil only if a valid list of each issuer was read and has none of the
// certificates. A list that cannot be fetched, is expired, malformed, too large or
// of another issuer refuses the chain.
//
// # Where lists come from
//
// The lists of a CA are at the URLs of its [Authority], as in Entra ID, or else at
// the distribution points of the certificates that it issued (4.2.1.13), as in
// Windows. Several URLs are alternatives: the first list that can be used decides.
// A delta list is used if the Authority names one, or if the certificate or the base
// list has a freshest CRL extension (4.2.1.15, 5.2.6); then both must be valid.
//
// URLs are http or https. Chains are verified before Check is called, so only
// trusted CAs choose URLs.
//
// # Validity
//
// A list must have its issuer's name and signature, the issuer's key identifier if
// it has one, and a next update that is not past. A list is kept until its next
// update. A later one must not have a lower number: an attacker on the network must
// not bring back a list from before a revocation. Lists are kept in memory only.
//
// # Limits
//
// OCSP and LDAP are not supported: a certificate whose only distribution points are
// LDAP URLs is refused. So are indirect lists, lists for some reasons only, and
// lists with a critical extension that is not in RFC 5280. Lists are not prefetched;
// the first check after a next update waits for the download.
//
// [challenge.Verifier]: https://pkg.go.dev/github.com/smartlogon/smartlogon/enumerate/challenge#Verifier
package crl
