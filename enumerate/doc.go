// Package enumerate finds the sign-in certificates on all cards, judges and
// names them as Windows does, and unlocks their keys.
//
//	find := enumerate.Finder{Service: pcsc.System(nil)}
//	tiles, err := find.Offered(ctx)           // what Windows would show, in its order
//	name, err := upn.SignIn{}.Name(tiles[0].Names)
//	key, err := tiles[0].Unlock(ctx, prompt.Terminal(os.Stdin))
//	defer key.Close()
//	answer, err := challenge.Respond(key, tiles[0].Raw, c, audience)
//
// [Finder.All] streams every certificate on every card as the cards answer, the
// ones that Windows would not show too, each with the findings that say why.
// [Finder.Offered] waits for all and has what Windows would show. Neither asks
// for a PIN, and neither writes to a card. [Finder.Watch] goes on to tell of what
// comes and goes with its card.
//
// A [Credential] is data and stays valid for ever; there is nothing to close. To
// use its key it is unlocked: only then is the PIN asked for, once it is sure
// that the card still holds the same certificate. [New] makes one of a key that
// another library has opened; package pivgo does for piv-go.
//
// [Credential.PIN] asks how a PIN stands, changes and unblocks it.
//
// Cards are PIV cards (SP 800-73-4, package piv) and virtual smart cards or tokens
// with the GIDS application, which package piv has no counterpart for: all that can
// be done with them is here. A card may have both.
package enumerate
