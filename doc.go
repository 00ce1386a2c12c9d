// Package smartlogon is the overview of a module for signing in with smart
// cards. It has no identifiers; import the packages below.
//
// The module finds the certificates on all cards, decides by Windows' rules which
// can be used to sign in, determines the user name, and signs with the card's key:
//
//	card       readers, cards, commands, and the PIN guard
//	piv        the PIV application of a card (NIST SP 800-73-4), any vendor's
//	enumerate  the credentials on PIV cards and virtual smart cards (GIDS),
//	           judged and named; their keys, unlocked with a PIN
//	upn        the names in a certificate, and the one that Windows sends
//
// A program that signs a user in needs these:
//
//   - card/pcsc, the machine's readers, or card/cardtest, software readers and
//     cards for tests
//   - enumerate, which lists credentials and unlocks their keys, and card/prompt,
//     which asks the user for the PIN
//   - upn, for the name that is sent to Azure AD (Entra)
//   - enumerate/challenge, which answers a server's challenge, and verifies the
//     answer on the server without importing any smart card code
//   - enumerate/pkinit, which gets a Kerberos ticket, as from Active Directory
//
// Programs that use TLS or SSH need enumerate/mtls, which authenticates TLS clients,
// or enumerate/sshagent, an SSH agent.
//
// For Entra ID there is enumerate/entra, which signs in with a certificate as
// browsers do. A server checks revocation with enumerate/crl.
//
// Two packages need no card: enumerate/rules checks a certificate against
// Windows' rules for sign-in, and upn/mapping prints, parses and matches the
// strings that map a certificate to an account in Entra or Active Directory.
//
// The programs in examples are short and meant to be copied; start with
// examples/signin.
package smartlogon
