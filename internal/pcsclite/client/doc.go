// Package client reaches the readers of pcscd, or of any service that speaks
// its protocol, without libpcsclite and without cgo.
//
// [New] contacts nothing; every call connects when it has to. When the service
// stops, the calls under way fail with ServiceStopped, later ones with
// NoService until it is back; a connection to a card does not survive. The
// event counts of readers go on in a way that shows that nobody watched the
// cards meanwhile.
//
// What libpcsclite does differently: it tries for a card that is held each
// 100 ms; it cannot be cancelled but in SCardGetStatusChange; it sees more than
// 16 readers since 2.5 only; it takes the table of readers from the connection
// on which it waits for changes, where events and tables can overtake each
// other.
package client
