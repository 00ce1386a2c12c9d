// Package client implements [driver.Service] on the protocol of pcscd, without
// libpcsclite and without cgo.
//
// [New] connects to nothing; each call connects when it needs to. If the service
// stops, the calls under way return ServiceStopped and later ones NoService until
// it runs again. A connection to a card does not survive a restart. The event
// counts after a restart differ from those before, since a card may have been
// exchanged meanwhile.
//
// libpcsclite differs as follows. It tries every 100 ms for a card that is in use.
// Only SCardGetStatusChange can be canceled. It supports more than 16 readers
// since 2.5 only. It reads the table of readers on the connection on which it
// waits for changes, where events and tables can overtake each other.
package client
