// Package piv reads, uses and administers PIV cards (NIST SP 800-73-4 and -5) of
// any vendor: certificates, data objects, keys, PINs. Yubico's additions are there
// for YubiKeys. To find and judge certificates on all cards at once, use package
// enumerate.
//
// This program signs with the key that a PIV card has for signing in:
//
//	service := pcsc.System(nil)
//	defer service.Close()
//	readers, err := service.Readers(ctx)
//	c, err := service.Card(ctx, readers[0].Name)
//	p := piv.New(c)
//	cert, err := p.Certificate(ctx, piv.Authentication)
//	key, err := p.KeyFor(ctx, cert, prompt.Terminal(os.Stdin))
//	defer key.Close()
//	digest := sha256.Sum256([]byte("message"))
//	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
//
// From there: [Card.Certificates] lists all certificates, [Card.Holder] changes the
// PIN, [Card.Admin] generates keys and stores certificates, [Card.YubiKey] attests
// keys. Package card/cardtest has software cards to try it on, and [card.Hint]
// returns what the user can do about an error.
//
// # Cards
//
// A [Card] is a name like the [card.Card] that it is made from: New opens nothing
// and there is nothing to close. Each call selects the PIV application, or fails
// with [ErrNotPIV].
//
// A PIN, a write and a use of a key go only to the card that was seen first. The
// card is identified by its CHUID, else by the serial number of a YubiKey, each
// time a new connection is made. If it is another one, or an open key has lost its
// connection to a card without an identity, the error wraps [card.ErrChanged].
//
// # Keys
//
// A [Key] is a [crypto.Signer] and, where its algorithm allows it, a
// [crypto.Decrypter], a [crypto.MessageSigner], or a party to a Diffie-Hellman
// exchange. Each signature is verified under the public key of the Key before it is
// returned.
//
// When a key needs the PIN depends on its slot (SP 800-73-4 part 1, table 5): once
// for Authentication, KeyManagement and the retired keys, before each use for
// Signature, never for CardAuthentication. YubiKeys from firmware 5.3 on, and cards
// that follow them, report a policy for each key, which is read instead: when the PIN
// and a touch are needed. A key that can be used with a fingerprint ([PINMatchOnce],
// [PINMatchAlways]) is used with the PIN, which it accepts, too. If the card reports
// another public key, the PIN is not asked for. How the PIN is asked for and how its
// retries are protected is in the documentation of package card.
//
// On cards that clear the PIN at SELECT, and do not show in one short command which
// application is current, the application is not selected again while a key is open.
//
// # Changing a card
//
// The methods of Card and Key never write. Three other types do:
//
//   - [Holder] changes the PIN and the PUK, by the old ones.
//   - [Admin] generates, imports, moves and deletes keys, and stores certificates and
//     other objects. It takes the management key, which the issuer of a card keeps;
//     [NewManagementKey] has the one of new cards.
//   - [YubiKey] resets the application to the state of a new one.
//
// A slot is provisioned by a key, and by a certificate that a certification authority
// issues for a request signed with the key:
//
//	admin := p.Admin(managementKey)
//	public, err := admin.Generate(ctx, piv.Authentication, piv.P256, nil)
//	key, err := p.Key(ctx, piv.Authentication, public, ask)
//	defer key.Close()
//	request, err := x509.CreateCertificateRequest(rand.Reader, template, key)
//	// ... the authority returns der ...
//	err = admin.PutCertificate(ctx, piv.Authentication, der)
//
// A card without CHUID gets one by [Admin.PutObject] and [CHUID.MarshalBinary]: Windows
// and this package know the card by it.
//
// If a command that writes was interrupted, or refused after a part of it was accepted,
// the error is an *[InterruptedError] with the state that the card is in.
//
// An instruction of Yubico's is sent only to a card that has an application of
// Yubico's, with three exceptions. The serial number is read where the answer to reset
// names a YubiKey. The policy of a key is read there, and where the response to SELECT
// has the form of Yubico's. [Admin.Import] is tried on every card that has the
// management key. On other cards what only YubiKeys have is errors.ErrUnsupported.
//
// A card that accepts the management key without proof that it has the same is not
// administered: a program that imports a key must know who gets it.
//
// # Limits
//
// Secure messaging is not supported, and so neither is the virtual contact
// interface: over NFC, only what the standard allows without them works. The
// issuer's signatures on objects are returned but not verified. Fingerprints are not
// used.
package piv
