// Package reader implements software readers with the behavior of a PC/SC
// service, without hardware and without a service.
//
// A [Set] holds named readers. [Set.Insert] and [Set.Remove] insert and remove
// cards. [Set.Connect] opens connections, which share the card, hold it in
// transactions, and end with reset and removal. [Set.Snapshot] returns the state
// of all readers and a channel that is closed when it changes.
//
// Two services use it: [Set.Service], the in-process driver for package card, and
// the server of pcscd's protocol, package pcsclite/server.
//
// # As in a real service
//
// Errors are those of pcscd and Windows, as [driver.Errno].
//
//   - After a reset by another program, a connection fails with ResetCard until it
//     reconnects. After the removal of the card it fails with RemovedCard, even if
//     the same card is inserted again.
//   - Connections get transactions in the order in which they asked for them. A
//     command of another connection waits for the end of a transaction, too.
//   - A card loses its state by reset, by removal, when a client that holds it in a
//     transaction is killed, when the service stops, and when the last connection
//     to it is closed (see [Set.PowerDown]).
//   - Event counters count insertions and removals, modulo 65536. They do not count
//     a card that is in a reader from the start (see [Set.Plug]).
//
// # Not implemented
//
// Direct mode (a connection without a card), eject, attributes, and control codes
// other than those of PIN pads.
package reader
