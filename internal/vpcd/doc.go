// Package vpcd plugs a software card into a real PC/SC service, through the
// virtual reader of the vsmartcard project (vpcd).
//
// The reader listens on TCP, port 35963 with the configuration that
// distributions ship, and the card comes to it: to connect is to be inserted,
// to disconnect to be removed. Every message, both ways, is a length in two
// bytes, high byte first, and that many bytes. One byte is an order to the
// card's power supply or asks for the ATR; all else is a command.
//
// The reader asks for the ATR every 400 ms to see whether the card is still
// there, so programs learn of insertion and removal with that delay.
//
// vpcd listens on all interfaces and checks nobody. Do not run it where others
// can reach the port.
package vpcd
