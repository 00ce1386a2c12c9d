// Package challenge lets a server find out who holds a sign-in certificate: it
// sends a challenge, the client signs it with the key of the certificate, and
// the server verifies the answer. The package knows nothing of cards. A server
// that imports it gets no PC/SC.
//
// # What most people do
//
// A server makes a challenge, keeps it in the session and sends it as text:
//
//	c := challenge.New("sign-in", "https://example.com")
//	session.Challenge = c
//	text, err := c.MarshalText()
//
// A client reads the text and signs, with any [crypto.Signer]. It says itself
// whom it talks to:
//
//	var c challenge.Challenge
//	err := c.UnmarshalText(text)
//	answer, err := challenge.Respond(key, certificate, c, "https://example.com")
//
// The server takes the challenge out of the session, so that it is used once,
// and verifies:
//
//	v := challenge.Verifier{Roots: roots, Intermediates: intermediates}
//	who, err := v.Verify(ctx, c, answer)
//
// [Verifier.Verify] returns the name of the person, the chain and what each of
// Windows' rules says of the certificate, or a [*Refusal] for the log.
//
// # What it does not do
//
// It keeps no nonces: the session does. It has no protocol of its own over the
// network, does not fetch revocation lists ([Verifier.Revoked] may), and looks
// up no accounts ([Verifier.Accept] may). An answer carries the certificate and
// no other: the authorities in between are the server's to know.
//
// An answer shows that the key was used after the challenge was made, for this
// purpose and audience. It does not show that the key is on a card; the policies
// of the issuer do.
//
// # What is signed
//
// The client never signs bytes that somebody else chose. It signs
//
//	message = "smartlogon challenge answer" || 00 || SHA-256(statement)
//
// 27 ASCII characters, a zero byte and 32 bytes of hash, 60 bytes in all.
// Signed data of TLS, SSH, CMS, Kerberos and certificates all begin otherwise.
// The statement is eight fields, each of them its length in two bytes (big
// endian) and then its bytes:
//
//	field      bytes
//	version    1     01
//	algorithm  1     see below
//	hash       32    SHA-256 of the certificate's DER
//	purpose    1–128 UTF-8
//	audience   1–512 UTF-8
//	nonce      32
//	time       8     seconds since 1970-01-01T00:00:00Z, big endian
//	exporter   0–255 empty where the answer is not tied to a TLS connection
//
// The algorithm follows from the key:
//
//	01  RSA      RSASSA-PKCS1-v1_5 with SHA-256; the default of an RSA key
//	02  RSA      RSASSA-PSS with SHA-256, MGF1 with SHA-256, 32 bytes of salt
//	03  P-256    ECDSA with SHA-256
//	04  P-384    ECDSA with SHA-384
//	05  P-521    ECDSA with SHA-512
//	06  Ed25519  of the message itself
//
// An RSA or EdDSA signature is in the form that the algorithm defines, an ECDSA
// signature is the DER of SEQUENCE { r INTEGER, s INTEGER } (RFC 3279 2.2.3).
//
// # What is sent
//
// The text form of a challenge is "slc1." and the base64url encoding (RFC 4648
// 5), without padding, of
//
//	32  nonce
//	 8  time, as above
//	 1  01 where the answer is to be tied to the TLS connection, else 00
//	 2  length of the purpose, and the purpose
//	 2  length of the audience, and the audience
//
// An answer is at most 65,536 bytes:
//
//	4  "sla1"
//	1  algorithm
//	2  length of the certificate, and its DER
//	2  length of the signature, and the signature
//
// Both have exactly one spelling; anything else is refused. The digit in front
// is the version. A later version of this package reads what this one writes.
package challenge
