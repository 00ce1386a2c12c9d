// Package winscard implements [driver.Service] with the functions of winscard.h,
// which Windows, macOS and pcsc-lite share. They block without a deadline, and
// libpcsclite holds locks during some of them that stop every other call of the
// process. This package handles both. It calls a [System] instead of a C library,
// so that it is tested without one.
//
// # Contexts
//
// Each connection to a card uses a context of its own, because calls on one
// context wait for each other. One more context reads the state of the readers.
// Waiting for a change takes a third; it only tells that something changed, so
// that [driver.Service.Wait] returns states that compare with those of
// [driver.Service.Readers].
//
// A call that cannot be canceled runs on a goroutine. If the context of its
// caller ends first, the goroutine stays until the call returns and then releases
// the result.
//
// # Locks of libpcsclite
//
// A call takes the lock of its context while it holds the lock of the process.
// So a call on a context with another call under way stops the whole process
// until the other call returns. There are two exceptions: SCardCancel, and calls
// that the library repeats every 100 ms (SCardBeginTransaction, SCardReconnect),
// which release the context in between.
package winscard
