// Package server shows software readers to programs that look for pcscd: they
// find them on a unix socket, through libpcsclite and the environment variable
// PCSCLITE_CSOCK_NAME, and notice no difference.
//
// The readers are a [reader.Set], which has all of the behaviour of cards and
// connections; a [Server] only translates. It speaks versions 4.4 to 4.6, each
// to whom asks for it. Up to 4.5 a program sees the first 16 readers.
//
// Programs are not trusted. Whoever sends what is no request, or names a card
// connection that is not his, is cut off; what a program that went away held is
// let go, and its card reset if it was in a transaction. Everybody who can open
// the socket can use the cards: there is no other check.
package server
