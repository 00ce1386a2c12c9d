// Package piv uses PIV cards (NIST SP 800-73-4 and -5) of any vendor: the
// certificates on them, their data objects, and their keys.
//
//	p := piv.New(c) // a *card.Card
//	cert, err := p.Certificate(ctx, piv.Authentication)
//	key, err := p.Key(ctx, piv.Authentication, public, card.FixedPIN(pin))
//	defer key.Close()
//	signature, err := key.Sign(nil, digest, crypto.SHA256)
//
// A [Card] is a name like the [card.Card] it is made of: nothing is opened, and
// every call finds out anew whether the card has the PIV application
// ([ErrNotPIV]) and makes it current.
//
// # Certificates
//
// [Card.Certificates] streams what is on the card with as few exchanges as the
// card allows. A certificate is handed out as the bytes on the card, also one
// that crypto/x509 does not parse; compressed ones are inflated.
// [Card.FindContainer] finds a slot by the name that Windows has for it.
//
// # Keys
//
// A [Key] is a [crypto.Signer], and where its algorithm allows a
// [crypto.Decrypter], a [crypto.MessageSigner] or a party to a Diffie-Hellman
// exchange. Every signature is checked under the public key that the Key was
// opened with before it is returned.
//
// The PIN is asked for, counted and guarded as the package comment of package
// card says. When it is needed depends on the slot (SP 800-73-4 part 1, table
// 5): once for Authentication, KeyManagement and the retired keys, each time for
// Signature, never for CardAuthentication.
//
// # Administration
//
// A Card and a Key never write. Whoever wants to change a card takes one of
// three types, by what it takes to be allowed to: [Card.Holder] changes PIN and
// PUK, [Card.Admin] makes keys and stores certificates with the management key,
// [Card.YubiKey] resets a YubiKey, and has it attest. A change that was interrupted
// is an *[InterruptedError], which says how the card stands.
//
// No vendor's instruction is sent before the card is known to be of that vendor:
// what only YubiKeys have is errors.ErrUnsupported on other cards.
//
// # What it does not do
//
// There is no secure messaging, so no virtual contact interface: over NFC only
// what the standard leaves open there. Signatures of the issuer over objects are
// handed out and not checked. Fingerprints are not used.
package piv
