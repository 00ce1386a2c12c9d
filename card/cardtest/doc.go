// Package cardtest provides software smart cards and readers for tests of programs
// that use cards, as net/http/httptest provides servers for tests of HTTP clients.
// It needs no hardware and no PC/SC service.
//
// A test makes a card, puts it into a reader, and passes the reader's service to the
// program:
//
//	alice := cardtest.Logon("alice@example.com") // a card to sign in with; its PIN is cardtest.PIN
//	service := cardtest.NewService(alice)        // a *card.Service with one reader
//	defer service.Close()
//
//	// run the program with service, then check what it did to the card:
//	alice.PINs()    // PINs received
//	alice.Spent()   // wrong ones among them
//	alice.KeyUses() // signatures and decryptions
//	alice.Writes()  // commands that change the card
//
// # Cards
//
// [PIV], [YubiKey], [Logon] and [Load] return PIV cards. [GIDS] and [TPM] return
// cards with the application of Windows' virtual smart cards. [New] returns a card
// with an application that the test implements. [Combine] joins the applications of
// several cards on one. [Card.Put] stores keys and certificates:
//
//	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"bob@example.com"}})
//	bob := cardtest.PIV(cardtest.T0, cardtest.MaxRetries(5)).Put("9A", key, certificate)
//
// [Model] returns a card that behaves as a real product, from recordings, and
// [ModelFacts] what is known of it. [Replay] returns a card that repeats the responses
// of a transcript.
//
// An [Option] changes a card in one respect. Most are a [Quirk], something that some
// real cards do. The cards are written from the standards. Apart from BER encoding
// they share no code with the packages of this module that use cards, so a mistake in
// one is not hidden by the same mistake in the other.
//
// # Readers
//
// [NewReaders] returns readers whose cards can be inserted, removed, reset and
// replaced during a test. [Readers.Fault] makes a command fail, [Readers.Trace]
// writes down the commands, [Readers.Limit] makes a reader refuse long ones, and
// [Readers.Serve] lets other programs use the readers
// in the place of pcscd. [Card.ServeVPCD] inserts a card into a reader of a real
// PC/SC service.
//
// # Certificates
//
// [TestCA] issues the certificate that a [Leaf] describes, valid or not. [Key]
// returns fixed, public keys.
//
// # Security
//
// The cards protect nothing: their keys and PINs are public. Do not use them outside
// of tests and demonstrations. The package does not import testing, so that a
// program can have a demonstration mode.
package cardtest
