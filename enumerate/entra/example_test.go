package entra_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/entra"
	"github.com/smartlogon/smartlogon/upn"
)

// A program signs in with a certificate from files. With a card, Certificate returns a
// tls.Certificate whose PrivateKey is a key of package enumerate.
func ExampleClient() {
	pair, err := tls.LoadX509KeyPair("alice.crt", "alice.key")
	if err != nil {
		log.Print(err)
		return
	}
	client := entra.Client{
		Authority:   "https://login.microsoftonline.com/contoso.example",
		ClientID:    "00001111-aaaa-2222-bbbb-3333cccc4444",
		RedirectURI: "http://localhost",
		Scopes:      []string{"profile"},
		Certificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil },
	}
	name, err := upn.SignIn{}.Name(upn.Read(pair.Certificate[0]))
	if err != nil {
		log.Print(err)
		return
	}
	tokens, err := client.SignIn(context.Background(), name)
	var refusal *entra.Error
	if errors.As(err, &refusal) {
		log.Printf("refused with code %d; %s", refusal.Code, card.Hint(err))
	}
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(tokens.Claims.Username, tokens.Claims.MultiFactor())
}
