package faultmatrix

import (
	"crypto/x509"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

// Cards are the rows.
func Cards() []Card {
	return []Card{
		pivCard("PIV", "9A", "9C", "9D"),
		pivCard("PIV of T=0", "9D", cardtest.T0),
		pivCard("PIV without discovery object and logout", "9A", "9E", cardtest.NoDiscovery, cardtest.NoLogout),
	}
}

// pivCard is a row: a PIV card with certificates in some containers. An RSA key
// of 1024 bits is quick, and all the same to the software.
func pivCard(name string, rest ...any) Card {
	row := Card{Name: name}
	options := []cardtest.Option{cardtest.PINTries(5)} // some for the next program
	put := func(c *cardtest.Card) {}
	for _, it := range rest {
		switch it := it.(type) {
		case cardtest.Option:
			options = append(options, it)
		case string:
			leaf := cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{UPN}}
			if it == "9D" {
				leaf.Key, leaf.KeyUsage = cardtest.Key(cardtest.RSA1024, 0), x509.KeyUsageKeyEncipherment
			}
			key, certificate := cardtest.TestCA().Issue(leaf)
			row.Containers = append(row.Containers, Container{Name: it, Certificate: certificate, Signs: it != "9D", Free: it == "9E"})
			before := put
			put = func(c *cardtest.Card) { before(c); c.Put(it, key, certificate) }
		}
	}
	row.More = changesPIV(row.Containers[0])
	row.New = func() *cardtest.Card {
		c := cardtest.PIV(options...)
		put(c)
		return c
	}
	return row
}
