// Package gids uses the GIDS application (Generic Identity Device Specification)
// of virtual smart cards, which Windows makes with a TPM, and of tokens that
// speak the same: it reads certificates, signs, decrypts and sets the PIN. It
// never writes anything else.
//
//	g := gids.New(c)
//	for cert, err := range g.Certificates(ctx) { … }
//	key, err := g.Key(ctx, cert, public, ask)
//
// # What is on such a card
//
// Data objects in elementary files. The master file table says which object is
// which file of the little file system that Windows sees: the container map
// (mscp\cmapfile), the certificates (mscp\kxcNN of key exchange keys, mscp\kscNN of
// signature keys), counters that tell of changes (\cardcf), an identifier
// (\cardid). Container n has the key 81+n, unless the key map says otherwise.
//
// The specification itself is not public any more. What is known is from
// Microsoft's driver documentation and from programs that speak it; what this
// package assumes beyond that its comments say. It sends what Windows is known to
// send: short commands, parts of 240 bytes, no padding indicator in front of what
// is to be decrypted. Keys on elliptic curves have identifiers and no known
// exchange: that they sign as assumed here is not proven on any card.
package gids
