// Package entra signs users in to Entra ID with a certificate, as a browser does.
//
//	client := entra.Client{
//		Authority:   "https://login.microsoftonline.com/contoso.example",
//		ClientID:    "00001111-aaaa-2222-bbbb-3333cccc4444",
//		RedirectURI: "http://localhost",
//		Scopes:      []string{"openid", "profile"},
//		Certificate: source.Get, // of a card, or func that returns a tls.Certificate from a file
//	}
//	name, err := upn.SignIn{}.Name(names) // the name that Windows would send
//	tokens, err := client.SignIn(ctx, name)
//
// The package does not use cards. The certificate comes from a callback of
// crypto/tls, and the other functions take a [crypto.Signer].
//
// # The browser flow
//
// [Client.SignIn] requests the sign-in page, asks for the way to sign in, presents
// the certificate to the certauth host in a TLS handshake, returns to the login host,
// and exchanges the code for tokens, with PKCE. The certificate is given to the
// certauth host only.
//
// Microsoft documents this flow for browsers only. What is here was read from three
// independent clients, which agree. Entra ID may change it at any time. It has been
// run against the service of this module's examples and not against Entra ID.
//
// # The messages of joined machines
//
// [Client.PrimaryRefreshToken], [Assertion], [Device] and [Session] are the messages of
// MS-OAPXBC by which a joined machine gets a primary refresh token with a
// certificate (3.2.5.1.2.1.4). They are BY DOCUMENT, NOT PROVEN AGAINST ENTRA ID:
// the document describes AD FS, and no public client that sends them was found.
// They are signed with RS256 only, so a card with a key on an elliptic curve cannot
// be used ([ErrRS256]).
package entra
