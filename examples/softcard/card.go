package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

// makers make the cards that -app names.
var makers = map[string]func() *cardtest.Card{
	"piv":     func() *cardtest.Card { return filled(cardtest.PIV()) },
	"yubikey": func() *cardtest.Card { return cardtest.YubiKey("5.7.1") },
	"gids":    func() *cardtest.Card { return filledGIDS(cardtest.GIDS()) },
	"tpm":     func() *cardtest.Card { return filledGIDS(cardtest.TPM()) },
	// as from the factory: gids-tool sets it up
	"gids-blank": func() *cardtest.Card { return cardtest.GIDS(cardtest.GIDSBlank) },
	"piv+gids": func() *cardtest.Card {
		return cardtest.Combine(filled(cardtest.PIV()), filledGIDS(cardtest.GIDS()))
	},
}

// kinds are the names for -app.
func kinds() []string {
	return append(slices.Sorted(maps.Keys(makers)), "yubikey-VERSION")
}

// newCard makes a card of a kind, or of a folder.
func newCard(kind, dir string) (*cardtest.Card, error) {
	if dir != "" {
		if kind != "piv" {
			return nil, fmt.Errorf("-dir makes a PIV card, not %q", kind)
		}
		return cardtest.Load(dir)
	}
	if version, ok := strings.CutPrefix(kind, "yubikey-"); ok {
		return yubiKey(version)
	}
	if make, ok := makers[kind]; ok {
		return make(), nil
	}
	return nil, fmt.Errorf("-app %q is none of %s", kind, strings.Join(kinds(), ", "))
}

// yubiKey makes a YubiKey of a firmware version, without keys as from the
// factory.
func yubiKey(version string) (c *cardtest.Card, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("-app yubikey-%s: %v", version, fault)
		}
	}()
	return cardtest.YubiKey(version), nil
}

// readerName is the name of the reader. Programs of Yubico, and piv-go, take only
// readers for YubiKeys that are called so.
func readerName(given, kind string) string {
	switch {
	case given != "":
		return given
	case strings.HasPrefix(kind, "yubikey"):
		return "Yubico YubiKey OTP+FIDO+CCID 00 00"
	}
	return "Software Reader 00"
}

// filled puts on a card what the cards of agencies have: a certificate and a key
// in each of the four primary slots, and the objects that the standard requires.
func filled(c *cardtest.Card) *cardtest.Card {
	ca := cardtest.TestCA()
	for _, it := range []struct {
		container string
		leaf      cardtest.Leaf
	}{
		{"9A", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 0), UPNs: []string{"alice@example.com"}}},
		{"9C", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 1), Emails: []string{"alice@example.com"}, EKUs: []string{emailProtection}}},
		{"9D", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 2), Emails: []string{"alice@example.com"}, EKUs: []string{emailProtection}}},
		{"9E", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), EKUs: []string{cardAuthentication}}},
	} {
		key, certificate := ca.Issue(it.leaf)
		c.Put(it.container, key, certificate)
	}
	// The standard requires one; this has nothing in it.
	return c.PutObject(securityObject, []byte{0xBA, 0, 0xBB, 0, 0xFE, 0})
}

// filledGIDS puts on a card a certificate to sign in with, one of a signature key, and
// one to decrypt with.
func filledGIDS(c *cardtest.Card) *cardtest.Card {
	ca := cardtest.TestCA()
	for _, it := range []struct {
		container string
		leaf      cardtest.Leaf
	}{
		{"kxc00", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 0), UPNs: []string{"alice@example.com"}}},
		{"ksc01", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 1), UPNs: []string{"alice@example.com"}}},
		{"kxc02", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 2), Emails: []string{"alice@example.com"}, EKUs: []string{emailProtection}}},
	} {
		key, certificate := ca.Issue(it.leaf)
		c.Put(it.container, key, certificate)
	}
	return c
}

// securityObject is the tag of the Security Object (SP 800-73-4 part 1, 3.1.7).
const securityObject = 0x5FC106

const (
	emailProtection    = "1.3.6.1.5.5.7.3.4"
	cardAuthentication = "2.16.840.1.101.3.6.8" // id-PIV-cardAuth (FIPS 201)
)
