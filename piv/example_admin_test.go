package piv_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
)

// Generates a key on a new card and stores a certificate for it.
func ExampleCard_Admin() {
	service := cardtest.NewService(cardtest.PIV())
	defer service.Close()
	ctx := context.Background()
	c, err := service.Card(ctx, "Software Reader 00")
	if err != nil {
		log.Fatal(err)
	}
	p := piv.New(c)
	key, err := piv.NewManagementKey(piv.TripleDES, []byte("\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08"))
	if err != nil {
		log.Fatal(err)
	}
	defer key.Destroy()

	admin := p.Admin(key)
	public, err := admin.Generate(ctx, piv.Authentication, piv.P256, nil)
	if err != nil {
		log.Fatal(err, card.Hint(err))
	}
	fmt.Printf("generated a %T\n", public)
	if err := admin.PutCertificate(ctx, piv.Authentication, certify(public)); err != nil {
		log.Fatal(err, card.Hint(err))
	}
	cert, err := p.Certificate(ctx, piv.Authentication)
	if err != nil {
		log.Fatal(err)
	}
	parsed, err := cert.X509()
	fmt.Println(parsed.Subject, err)
	// Output:
	// generated a *ecdsa.PublicKey
	// CN=alice <nil>
}

// Sets a new PIN with the PUK after the PIN was blocked.
func ExampleHolder_Unblock() {
	service := cardtest.NewService(cardtest.YubiKey("5.7.1", cardtest.RetriesLeft(0)))
	defer service.Close()
	ctx := context.Background()
	c, err := service.Card(ctx, "Software Reader 00")
	if err != nil {
		log.Fatal(err)
	}
	p := piv.New(c)
	status, err := p.PINStatus(ctx)
	fmt.Println(status.Blocked, err)
	err = p.Holder().Unblock(ctx, func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		if r.Refused != nil {
			return card.PIN{}, r.Refused
		}
		if r.New {
			return card.NewPIN([]byte("654321")), nil // entered by the user
		}
		fmt.Printf("PUK to %s, %d retries left\n", r.Purpose, r.Retries)
		return card.NewPIN([]byte(cardtest.PUK)), nil
	})
	if err != nil {
		log.Fatal(err, card.Hint(err))
	}
	status, err = p.PINStatus(ctx)
	fmt.Println(status.Retries, err)
	// Output:
	// true <nil>
	// PUK to unblock the PIN, 3 retries left
	// 3 <nil>
}

// Another card than a YubiKey is an error that wraps errors.ErrUnsupported.
func ExampleCard_YubiKey() {
	ctx := context.Background()
	service := cardtest.NewService(cardtest.PIV(), cardtest.YubiKey("5.7.1"))
	defer service.Close()
	for _, reader := range []string{"Software Reader 00", "Software Reader 01"} {
		c, err := service.Card(ctx, reader)
		if err != nil {
			log.Fatal(err)
		}
		yubikey, err := piv.New(c).YubiKey(ctx)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			fmt.Println(err)
			continue
		case err != nil:
			log.Fatal(err)
		}
		serial, err := yubikey.Serial(ctx)
		fmt.Println(yubikey.Firmware(), serial, err)
	}
	// Output:
	// piv: open YubiKey: card: "Software Reader 00": use the card: unsupported operation: the card is not a YubiKey
	// 5.7.1 12345678 <nil>
}
