package enumerate_test

import (
	"context"
	"crypto/des"
	"fmt"
	"log"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
)

// firstOn returns the credential that Windows would show first.
func firstOn(ctx context.Context, service *card.Service) *enumerate.Credential {
	find := enumerate.Finder{Service: service}
	offered, err := find.Offered(ctx)
	if len(offered) == 0 {
		log.Fatal(err)
	}
	return offered[0]
}

func ExampleCredential_PIN() {
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	service := cardtest.NewService(cardtest.TPM().Put("kxc00", key, certificate))
	defer service.Close()
	ctx := context.Background()

	pin := firstOn(ctx, service).PIN()
	status, err := pin.Status(ctx)
	fmt.Println(status.Retries, err)

	err = pin.Change(ctx, func(_ context.Context, r card.PINRequest) (card.PIN, error) {
		if r.Refused != nil {
			return card.PIN{}, r.Refused
		}
		if r.New {
			return card.NewPIN([]byte("24681357")), nil
		}
		return card.NewPIN([]byte(cardtest.PIN)), nil
	})
	fmt.Println(err)
	// Output:
	// 3 <nil>
	// <nil>
}

// The administrator responds to a challenge of a card whose PIN is blocked: in this
// example in the same program, in practice mostly over the telephone.
func ExamplePINManager_UnblockByAdministrator() {
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	service := cardtest.NewService(cardtest.TPM(cardtest.RetriesLeft(0)).Put("kxc00", key, certificate))
	defer service.Close()
	ctx := context.Background()

	answer := func(_ context.Context, challenge []byte) ([]byte, error) {
		fmt.Println("challenge of", len(challenge), "bytes")
		admin, err := des.NewTripleDESCipher([]byte(cardtest.AdminKey))
		if err != nil {
			return nil, err
		}
		response := make([]byte, len(challenge))
		admin.Encrypt(response, challenge)
		return response, nil
	}
	choose := func(context.Context, card.PINRequest) (card.PIN, error) { return card.NewPIN([]byte("24681357")), nil }

	pin := firstOn(ctx, service).PIN()
	if err := pin.UnblockByAdministrator(ctx, answer, choose); err != nil {
		log.Fatal(err)
	}
	status, err := pin.Status(ctx)
	fmt.Println(status.Retries, "retries left", err)
	// Output:
	// challenge of 8 bytes
	// 3 retries left <nil>
}
