package enumerate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/upn"
)

// Signing in to a server with the first certificate that Windows would show.
func Example() {
	service := cardtest.NewService(cardtest.Logon("alice@example.com")) // or pcsc.System(nil)
	defer service.Close()
	ctx := context.Background()

	find := enumerate.Finder{Service: service}
	offered, err := find.Offered(ctx)
	if len(offered) == 0 {
		log.Fatal(err, card.Hint(err))
	}
	name, err := upn.SignIn{}.Name(offered[0].Names)
	if err != nil {
		log.Fatal(err)
	}
	key, err := offered[0].Unlock(ctx, card.FixedPIN(cardtest.PIN)) // or prompt.Terminal(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()

	const server = "https://example.com"
	sent := challenge.New("sign-in", server)
	answer, err := challenge.Respond(key, offered[0].Raw, sent, server)
	if err != nil {
		log.Fatal(err)
	}
	verifier := challenge.Verifier{Roots: cardtest.TestCA().Pool(), Revoked: challenge.NoRevocation}
	who, err := verifier.Verify(ctx, sent, answer)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("client:", name.Value)
	fmt.Println("server:", who.Name.Value)
	// Output:
	// client: alice@example.com
	// server: alice@example.com
}

// The findings say why Windows does not show a certificate.
func ExampleFinder_All() {
	c := cardtest.Logon("alice@example.com")
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"old@example.com"}, EKUs: []string{"1.3.6.1.5.5.7.3.4"}})
	service := cardtest.NewService(c.Put("9D", key, certificate))
	defer service.Close()

	find := enumerate.Finder{Service: service}
	for c, err := range find.All(context.Background()) {
		if err != nil {
			log.Print(err)
			continue
		}
		fmt.Println(c.Container, c.Title(), c.Findings.Offered())
		for _, f := range c.Findings {
			if f.Verdict == rules.Failed {
				fmt.Println("  ", f.Rule, f.Detail())
			}
		}
	}
	// Output:
	// 9A alice@example.com true
	// 9D old@example.com false
	//    eku 1.3.6.1.5.5.7.3.4, neither smart card logon, client authentication nor all-purpose
}

// The error for a wrong PIN has the retries left.
func ExampleCredential_Unlock() {
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	defer service.Close()
	ctx := context.Background()
	find := enumerate.Finder{Service: service}
	offered, _ := find.Offered(ctx)

	_, err := offered[0].Unlock(ctx, card.FixedPIN("111111"))
	var pin *card.PINError
	if errors.As(err, &pin) {
		fmt.Println(pin, "sent:", pin.Sent)
		fmt.Println(card.Hint(err))
	}
	// Output:
	// PIN is wrong (retries left: 2) sent: true
	// Enter the PIN again, and watch how many retries are left.
}

// A Key is a [crypto.Signer], so it can be the key of a TLS client certificate.
func ExampleKey() {
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	defer service.Close()
	ctx := context.Background()
	find := enumerate.Finder{Service: service}
	offered, err := find.Offered(ctx)
	if len(offered) == 0 {
		log.Fatal(err)
	}
	key, err := offered[0].Unlock(ctx, card.FixedPIN(cardtest.PIN))
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, err := upn.SignIn{}.Name(upn.Read(r.TLS.PeerCertificates[0].Raw))
		fmt.Fprintln(w, "hello", name.Value, err)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: cardtest.TestCA().Pool()}
	server.StartTLS()
	defer server.Close()

	client := server.Client()
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{{
		Certificate: offered[0].Chain(nil), // or with intermediate certificates
		PrivateKey:  key,
	}}
	response, err := client.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	fmt.Print(string(text), err)
	// Output:
	// hello alice@example.com <nil>
	// <nil>
}
