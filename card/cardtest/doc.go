// Package cardtest has smart cards and readers made of software, for tests of
// programs that use cards, as net/http/httptest has servers for programs that
// use HTTP. Nothing has to be installed or plugged in.
//
// The three things most people do:
//
//	svc := cardtest.NewService(cardtest.Logon("alice@example.com")) // a card to sign in with
//	card := cardtest.PIV().Put("9A", key, certificate)              // a card with one's own
//	card, err := cardtest.Load("testdata/card")                     // a card from files
//
// The PIN of every card is [PIN].
//
// # Cards
//
// [PIV], [YubiKey], [Logon] and [Load] make PIV cards, [GIDS] and [TPM] cards with
// the application of virtual smart cards; [Combine] makes one card of several. They
// are written from the standards and not from the client of this module, so that a
// mistake in one is not hidden by the same mistake in the other. Options make a card
// do what real ones do: see [Quirk]. [Card.RetriesLeft], [Card.Exchanges] and [Card.Writes]
// say what a program did to a card.
//
// # Readers
//
// [NewReaders] has readers in which cards come and go, that fail when told to
// ([Readers.Fault]), that write down what passes ([Readers.Trace]), and that
// other programs can use: as pcscd's ([Readers.Serve]). [Card.ServeVPCD] plugs a
// card into a real PC/SC service.
//
// # Certificates
//
// [TestCA] issues the certificates of a [Leaf], good and bad ones. All keys are
// fixed, public and worthless; see [Key].
//
// # What it is not
//
// The cards guard nothing, not even their keys, and are no authenticators to
// use outside of tests. The package does not import testing, so that programs
// can have a demonstration mode.
package cardtest
