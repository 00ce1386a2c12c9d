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

// A person signs in: the first certificate that Windows would show is named,
// its key unlocked, and a server's challenge answered.
func Example() {
	service := cardtest.NewService(cardtest.Logon("alice@example.com")) // or pcsc.System(nil)
	defer service.Close()
	ctx := context.Background()

	find := enumerate.Finder{Service: service}
	tiles, err := find.Offered(ctx)
	if len(tiles) == 0 {
		log.Fatal(err, card.Hint(err))
	}
	name, err := upn.SignIn{}.Name(tiles[0].Names)
	if err != nil {
		log.Fatal(err)
	}
	key, err := tiles[0].Unlock(ctx, card.FixedPIN(cardtest.PIN)) // or prompt.Terminal(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	defer key.Close()

	const server = "https://example.com"
	sent := challenge.New("sign-in", server)
	answer, err := challenge.Respond(key, tiles[0].Raw, sent, server)
	if err != nil {
		log.Fatal(err)
	}
	verifier := challenge.Verifier{Roots: cardtest.TestCA().Pool()}
	who, err := verifier.Verify(ctx, sent, answer)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sends", name.Value, "and is", who.Name.Value)
	// Output: sends alice@example.com and is alice@example.com
}

// All has the certificates, too, that Windows does not show, and says why.
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

// A wrong PIN costs one try, and the error says how many are left.
func ExampleCredential_Unlock() {
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	defer service.Close()
	ctx := context.Background()
	find := enumerate.Finder{Service: service}
	tiles, _ := find.Offered(ctx)

	_, err := tiles[0].Unlock(ctx, card.FixedPIN("111111"))
	var pin *card.PINError
	if errors.As(err, &pin) {
		fmt.Println(pin, "sent:", pin.Sent)
		fmt.Println(card.Hint(err))
	}
	// Output:
	// PIN is wrong (retries left: 2) sent: true
	// Enter the PIN again; mind how many tries are left.
}

// A key is a [crypto.Signer], so it signs in to a server over TLS as well.
func ExampleKey() {
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	defer service.Close()
	ctx := context.Background()
	find := enumerate.Finder{Service: service}
	tiles, err := find.Offered(ctx)
	if len(tiles) == 0 {
		log.Fatal(err)
	}
	key, err := tiles[0].Unlock(ctx, card.FixedPIN(cardtest.PIN))
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
		Certificate: [][]byte{tiles[0].Raw},
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
