// Package pcsclite is the protocol that programs speak with pcscd over its unix
// socket: the messages, their bytes, and nothing that moves them. Package
// client asks, package server answers; both use this one codec, so what one
// writes the other can read, and what libpcsclite writes both can.
//
// A program sends a [Header], the body of the command, and for Transmit and
// Control the bytes for the card or reader. The service sends the body back
// with its fields filled in, and then the bytes of the card or reader. An
// answer has no header: only who asked knows what it is. All numbers are in
// the byte order of the machine. [ReadRequest] reads the one side,
// [ReadAnswer], [ReadData] and [ReadTable] the other; all of them check every
// length before they allocate.
//
// The versions 4.4, 4.5 and 4.6 differ in the table of readers alone: up to 4.5
// it has 16 entries, always; 4.6 sends as many as it says.
//
// Numbers of errors are pcsc-lite's on the wire and Windows' everywhere else:
// [Errno] and [Code] translate.
package pcsclite
