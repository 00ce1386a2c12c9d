// Package smartlogon signs people in with smart cards. It is the front page of a
// module whose packages do the work; there is nothing to import here.
//
// Readers hold cards, cards hold credentials, credentials carry names and sign:
//
//	card       readers, cards, commands, and the one gate that PINs pass
//	piv        the PIV application of a card (NIST SP 800-73-4), any vendor's
//	enumerate  the certificates on all cards, PIV cards and virtual smart cards
//	           (GIDS), judged and named as Windows does; their keys, unlocked
//	upn        whom a certificate names, and which name Windows would send
//
// A program that signs a person in needs four of the packages below:
//
//   - card/pcsc has the machine's readers, card/cardtest software ones for tests;
//   - enumerate finds the credentials and unlocks one with a PIN, which
//     card/prompt asks for;
//   - upn says which name Windows would send to Azure AD (Entra);
//   - enumerate/challenge answers a server's challenge, and verifies the answer
//     on the server, which gets no smart card code by it.
//
// Others are for those who need one thing only: enumerate/rules is Microsoft's
// rules for sign-in certificates as a pure function, upn/mapping the strings
// that tie a certificate to an account in Entra or Active Directory.
//
// The programs in examples are small and made to be copied; examples/signin is
// the one to read first.
package smartlogon
