package main

import (
	"crypto/x509/pkix"
	"fmt"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

// Cards that are measured. The peers recognize a YubiKey by its reader's name, so a
// plain card is in a reader of another name.
const (
	yubiKey = "YubiKey 5.4.3"
	plain   = "PIV card"
	contact = "PIV card, T=0"
)

// newCard returns a card with RSA keys and certificates of usual size, 1.4 KB, in its
// first n slots.
func newCard(kind string, n int) *cardtest.Card {
	var c *cardtest.Card
	switch kind {
	case yubiKey:
		c = cardtest.YubiKey("5.4.3")
	case plain:
		c = cardtest.PIV()
	case contact:
		c = cardtest.PIV(cardtest.T0)
	default:
		panic(kind)
	}
	containers := []string{"9A", "9C", "9D", "9E"}
	for retired := 0x82; retired <= 0x95; retired++ {
		containers = append(containers, fmt.Sprintf("%02X", retired))
	}
	filler := pkix.Extension{Id: []int{1, 2, 3}, Value: make([]byte, 550)}
	for i, container := range containers[:n] {
		key, der := cardtest.TestCA().Issue(cardtest.Leaf{
			Key:        cardtest.Key(cardtest.RSA2048, i%3),
			UPNs:       []string{fmt.Sprintf("user%d@example.com", i)},
			Extensions: []pkix.Extension{filler},
		})
		c.Put(container, key, der)
	}
	if n > 4 { // key history (SP 800-73-4 part 1, 3.3.3)
		c.PutObject(0x5FC10C, []byte{0xC1, 1, byte(n - 4), 0xC2, 1, 0, 0xFE, 0})
	}
	return c
}

func readerName(kind string, i int) string {
	if kind == yubiKey {
		return fmt.Sprintf("Yubico YubiKey OTP+FIDO+CCID %02d 00", i)
	}
	return fmt.Sprintf("Software Reader %02d 00", i)
}
