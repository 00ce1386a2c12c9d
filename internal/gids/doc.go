// Package gids uses the GIDS card application (Generic Identity Device
// Specification), which Windows virtual smart cards and some tokens have: it reads
// certificates, signs, decrypts and sets the PIN. It writes nothing else.
//
//	g := gids.New(c) // a *card.Card
//	for cert, err := range g.Certificates(ctx) { … }
//	key, err := g.Key(ctx, cert, public, ask)
//	defer key.Close()
//
// # Data on the card
//
// Elementary files hold data objects. The master file table maps the names of the
// files that Windows sees to data objects: the container map (mscp\cmapfile), the
// certificates (mscp\kxcNN of key exchange keys, mscp\kscNN of signature keys),
// counters of changes (\cardcf) and the identifier of the card (\cardid). The key of
// container n has the reference 81+n, unless the key map states another one.
//
// # Sources
//
// The specification is no longer public. This package follows Microsoft's driver
// documentation and other implementations; comments mark what it assumes beyond
// that. It sends what Windows is known to send: short commands, at most 240 bytes
// of data to a key in one command, and no padding indicator in front of ciphertext.
// Elliptic curve keys have algorithm identifiers but no documented exchange; how
// they sign is an assumption that no card has confirmed.
package gids
