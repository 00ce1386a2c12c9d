// Package card uses smart cards: it lists readers, waits for cards, sends commands,
// and verifies and changes PINs. It implements ISO/IEC 7816-4 and no application on a
// card; package piv is an application that uses it.
//
//	service := pcsc.System(nil) // the PC/SC service of the machine
//	defer service.Close()
//	c, err := service.Card(ctx, "Reader 0")
//	if err != nil {
//		return err
//	}
//	return c.Do(ctx, func(tx *card.Tx) error {
//		if _, err := tx.Select(aid); err != nil {
//			return err
//		}
//		data, err := tx.Command(card.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Data: tag, Ne: card.MaxResponse})
//		fmt.Printf("%X\n", data)
//		return err
//	})
//
// # Readers and cards
//
// A [Service] is a set of readers. Package pcsc returns that of the machine, package
// cardtest has software readers for tests, and [NewService] uses any other driver.
// [New] returns a single [Card] on any other transport. [Service.Readers] lists the
// readers; [Service.Watch] reports readers and cards as they are added, inserted and
// removed.
//
// # Transactions
//
// [Card.Do] runs a function in a transaction: it connects, keeps other programs out,
// and disconnects, so that other programs can use the card between two transactions.
// Never wait for the user in one: Windows resets a card whose transaction is idle for
// five seconds. In the next transaction another application may be selected, and the
// PIN may not be verified any more.
//
// [Tx.Command] does command chaining, extended length, GET RESPONSE and the correction
// of Le, and returns status words as errors.
//
// # PINs
//
// [Card.DoWithPIN] verifies a PIN and [Card.ChangePIN] sets one. An application
// describes its PIN by a [Verification]; the program supplies a [PINFunc]. It is called
// outside of any transaction, with the number of retries left, and again with the
// reason if its PIN was not accepted. Package prompt has PINFuncs that ask the user.
// [FixedPIN] returns a PIN that the program knows, and [CachePIN] remembers one for a
// while. If the reader has a keypad, the user can enter the PIN there
// ([PINRequest].Pad). The package promises:
//
//   - A PIN is sent only to the card that the user was asked for, and only if its
//     application was selected in the same transaction.
//   - A try is spent only on a PIN that the PINFunc returned for it.
//   - A try that may be the last is spent only on a PIN with [PIN.AllowLastTry]. If the
//     card does not report its retry counter, every try may be the last; see
//     [AllowUnknownRetries].
//   - A PIN that the card refused is not sent to it again by the same Service.
//   - Reading the retry counter costs no try.
//   - When the transaction ends, the PIN is not verified any more, unless the card is
//     held by [Card.Hold]; then it ends with the last hold. This includes panics, the
//     end of a context, and [Service.Close].
//   - A PIN is in no log, trace or error, and its memory is zeroed after use.
//
// # Identity
//
// A reader does not always show that a card was exchanged. An application reads an
// [Identity] from the card, such as a serial number, and compares it by [Tx.Identify]
// after each new connection, before it sends a PIN, writes, or uses a key. Refused and
// remembered PINs belong to an identity. If it differs, the error is [ErrChanged], and
// the Card cannot be used any more.
//
// # Errors
//
// Every call that fails returns an *[Error], which has the reader and the operation. It
// wraps one of the Err variables, a [Status], a *[PINError], an error of package driver,
// or the error of the context. [Hint] returns what the user can do about an error.
package card
