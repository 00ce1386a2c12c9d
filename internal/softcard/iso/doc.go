// Package iso implements the part of a software card that all card applications
// share (ISO/IEC 7816-4): commands with short and extended lengths, command
// chaining, GET RESPONSE, and SELECT by application identifier.
//
// A [Card] consists of an answer to reset and applications:
//
//	card := iso.New(iso.Config{}, piv.New(piv.Config{}))
//	response := card.Transmit([]byte{0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x03, 0x08})
//
// Fields of [Config] switch off or change what real cards lack or do differently.
// [Card.Count] counts the traffic.
//
// The package implements neither logical channels nor secure messaging. Files are
// left to the applications.
package iso
