// Package faultmatrix runs everything that programs do with a card, and lets
// each single command of it fail in each way there is.
//
// A [Card] is a row: a kind of card and what is on it. An [Operation] is what a
// program does with it; those of this package know no application. A [Backend]
// is the way to the card. [Run] makes each operation once with nothing wrong, to
// count its commands, and then once for every command and every [Fault].
//
// # What must hold
//
//   - The result is right, or there is an error, which is one of those that the
//     packages document, and which names the reader and the step.
//   - No certificate, name, signature or plain text is a wrong one.
//   - No more tries of the PIN are spent than the program was asked for, and none
//     where it knows the PIN.
//   - Nothing is left: no transaction, no verified PIN. The next program that
//     comes lists, unlocks and signs.
package faultmatrix
