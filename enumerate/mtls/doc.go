// Package mtls authenticates TLS clients with the certificates on smart cards.
//
//	source := &mtls.Source{Finder: &enumerate.Finder{Service: service}, PIN: prompt.Terminal(os.Stdin)}
//	defer source.Close()
//	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{GetClientCertificate: source.Get}}}
//
//	response, err := client.Get("https://example.com/") // asks for the PIN if the server requests a certificate
//	if err != nil {
//		err = source.Explain(err)
//		log.Fatal(err, card.Hint(err))
//	}
//	defer response.Body.Close()
//
// Of the certificates on all cards, a server gets the first one that Windows would
// offer, that one of the authorities named by the server has issued, and whose key
// suits the connection. The certificates in [Source].Issuers complete the chain.
// Certificates whose usage TLS servers refuse, such as smart card logon without
// client authentication, are only used if no other fits. Windows' default policy
// offers no elliptic curve keys, and only certificates for smart card logon:
// enumerate.Finder.Policy has EnumerateECCCerts and AllowCertificatesWithNoEKU.
//
// RSA keys sign by PSS or PKCS #1 v1.5, elliptic curve keys by ECDSA, in TLS 1.2 and
// 1.3. Some virtual smart cards and tokens (GIDS) only sign by PKCS #1 v1.5. That
// suffices for TLS 1.2, but TLS 1.3 requires PSS. The first handshake that needs it
// fails with [ErrPSS], later ones before the card is used.
//
// # PIN
//
// The user is asked in the first handshake whose server requests a certificate, or in
// [Source.Open]. Parallel handshakes share the prompt. The key stays open until
// [Source.Close], so the PIN stays verified that long, and other programs can use the
// card in between. A handshake whose context ends stops waiting. With the last one
// that waits the prompt ends, too.
//
// # If the card is removed
//
// A server sees the card only in a handshake. Connections that were authenticated
// before stay authenticated, also after Source.Close, and requests go on over them.
// To end them with the card, watch it (enumerate.Finder.Watch) and call
// CloseIdleConnections of the http.Client.
//
// After the card was inserted again, in the same or in another reader, the next
// handshake asks for the PIN. A handshake without the card fails; another card is
// never used in its place. For another user, make another Source.
//
// # Timeouts
//
// A prompt ends with the contexts of the handshakes that wait for it. An http.Transport
// makes connections for later requests, too, so it does not end a handshake whose
// request was canceled: CloseIdleConnections of the http.Client does. Nor does its
// TLSHandshakeTimeout, which is 10 seconds in http.DefaultTransport: the request fails
// as soon as the user has answered. In both cases the PIN serves the next request.
//
// Open has only the limit of its context: call it before the first request if
// handshakes are limited, by the server or by the client.
//
// # Connections
//
// Each connection takes one signature of the card, which is a second with a slow one.
// Keep-alive avoids that if bodies of responses are read to the end and closed.
// http.Transport with a TLSClientConfig uses HTTP/2 only with ForceAttemptHTTP2; then
// one connection carries all requests to a host. A session that is resumed
// (tls.Config.ClientSessionCache) needs no card and stays authenticated as before.
//
// HTTP/2 and crypto/tls do not let a server request the certificate later, for one
// path of many. What crypto/tls says then is [ErrRenegotiation] or [ErrPostHandshake]
// after [Source.Explain].
//
// # What the server sees
//
// The server gets the certificate with the name of the user. TLS 1.2 does not encrypt
// it. Every server that the tls.Config connects to gets one if it requests it, also
// after a redirect: use an http.Client of its own for the servers that should.
package mtls
