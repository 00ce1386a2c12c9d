package softcard

import (
	"maps"
	"slices"
	"strings"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

// constructors has the kinds of card for -app.
var constructors = map[string]func() *cardtest.Card{
	"piv":     func() *cardtest.Card { return withPIVContents(cardtest.PIV()) },
	"yubikey": func() *cardtest.Card { return cardtest.YubiKey("5.7.1") },
	"gids":    func() *cardtest.Card { return withGIDSContents(cardtest.GIDS()) },
	"tpm":     func() *cardtest.Card { return withGIDSContents(cardtest.TPM()) },
	// not initialized: gids-tool -X does that
	"gids-blank": func() *cardtest.Card { return cardtest.GIDS(cardtest.GIDSBlank) },
	"piv+gids": func() *cardtest.Card {
		return cardtest.Combine(withPIVContents(cardtest.PIV()), withGIDSContents(cardtest.GIDS()))
	},
}

// kinds returns the values of -app.
func kinds() []string {
	return append(slices.Sorted(maps.Keys(constructors)), "yubikey-VERSION")
}

// newCard returns a card of a kind, or one with the contents of a folder.
func newCard(kind, dir string) (*cardtest.Card, error) {
	if dir != "" {
		if kind != "piv" {
			return nil, cli.Usagef("-dir is for -app piv, not %q", kind)
		}
		return cardtest.Load(dir)
	}
	if version, ok := strings.CutPrefix(kind, "yubikey-"); ok {
		return yubiKey(version)
	}
	if create, ok := constructors[kind]; ok {
		return create(), nil
	}
	return nil, cli.Usagef("-app %q is not one of %s", kind, strings.Join(kinds(), ", "))
}

// yubiKey returns a YubiKey of a firmware version, in factory state.
func yubiKey(version string) (c *cardtest.Card, err error) {
	defer func() {
		// cardtest panics on an invalid version.
		if reason := recover(); reason != nil {
			err = cli.Usagef("-app yubikey-%s: %v", version, reason)
		}
	}()
	return cardtest.YubiKey(version), nil
}

// readerName returns the name of the reader: that of the flag, or a default.
// Yubico's programs and piv-go recognize a YubiKey by the name of its reader.
func readerName(flagValue, kind string) string {
	switch {
	case flagValue != "":
		return flagValue
	case strings.HasPrefix(kind, "yubikey"):
		return "Yubico YubiKey OTP+FIDO+CCID 00 00"
	}
	return "Software Reader 00"
}

// withPIVContents puts a key and a certificate into each of the four primary slots
// of a card, and adds the objects that SP 800-73-4 requires.
func withPIVContents(c *cardtest.Card) *cardtest.Card {
	ca := cardtest.TestCA()
	for _, entry := range []struct {
		container string
		leaf      cardtest.Leaf
	}{
		{"9A", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 0), UPNs: []string{"alice@example.com"}}},
		{"9C", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 1), Emails: []string{"alice@example.com"}, EKUs: []string{emailProtection}}},
		{"9D", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 2), Emails: []string{"alice@example.com"}, EKUs: []string{emailProtection}}},
		{"9E", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), EKUs: []string{cardAuthentication}}},
	} {
		key, certificate := ca.Issue(entry.leaf)
		c.Put(entry.container, key, certificate)
	}
	// Required by the standard. This one has an empty mapping and no signature.
	return c.PutObject(securityObject, []byte{0xBA, 0, 0xBB, 0, 0xFE, 0})
}

// withGIDSContents puts three certificates with their keys on a card: for sign-in,
// with a signature key, and for decryption.
func withGIDSContents(c *cardtest.Card) *cardtest.Card {
	ca := cardtest.TestCA()
	for _, entry := range []struct {
		container string
		leaf      cardtest.Leaf
	}{
		{"kxc00", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 0), UPNs: []string{"alice@example.com"}}},
		{"ksc01", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 1), UPNs: []string{"alice@example.com"}}},
		{"kxc02", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 2), Emails: []string{"alice@example.com"}, EKUs: []string{emailProtection}}},
	} {
		key, certificate := ca.Issue(entry.leaf)
		c.Put(entry.container, key, certificate)
	}
	return c
}

// securityObject is the tag of the Security Object (SP 800-73-4 part 1, 3.1.7).
const securityObject = 0x5FC106

const (
	emailProtection    = "1.3.6.1.5.5.7.3.4"
	cardAuthentication = "2.16.840.1.101.3.6.8" // id-PIV-cardAuth (FIPS 201)
)
