package piv_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"log"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
)

// logonCard returns a software card with a certificate for signing in. For real cards
// the service is pcsc.System(nil).
func logonCard() (c *card.Card, done func() error) {
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	c, err := service.Card(context.Background(), "Software Reader 00")
	if err != nil {
		log.Fatal(err)
	}
	return c, service.Close
}

// Signs with the key for signing in and verifies the signature under its certificate.
func Example() {
	c, done := logonCard()
	defer done()
	ctx := context.Background()

	p := piv.New(c)
	cert, err := p.Certificate(ctx, piv.Authentication)
	if err != nil {
		log.Fatal(err, card.Hint(err))
	}
	certificate, err := cert.X509()
	if err != nil {
		log.Fatal(err)
	}
	key, err := p.KeyFor(ctx, cert, card.FixedPIN(cardtest.PIN))
	if err != nil {
		log.Fatal(err, card.Hint(err))
	}
	defer key.Close()

	digest := sha256.Sum256([]byte("a message"))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		log.Fatal(err, card.Hint(err))
	}
	err = rsa.VerifyPKCS1v15(certificate.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], signature)
	fmt.Println(certificate.Subject, err)
	// Output: CN=alice <nil>
}

// Lists the certificates on a card. An error about one slot does not end the list.
func ExampleCard_Certificates() {
	soft := cardtest.Logon("alice@example.com")
	_, second := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"admin@example.com"}})
	soft.Put("9C", nil, []byte("no certificate")).Put("82", nil, second)
	service := cardtest.NewService(soft)
	defer service.Close()
	ctx := context.Background()
	c, err := service.Card(ctx, "Software Reader 00")
	if err != nil {
		log.Fatal(err)
	}

	for cert, err := range piv.New(c).Certificates(ctx, piv.ScanUsual) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		parsed, err := cert.X509()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(cert.Slot, parsed.Subject)
	}
	// Output:
	// 9A (PIV Authentication) CN=alice
	// piv: certificate 9C (Digital Signature), object 5FC10A: malformed data from the card: certificate in tag 70: byte 0: value is longer than what is left of the data
	// 82 (Retired Key Management 1) CN=admin
}

// Asks the user for the PIN, with the retries left and why the last answer was not
// accepted.
func ExampleCard_KeyFor() {
	c, done := logonCard()
	defer done()
	ctx := context.Background()
	p := piv.New(c)
	cert, err := p.Certificate(ctx, piv.Authentication)
	if err != nil {
		log.Fatal(err)
	}

	typed := []string{"000000", "000000", cardtest.PIN} // entered by the user
	key, err := p.KeyFor(ctx, cert, func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		if r.Refused != nil {
			fmt.Println(r.Refused)
		}
		fmt.Printf("PIN to %s, %d retries left\n", r.Purpose, r.Retries)
		pin := card.NewPIN([]byte(typed[0]))
		typed = typed[1:]
		return pin, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("open")
	if err := key.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// PIN to use the key 9A (PIV Authentication), 3 retries left
	// PIN is wrong (retries left: 2)
	// PIN to use the key 9A (PIV Authentication), 2 retries left
	// PIN not sent: the card refused it before (retries left: 2)
	// PIN to use the key 9A (PIV Authentication), 2 retries left
	// open
}
