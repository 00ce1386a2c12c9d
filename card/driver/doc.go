// Package driver defines the interfaces that a PC/SC backend implements. Package
// card uses a backend as database/sql uses a driver: programs call package card
// and never this one.
//
// Implement [Service] and [Card] to reach readers in a new way, for example
// readers of another machine. Then make a card.Service of it:
//
//	service := card.NewService(backend, nil)
//	defer service.Close() // closes the backend, too
//
// To use one card over a connection that only sends commands and returns
// responses, card.New and its one-method interface are enough.
//
// A backend moves bytes and reports state. It does not chain commands, fetch the
// rest of a response, repeat a command, parse or log; package card does that for
// all backends. The example of [Service] (example_test.go) is a complete backend.
//
// # Waiting
//
// Package card calls a Service from several goroutines. It calls a Card from one
// goroutine at a time, except for Close.
//
// A method with a context returns soon after the context ends, with the
// context's error. Close of a Service or Card makes every call under way return
// and is bounded itself: if the system below cannot cancel a call, leave the
// call behind on its own goroutine and release its resources when it returns.
//
// # Errors
//
// Return an [Errno], the error of the context, or an error that wraps one of
// them. Package card acts on the following numbers, and passes any other error
// on to the program. An error with a method Hint() string tells the user the
// remedy; card.Hint returns it.
//
//	NoService, ServiceStopped, CommError      the service is not running or its connection is lost: card.ErrNoService
//	UnknownReader, ReaderUnavailable,         no such reader: card.ErrNoReader
//	NoReadersAvailable
//	NoSmartcard                               no card in the reader: card.ErrNoCard
//	UnresponsiveCard, UnsupportedCard         the card does not answer to reset: card.ErrMute
//	RemovedCard                               the connection is over: card.ErrRemoved
//	ResetCard, UnpoweredCard                  Begin: Reconnect is called and Begin again; else card.ErrReset
//	SharingViolation                          Connect: tried again until Options.BusyTimeout ends; else card.ErrBusy
//	NotTransacted, CommDataLost               no response, the command may have been executed: card.ErrNoResponse
//	InsufficientBuffer, InvalidParameter,     Transmit: the command is too long for the reader;
//	InternalError, UnsupportedFeature         shorter ones are tried, as after NotTransacted
//	NoAccess, SecurityViolation               the user is refused; the error is passed on
//	InvalidHandle                             the Service or Card is closed
//
// NoService makes card.Service.Watch report all readers as removed and wait for the
// service. Return it only if the service does not run. If the service cannot be used
// for another reason, for example because it refuses the user or the process has no
// free file, return that reason.
//
// If a command may have reached the card and no response came back, return
// NotTransacted and do not send the command again: it may carry a PIN, which the
// card has counted.
package driver
