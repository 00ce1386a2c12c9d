// Package ber reads and writes tag-length-value data: the BER-TLV objects of
// smart cards (ISO/IEC 7816-4, 5.2.2) and the DER of certificates (ITU-T X.690).
//
// A [Reader] walks one level of elements. It never copies, never allocates
// before a fault, never reads past its input and never recurses: whoever wants
// the elements inside an element asks for them with [Element.Inside].
//
// [BER] takes what cards really send: lengths that are longer than they need
// to be. [DER] takes only the one encoding that certificates may have. Both
// refuse indefinite lengths, tags of more than three bytes and lengths that
// need more than four.
//
// The package is the only one that the software cards of this module share
// with its clients.
package ber
