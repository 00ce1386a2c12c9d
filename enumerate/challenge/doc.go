// Package challenge verifies who holds the key of a sign-in certificate. The server
// sends a challenge, the client signs it with the key of the certificate, and the
// server verifies the answer. The package does not use cards: a server that imports
// it gets no PC/SC.
//
// A server makes a challenge, keeps it in the session and sends it as text:
//
//	c := challenge.New("sign-in", "https://example.com")
//	session.Challenge = c
//	text, err := c.MarshalText()
//
// A client reads the text and signs with any [crypto.Signer], such as a key of
// package enumerate. The client supplies the audience from its own configuration:
//
//	var c challenge.Challenge
//	err := c.UnmarshalText(text)
//	err = challenge.CheckCertificate(certificate) // before a PIN is asked for
//	answer, err := challenge.Respond(key, certificate, c, "https://example.com")
//
// The server takes the challenge out of the session, so that it is answered once,
// and verifies. root and issuer are certificates of CAs, as [x509.ParseCertificate]
// returns them:
//
//	v := challenge.Verifier{
//		Roots:         challenge.NewPool(root),
//		Intermediates: challenge.NewPool(issuer),
//		Revoked:       lists.Check, // a Checker of package crl, or challenge.NoRevocation
//	}
//	id, err := v.Verify(ctx, c, answer)
//
// [Verifier.Verify] returns the name of the user, the chain and the verdict of each
// of Windows' rules, or a [*Refusal] for the log. The example of [Verifier] is a
// whole server. [Verifier.VerifyPeer] does the same for a certificate whose key TLS
// has proven.
//
// # If a field is not set
//
// The zero [Verifier] refuses every answer. With Roots and Revoked alone it is as
// strict as it can be:
//
//	field          not set
//	Roots          every answer is refused
//	Intermediates  only certificates that Roots issued are accepted
//	Policy         RSA keys only, with smart card logon, as Windows is installed
//	Waive          every rule must pass
//	MaxAge         5 minutes; a negative one refuses every answer
//	AllowWeakKeys  every key of a chain has 2048 bits (RSA) or 256 (curves)
//	Revoked        every answer is refused; NoRevocation accepts without a check
//	SignIn         the name comes from the certificate
//	Accept         a name that is not in the certificate is refused
//	SeveralNames   a certificate with several names is refused
//	Now            time.Now
//
// A session without a challenge gives the zero [Challenge], which is refused. A
// challenge that is [Challenge.Bound] is refused without an exporter.
//
// # Limits
//
// The package keeps no nonces: the session does. It has no network protocol,
// fetches no revocation lists ([Verifier.Revoked] may) and looks up no accounts
// ([Verifier.Accept] may). An answer carries only the client's certificate: the
// server knows the CAs.
//
// An answer proves that the key was used after the challenge was made, for this
// purpose and audience. It does not prove that the key is on a card; that follows
// from the policy of the issuer.
//
// Chains are built by crypto/x509. Name constraints on UPNs, e-mail addresses and
// directory names are applied here, to every certificate below the issuer (RFC
// 5280, 4.2.1.10). The RFC does not define them for UPNs; here "@example.com" is
// the domain, ".example.com" the domains below it and "alice@example.com" the one
// name, all without case. A constraint that cannot be applied to a name refuses it.
//
// # Signed data
//
// The client never signs bytes that the server chose. It signs
//
//	message = "smartlogon challenge answer" || 00 || SHA-256(statement)
//
// 27 ASCII characters, a zero byte and 32 bytes of hash, 60 bytes in all. The signed
// data of TLS, SSH, CMS, Kerberos and certificates begins differently. The statement
// has eight fields, each as its length in two bytes (big endian) and its bytes:
//
//	field      bytes
//	version    1     01
//	algorithm  1     see below
//	hash       32    SHA-256 of the certificate's DER
//	purpose    1–128 UTF-8
//	audience   1–512 UTF-8
//	nonce      32
//	time       8     seconds since 1970-01-01T00:00:00Z, big endian
//	exporter   0–255 empty if the answer is not bound to a TLS connection
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
// RSA and EdDSA signatures have the form of their algorithm. An ECDSA signature is the
// DER of SEQUENCE { r INTEGER, s INTEGER } (RFC 3279, 2.2.3).
//
// # Formats
//
// The text of a challenge is "slc1." and the base64url encoding (RFC 4648,
// 5), without padding, of
//
//	32  nonce
//	 8  time, as above
//	 1  01 if the answer must be bound to the TLS connection, else 00
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
// Both have exactly one spelling; any other is refused. The digit in the prefix is
// the version. A later version of this package reads what this one writes.
package challenge
