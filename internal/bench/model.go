package main

import "time"

// A link is what is between a program and a card. A job takes exchanges × latency +
// bytes ÷ rate. The time in which a card computes a signature is left out: it is the
// same for each program.
type link struct {
	name    string
	latency time.Duration // of one exchange, apart from its bytes
	rate    int           // bytes a second
	source  string
}

func (l link) time(exchanges, bytes int) time.Duration {
	return time.Duration(exchanges)*l.latency + time.Duration(bytes)*time.Second/time.Duration(l.rate)
}

var links = []link{
	{"USB token", 2 * time.Millisecond, 64_000,
		"a command and its response each take a frame of full-speed USB, 1 ms (USB 2.0, 8.4.3), and move in packets of 64 bytes (USB 2.0, 5.8.3), of which one a frame is assumed; a YubiKey 5 itself responds in less than 1 ms ([trussed-dev/piv-authenticator issue 40](https://github.com/trussed-dev/piv-authenticator/issues/40))"},
	{"T=0 contact card", 12 * time.Millisecond, 20_833,
		"USB as above, and 10 ms that the card is assumed to compute; 4 MHz, 512 cycles for 32 bits (TA1 = 96) and 12 bit times a byte (ISO/IEC 7816-3, 7.3 and 8.3)"},
	{"NFC", 17 * time.Millisecond, 11_778,
		"USB as above, and 15 ms of the card, from the 215 to 740 ms that a payment takes, some 20 exchanges ([measured](https://wwopenfare.com/isodep-transceive-times/)); 106 kbit/s and 9 bits a byte (ISO/IEC 14443-3, 6.2)"},
}
