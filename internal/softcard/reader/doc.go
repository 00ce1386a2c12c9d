// Package reader is a set of software readers: what a PC/SC service knows of
// its readers and cards, without readers and without a service.
//
// A [Set] holds named readers. Cards go in with [Set.Insert] and out with
// [Set.Remove]; [Set.Connect] makes connections that share the card, hold it
// in transactions and lose it by reset and removal as real ones do.
// [Set.Snapshot] tells the state of all readers and when it changes.
//
// Two fronts stand on it: [Set.Service], the in-process driver for package
// card, and the server of pcscd's protocol.
//
// # What is as in a real service
//
// Errors are those that pcscd and Windows give, as a [driver.Errno].
//
//   - A connection whose card was reset by another one fails with ResetCard
//     until it reconnects; one whose card was removed fails with RemovedCard,
//     also when the same card is back.
//   - Transactions are handed over in the order in which they were asked for.
//     A command of another connection waits for the end of a transaction too.
//   - A card loses its state by reset, by removal, by the death of a client
//     that held it in a transaction, by a stop of the service, and when the
//     last connection to it is closed (see [Set.PowerDown]).
//   - Event counters count insertions and removals, modulo 65536.
//
// # What is not
//
// There is no direct mode (a connection without a card), no eject, no
// attributes, and of orders to readers only those of PIN pads. Sets do not talk to
// hardware.
package reader
