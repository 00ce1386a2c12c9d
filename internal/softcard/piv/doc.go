// Package piv is a software PIV card application, written from NIST SP
// 800-73-4 and 800-73-5 part 2. With the client of this module it shares only
// internal/ber, so a misreading of the client is not repeated by the card.
//
// A card for a test takes three lines:
//
//	app := piv.New(piv.Config{})                     // PIN 123456, PUK 12345678
//	err := app.Put(0x9A, key, certificate)           // either may be nil, they need not match
//	card := iso.New(iso.Config{}, app)               // bytes in, bytes out
//
// [Config] sets PINs, retry counters and the administrator's key. [Quirks] are
// deviations of real cards from the standard. [Config.Firmware] makes the card
// a YubiKey; what only a YubiKey does is in the files yubikey*.go.
// [Application.Tries] reports the PIN attempts made, [Application.Object] what
// was written.
//
// The card protects nothing: private keys are Go values in memory. It has no
// secure messaging, no biometrics and no pairing code, so its contactless
// interface offers only what requires none of them.
package piv
