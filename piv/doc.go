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
// ([ErrNotPIV]) and makes it current. No vendor's instruction is ever sent
// first, and nothing in this package writes to a card.
//
// [Card.Certificates] streams what is on the card with as few exchanges as the
// card allows. A certificate is handed out as the bytes on the card, also one
// that crypto/x509 does not parse; compressed ones are inflated.
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
package piv
