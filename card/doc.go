// Package card talks to smart cards: readers, the cards in them, commands and
// PINs. It knows ISO/IEC 7816-4 and nothing of any application on a card;
// package piv is one that stands on it.
//
// A [Service] is a set of readers. It comes from package pcsc (the machine's
// own), from package cardtest (software readers) or, by [NewService], from any
// driver. A single card on any transport comes from [New].
//
// A [Card] is a name, not a handle: the card now in that reader, for as long
// as it stays there. There is nothing to close. Work is done in a section:
//
//	err := c.Do(ctx, func(tx *card.Tx) error {
//		if _, err := tx.Select(aid); err != nil {
//			return err
//		}
//		data, err := tx.Command(card.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Data: tag, Ne: card.MaxResponse})
//		…
//	})
//
// A section connects, keeps other programs out, and lets go of the card again,
// so that they can work between two sections. Never wait for a person inside
// one: Windows resets a card whose section idles for five seconds. Whatever a
// section found selected or verified may be gone in the next.
//
// [Service.Watch] tells of readers and cards that come and go.
//
// [Tx.Command] takes care of command chaining, extended length, GET RESPONSE
// and wrong lengths, and turns status words into errors.
//
// # PINs
//
// [Card.DoWithPIN] verifies a PIN, and [Card.ChangePIN] sets one; no other call
// takes a person's PIN. The program hands over a [PINFunc]; it is asked outside of any
// section, with the number of tries left, and again with the reason when its
// answer was not taken. Package prompt has the usual ones; [FixedPIN] answers with
// a PIN that the program knows, [CachePIN] remembers one for a while. Where the
// reader has keys of its own, the PINFunc can have the person type there
// ([PINRequest].Pad). These promises hold:
//
//   - no try is spent that the PINFunc did not answer for;
//   - the last try, and a try of which the card will not say whether it is the
//     last, is spent only on a PIN that [PIN.AllowLastTry] was called on;
//   - a PIN that the card refused is not sent to it again by this Service;
//   - asking for the number of tries costs none;
//   - a PIN goes only to an application that the section knows to be selected;
//   - no PIN is in a log, a trace or an error, and its memory is zeroed.
//
// # Errors
//
// Every exported call that fails returns an *[Error], which names the reader
// and what was being done and wraps one of the Err values, a [Status], a
// *[PINError] or the error of the context. [Hint] says what a person can do.
package card
