// Package ber reads and writes tag-length-value data: the BER-TLV objects of
// smart cards (ISO/IEC 7816-4, 5.2.2) and the DER of certificates (ITU-T X.690).
//
// A [Reader] walks one level of elements; [Element.Inside] reads the level
// below. It never copies, never recurses, never reads past its input and
// allocates only to report a fault.
//
// [BER] accepts lengths that are longer than necessary, because cards send
// them. [DER] accepts only minimal lengths, as certificates must have. Both
// refuse indefinite lengths, tags of more than three bytes and lengths of more
// than four.
//
// The software cards of this module share this package with its clients, and
// no other: a misreading cannot hide in both.
package ber
