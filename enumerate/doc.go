// Package enumerate finds the certificates on all smart cards of a machine, judges
// and names them as Windows does for signing in, and unlocks their keys.
//
//	service := pcsc.System(nil)
//	defer service.Close()
//	find := enumerate.Finder{Service: service}
//	offered, err := find.Offered(ctx) // what Windows would show, in its order
//	if len(offered) == 0 {
//		log.Fatal(err, card.Hint(err))
//	}
//	key, err := offered[0].Unlock(ctx, prompt.Terminal(os.Stdin)) // asks for the PIN
//	if err != nil {
//		log.Fatal(err, card.Hint(err))
//	}
//	defer key.Close()
//	digest := sha256.Sum256(message)
//	signature, err := key.Sign(nil, digest[:], crypto.SHA256)
//
// Package card/pcsc has the machine's PC/SC service, and package card/prompt asks for
// PINs. Tests use software cards: cardtest.NewService(cardtest.Logon("alice@example.com"))
// of package card/cardtest is a service with one card.
//
// # Finding
//
// [Finder.Offered] returns what Windows would show. [Finder.All] yields every
// certificate. Its Findings say why Windows would not show it:
//
//	for c, err := range find.All(ctx) {
//		if err != nil {
//			log.Print(err) // of one reader or certificate
//			continue
//		}
//		fmt.Println(c, c.Findings.Offered())
//		for _, f := range c.Findings {
//			fmt.Println(f.Rule, f.Verdict, f.Detail())
//		}
//	}
//
// [Finder.Watch] also reports what is inserted and removed later. None of the three
// asks for a PIN or writes to a card.
//
// The cards are PIV cards (NIST SP 800-73-4; package piv reads and writes more of
// them), and virtual smart cards and tokens with the GIDS application. A card may
// have both.
//
// # Using
//
// A [Credential] is data: there is nothing to close, and it does not expire.
// [Credential.Unlock] returns its [Key], a [crypto.Signer], after it has made sure
// that the card is the one that was listed. [Credential.PIN] reads the state of the
// PIN, changes and unblocks it. [New] makes a Credential of a key that another
// library opened.
//
// Next steps: package upn selects the user name among [Credential.Names], package
// challenge signs in to a server with a Key, and package rules explains findings
// and policies.
//
// # Errors
//
// Errors name the reader and wrap an error of this package, of package card or of
// the application (package piv). [card.Hint] returns what the user can do.
package enumerate
