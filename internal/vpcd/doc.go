// Package vpcd connects a software card to the virtual reader of the vsmartcard
// project (vpcd), a driver of a real PC/SC service.
//
// The reader listens on TCP, by default on port 35963. The card is inserted by
// connecting and removed by disconnecting. A message, in both directions, is two
// bytes of length, high byte first, and the data. A message of one byte controls
// the power or requests the ATR; any other is a command.
//
// The reader requests the ATR every 400 ms to detect removal, so the service
// reports insertions and removals with that delay.
//
// vpcd listens on all interfaces and does not authenticate clients. Do not run it
// where the port can be reached from other machines.
package vpcd
