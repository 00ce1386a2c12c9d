package faultmatrix

import (
	"crypto/x509"
	"strings"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

// Cards are the rows.
func Cards() []Card {
	return []Card{
		newRow("PIV", cardtest.PIV, changesPIV, "9A", "9C", "9D"),
		newRow("PIV of T=0", cardtest.PIV, changesPIV, "9D", cardtest.T0),
		newRow("PIV without discovery object and logout", cardtest.PIV, changesPIV, "9A", "9E", cardtest.PIVNoDiscovery, cardtest.NoLogout),
		newRow("GIDS", cardtest.GIDS, changesGIDS, "kxc00", "ksc01", "kxc02"),
		newRow("TPM", cardtest.TPM, changesGIDS, "kxc00"),
		newRow("GIDS that keeps a PIN at SELECT and has no logout", cardtest.GIDS, changesGIDS, "kxc02", cardtest.GIDSSelectKeeps, cardtest.NoLogout),
		both(
			newRow("PIV and GIDS", cardtest.PIV, noChanges, "9A", cardtest.PIVBadFormatCosts),
			newRow("", cardtest.GIDS, noChanges, "kxc00"),
		),
	}
}

func noChanges(Container) []Operation { return nil }

// newRow is a row: a card with certificates in some containers, and options. An RSA
// key of 1024 bits is quick, and all the same to the software.
func newRow(name string, make func(...cardtest.Option) *cardtest.Card, changes func(Container) []Operation, rest ...any) Card {
	row := Card{Name: name}
	options := []cardtest.Option{cardtest.MaxRetries(5)} // some for the next program
	put := func(c *cardtest.Card) {}
	for _, it := range rest {
		switch it := it.(type) {
		case cardtest.Option:
			options = append(options, it)
		case string:
			leaf := cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{UPN}}
			decrypts := it == "9D" || it == "kxc02"
			if decrypts || strings.HasPrefix(it, "k") {
				leaf.Key = cardtest.Key(cardtest.RSA1024, 0)
			}
			if decrypts {
				leaf.KeyUsage = x509.KeyUsageKeyEncipherment
			}
			key, certificate := cardtest.TestCA().Issue(leaf)
			row.Containers = append(row.Containers, Container{Name: it, Certificate: certificate, Signs: !decrypts, Free: it == "9E"})
			before := put
			put = func(c *cardtest.Card) { before(c); c.Put(it, key, certificate) }
		}
	}
	row.More = changes(row.Containers[0])
	row.New = func() []*cardtest.Card {
		c := make(options...)
		put(c)
		return []*cardtest.Card{c}
	}
	return row
}

// both is a row of cards with the applications of two.
func both(a, b Card) Card {
	newA, newB := a.New, b.New
	a.Containers = append(a.Containers, b.Containers...)
	a.New = func() []*cardtest.Card {
		first, second := newA()[0], newB()[0]
		return []*cardtest.Card{cardtest.Combine(first, second), second}
	}
	return a
}
