package card_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
)

// Lists the readers and their cards.
func ExampleService_Readers() {
	ctx := context.Background()
	readers := cardtest.NewReaders(cardtest.PIV(), nil)
	defer readers.Close()
	service := readers.Service() // or pcsc.System(nil)
	defer service.Close()

	list, err := service.Readers(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range list {
		c, err := service.Card(ctx, r.Name)
		if err != nil {
			fmt.Printf("%v\n  %s\n", err, card.Hint(err))
			continue
		}
		fmt.Printf("%s: a card with ATR %v\n", c.Reader(), c.ATR())
	}
	// Output:
	// Software Reader 00: a card with ATR 3B85018073C021C056
	// card: "Software Reader 01": look for a card: no card in the reader
	//   Insert a card.
}

// Selects an application and reads two objects, of which one is missing.
func ExampleCard_Do() {
	ctx := context.Background()
	service := cardtest.NewService(cardtest.PIV())
	defer service.Close()
	c, err := service.Card(ctx, "Software Reader 00")
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.Do(ctx, func(tx *card.Tx) error {
		if _, err := tx.Select([]byte{0xA0, 0x00, 0x00, 0x03, 0x08}); err != nil {
			return err
		}
		discovery, err := tx.Command(card.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Data: []byte{0x5C, 0x01, 0x7E}, Ne: card.MaxResponse})
		if err != nil {
			return err
		}
		fmt.Printf("%X\n", discovery)
		_, err = tx.Command(card.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Data: []byte{0x5C, 0x03, 0x5F, 0xC1, 0x05}, Ne: card.MaxResponse})
		return err
	})
	fmt.Println(errors.Is(err, card.StatusNotFound), err)
	// Output:
	// 7E124F0BA0000003080000100001005F2F024000
	// true card: "Software Reader 00": GET DATA: file or application not found (6A82)
}

// Verifies a PIN. A Verification describes the PIN of an application; package piv has
// one for PIV cards.
func ExampleCard_DoWithPIN() {
	ctx := context.Background()
	soft := cardtest.PIV()
	service := cardtest.NewService(soft)
	defer service.Close()
	c, err := service.Card(ctx, "Software Reader 00")
	if err != nil {
		fmt.Println(err)
		return
	}
	pin := card.Verification{
		Application: "PIV",
		Purpose:     "sign",
		Reference:   0x80,
		Format:      card.PINFormat{Min: 6, Max: 8, Digits: true, Padded: true},
		Select: func(tx *card.Tx) error {
			_, err := tx.Select([]byte{0xA0, 0x00, 0x00, 0x03, 0x08})
			return err
		},
		Identity: func(*card.Tx) (card.Identity, error) {
			return card.NewIdentity("example", []byte{1, 2, 3}, "card 010203"), nil
		},
		Status: func(tx *card.Tx) (card.PINStatus, error) {
			_, err := tx.Command(card.Command{INS: 0x20, P2: 0x80})
			if err == nil {
				return card.PINStatus{Verified: true, Retries: -1}, nil
			}
			var status card.Status
			if n, failed := 0, false; errors.As(err, &status) {
				if n, failed = status.Retries(); failed {
					return card.PINStatus{Retries: n, Blocked: n == 0}, nil
				}
			}
			return card.PINStatus{}, err
		},
		Verify: func(pin []byte) card.Command { return card.Command{INS: 0x20, P2: 0x80, Data: pin} },
		PIN: func(_ context.Context, r card.PINRequest) (card.PIN, error) { // usually from package prompt
			fmt.Printf("PIN of %s to %s, retries left: %d\n", r.Card, r.Purpose, r.Retries)
			if r.Refused != nil {
				fmt.Println(r.Refused)
				return card.NewPIN([]byte(cardtest.PIN)), nil
			}
			return card.NewPIN([]byte("111111")), nil
		},
	}
	err = c.DoWithPIN(ctx, pin, func(*card.Tx) error {
		fmt.Println("verified:", soft.Verified())
		return nil
	})
	fmt.Println(err, soft.Verified())
	// Output:
	// PIN of card 010203 to sign, retries left: 3
	// PIN of card 010203 to sign, retries left: 2
	// PIN is wrong (retries left: 2)
	// verified: true
	// <nil> false
}
