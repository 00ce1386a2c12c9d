// Package server serves software readers by the protocol of pcscd. Clients find
// it through the environment variable PCSCLITE_CSOCK_NAME and cannot tell it from
// pcscd.
//
// The readers are a [reader.Set], which implements cards and connections; a
// [Server] translates. It supports versions 4.4 to 4.6, for each client the one
// that it asks for. Up to 4.5, a client sees the first 16 readers.
//
// Clients are not trusted. The server closes the connection of a client that
// sends a malformed request or uses the card handle of another. When a client
// disconnects, its connections to cards end, and a card in a transaction is
// reset. There is no other check: every process that can open the socket can use
// the cards.
package server
