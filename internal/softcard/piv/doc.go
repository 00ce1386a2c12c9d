// Package piv is a software PIV card application, written from NIST SP
// 800-73-4 and 800-73-5 part 2. It shares nothing with the client of this
// module but internal/ber: what the client misreads, this card does not misread
// with it.
//
// A card for a test is made in three lines:
//
//	app := piv.New(piv.Config{})                     // PIN 123456, PUK 12345678
//	err := app.Put(0x9A, key, certificate)           // either may be missing, they need not match
//	card := iso.New(iso.Config{}, app)               // bytes in, bytes out
//
// [Config] chooses PINs, counters and the administrator's key; [Quirks] makes
// the card do what real cards do and the standard does not say; a [Version] in
// Config makes it a YubiKey. [Application.Tries] tells a test what PIN tries
// were spent, [Application.Object] what was written.
//
// The card guards nothing: private keys lie in memory as Go values. It has no
// secure messaging, no biometrics and no pairing code, so over its contactless
// interface it shows what needs neither.
package piv
