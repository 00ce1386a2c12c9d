// Package winscard makes a [driver.Service] of the calls that C programs have
// for PC/SC: those of winscard.h, the same on Windows, macOS, Linux and the
// BSDs. They block and know of no deadline; a library of the system keeps
// locks that stop every other call while some of them wait. What follows from
// that is in this package, apart from any such library, so that it is tested
// without one.
//
// # Who uses what
//
// Each connection to a card has a context of its own, because calls on one
// context wait for each other. One more context is for questions about
// readers. Waiting for a change takes a third, which tells only that something
// has changed: so what [driver.Service.Wait] returns compares with what
// [driver.Service.Readers] returns.
//
// A call that cannot be cancelled runs on a goroutine. When its caller's
// context ends first, the goroutine stays until the call returns, and puts in
// order what it left.
//
// # Locks of pcsc-lite's library
//
// A call takes the lock of its context while it holds the one lock of the
// process. So a call on a context on which another call is under way stops the
// whole process until that one returns. The only exceptions are Cancel, and
// calls that the library itself repeats every 100 ms (begin, reconnect): the
// context is free in between.
package winscard
