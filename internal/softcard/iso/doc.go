// Package iso is the part of a software card that ISO/IEC 7816-4 describes and
// every card application shares: commands with short and extended lengths,
// command chaining, answers fetched in pieces with GET RESPONSE, and SELECT by
// application identifier.
//
// A [Card] is made of an answer to reset and applications:
//
//	card := iso.New(iso.Config{}, piv.New(piv.Config{}))
//	answer := card.Transmit([]byte{0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x03, 0x08})
//
// What a real card may lack or do differently is a field of [Config]. What a
// test wants to know about the traffic is in [Card.Count].
//
// The package has no logical channels, no secure messaging and no files: those
// that an application has are its own affair.
package iso
