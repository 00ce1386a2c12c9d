package cardtest

import (
	"slices"

	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// A Neighbor is a second application on a card. It has a PIN of its own with three
// tries, and the same instruction and reference for it as PIV and GIDS: a program
// that sends a PIN without checking which application is selected spends a try of
// the Neighbor. It is an [Option].
type Neighbor struct {
	aid []byte
	app *iso.Bystander
}

// NewNeighbor returns an application with an identifier of 5 to 16 bytes and a PIN
// of up to 8 characters.
func NewNeighbor(aid []byte, pin string) *Neighbor {
	padded := []byte(pin)
	for len(padded) < 8 {
		padded = append(padded, 0xFF)
	}
	return &Neighbor{aid: slices.Clone(aid), app: iso.NewBystander(aid, padded)}
}

// AID returns the application identifier.
func (n *Neighbor) AID() []byte { return slices.Clone(n.aid) }

// RetriesLeft returns the current value of the PIN's retry counter.
func (n *Neighbor) RetriesLeft() int {
	left, _ := n.app.Tries()
	return left
}

// Spent returns the number of wrong PINs that the application received.
func (n *Neighbor) Spent() int {
	_, spent := n.app.Tries()
	return spent
}

func (n *Neighbor) apply(c *config) { c.neighbors = append(c.neighbors, n.app) }
