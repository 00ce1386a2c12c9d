// Package pcsclite encodes and decodes the messages of the protocol between
// pcscd and its clients, as libpcsclite does. Package client sends requests,
// package server responds to them.
//
// A request is a [Header], the body of the command and, for Transmit and Control,
// the bytes for the card or reader. The response is the same body with its result
// fields set, and then the bytes from the card or reader. It has no header: its
// type follows from the request. Numbers are in the byte order of the machine.
//
// [ReadRequest] reads requests; [ReadResponse], [ReadData] and [ReadTable] read
// responses. They check every length before they allocate memory.
//
// Versions 4.4, 4.5 and 4.6 differ in the table of readers: up to 4.5 it has 16
// entries, in 4.6 as many as the service says.
//
// [Errno] and [Code] translate between the error numbers of pcsc-lite, used on
// the wire, and those of Windows, used by package driver.
package pcsclite
