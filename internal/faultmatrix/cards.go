package faultmatrix

import (
	"crypto/x509"
	"strings"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

// Cards returns the rows.
func Cards() []Card {
	return []Card{
		newRow("PIV", cardtest.PIV, changesPIV, "9A", "9C", "9D"),
		newRow("PIV with T=0", cardtest.PIV, changesPIV, "9D", cardtest.T0),
		newRow("PIV without discovery object and logout", cardtest.PIV, changesPIV, "9A", "9E", cardtest.PIVNoDiscovery, cardtest.NoLogout),
		newRow("GIDS", cardtest.GIDS, changesGIDS, "kxc00", "ksc01", "kxc02"),
		newRow("TPM", cardtest.TPM, changesGIDS, "kxc00"),
		newRow("GIDS that stays verified after SELECT, without logout", cardtest.GIDS, changesGIDS, "kxc02", cardtest.GIDSSelectKeeps, cardtest.NoLogout),
		withoutFile("cardid", newRow("GIDS without an identifier", cardtest.GIDS, changesGIDS, "kxc00")),
		newModelRow("gemalto-nist", "9A", "9D"),
		newModelRow("oberthur-nist", "9A"),
		newModelRow("pivkey", "9A"),
		newModelRow("yubikey-4.3.7", "9A"),
		newModelRow("nitrokey-3-early", "9D"),
		newModelRow("openfips201", "9A"),
		combine(
			newRow("PIV and GIDS", cardtest.PIV, noChanges, "9A", cardtest.PIVBadFormatCosts),
			newRow("", cardtest.GIDS, noChanges, "kxc00"),
		),
	}
}

func noChanges(Container) []Operation { return nil }

// newRow returns a row. Each string in contents is a container with a certificate,
// the rest are options. RSA keys have 1024 bits, which are quicker.
func newRow(name string, newCard func(...cardtest.Option) *cardtest.Card, changes func(Container) []Operation, contents ...any) Card {
	row := Card{Name: name}
	options := []cardtest.Option{cardtest.MaxRetries(5)} // enough for the program that comes after
	put := func(c *cardtest.Card) {}
	for _, content := range contents {
		switch content := content.(type) {
		case cardtest.Option:
			options = append(options, content)
		case string:
			leaf := cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{UPN}}
			decrypts := content == "9D" || content == "kxc02"
			if decrypts || strings.HasPrefix(content, "k") {
				leaf.Key = cardtest.Key(cardtest.RSA1024, 0)
			}
			if decrypts {
				leaf.KeyUsage = x509.KeyUsageKeyEncipherment
			}
			key, certificate := cardtest.TestCA().Issue(leaf)
			row.Containers = append(row.Containers, Container{Name: content, Certificate: certificate, Signs: !decrypts, NoPIN: content == "9E"})
			putOthers := put
			put = func(c *cardtest.Card) { putOthers(c); c.Put(content, key, certificate) }
		}
	}
	row.More = changes(row.Containers[0])
	row.New = func() []*cardtest.Card {
		c := newCard(options...)
		put(c)
		return []*cardtest.Card{c}
	}
	return row
}

// newModelRow returns a row of a model of package cardtest with other contents.
func newModelRow(model string, contents ...any) Card {
	newCard := func(options ...cardtest.Option) *cardtest.Card {
		c := cardtest.Model(model, options...)
		for _, tag := range []uint32{0x5FC105, 0x5FC10B} {
			c.PutObject(tag, nil)
		}
		return c
	}
	return newRow(model, newCard, changesPIV, contents...)
}

// withoutFile returns a row of GIDS cards without a file.
func withoutFile(name string, row Card) Card {
	newCards := row.New
	row.New = func() []*cardtest.Card {
		cards := newCards()
		cards[0].PutFile(name, nil)
		return cards
	}
	return row
}

// combine returns a row of cards with the applications of two.
func combine(a, b Card) Card {
	newA, newB := a.New, b.New
	a.Containers = append(a.Containers, b.Containers...)
	a.New = func() []*cardtest.Card {
		first, second := newA()[0], newB()[0]
		return []*cardtest.Card{cardtest.Combine(first, second), second}
	}
	return a
}
