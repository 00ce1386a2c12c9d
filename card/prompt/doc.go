// Package prompt asks for PINs. [Terminal] asks the user at a terminal, [TTY] even
// where the standard input is data, [Pinentry] with a dialog of the desktop, and
// [Env] reads an environment variable. Each returns a [card.PINFunc], which every
// call that needs a PIN takes. With a credential from package enumerate:
//
//	key, err := credential.Unlock(ctx, prompt.Terminal(os.Stdin))
//
// A PIN that contains a control character, for example one of an arrow key, is
// refused here and not sent to the card: [ErrControlCharacter].
package prompt
