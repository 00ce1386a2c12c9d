// Package soak uses software cards for minutes while everything around them changes.
//
// Eight goroutines unlock keys and sign with the cards of 16 readers. Meanwhile cards
// are inserted, removed and exchanged, readers are unplugged, the service restarts,
// other programs select applications, verify PINs and reset cards, operations are
// canceled, and some PINs are wrong. After each round all of that stops, and the test
// checks what is left.
//
// # What must hold
//
//   - Every certificate, name and signature is the right one, and every error is one
//     of those that the events cause.
//   - No card receives a PIN, or a command that uses a key, that was not sent for it.
//     No wrong PIN is spent except those that the test entered.
//   - At rest no card is verified or in a transaction, and Watch shows what is in the
//     readers.
//   - At rest there are as many goroutines and open files as after the first round.
//   - Resident memory stays within 5 % of its value after the first minute.
//
// # Running
//
// go test runs it for a second. make soak runs it for SOAK, each backend in a process
// of its own: in process, the client in Go on a socket, and libpcsclite on a socket if
// the test was built with it. SMARTLOGON_SOAK_SEED sets the seed of the random
// choices.
package soak
