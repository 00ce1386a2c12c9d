package card

import (
	"crypto/sha256"
	"fmt"
)

// An Identity identifies a card by data that an application on it stores, such as a
// serial number or a GUID. Two are equal by == if they are of the same card. The
// zero value is an unknown card. Identities guard against mix-ups, not against
// copies: the card proves nothing.
type Identity struct {
	Label string // for the user: the serial number or the GUID

	id [sha256.Size]byte
}

// NewIdentity returns the Identity of a card by the identifier that an application
// stores. kind names the application and the kind of identifier; identifiers of
// different kinds are never equal. An empty id is an unknown card.
func NewIdentity(kind string, id []byte, label string) Identity {
	if len(id) == 0 {
		return Identity{}
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %s", len(kind), kind)
	h.Write(id)
	return Identity{label, [sha256.Size]byte(h.Sum(nil))}
}

// IsZero reports whether the card is unknown.
func (i Identity) IsZero() bool { return i == Identity{} }

// String returns the label, or "unknown card".
func (i Identity) String() string {
	if i.IsZero() {
		return "unknown card"
	}
	return i.Label
}

// Identify returns the identity of the card. If the application returned another
// one before, the error is ErrChanged, and the [Card] cannot be used any more.
//
// read reads the identity; the application must be selected. It runs once after
// each connect and each reset, since an unbroken connection is to the same card. An
// application calls Identify before it sends a PIN, writes, or uses a private key.
func (tx *Tx) Identify(application string, read func(*Tx) (Identity, error)) (Identity, error) {
	if id, ok := tx.link.identities[application]; ok {
		return id, nil
	}
	id, err := read(tx)
	if err != nil {
		return Identity{}, err
	}
	if err := tx.card.checkIdentity(application, id); err != nil {
		return Identity{}, err
	}
	if tx.link.identities == nil {
		tx.link.identities = make(map[string]Identity)
	}
	tx.link.identities[application] = id
	return id, nil
}

// ForgetIdentity makes the next Identify accept another identity. An application
// calls it after it has changed the data that its identity is made of.
func (tx *Tx) ForgetIdentity(application string) {
	delete(tx.link.identities, application)
	c := tx.card
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.identities, application)
}

// checkIdentity compares id with the first identity that the application returned.
func (c *Card) checkIdentity(application string, id Identity) error {
	c.mu.Lock()
	before, ok := c.identities[application]
	if !ok {
		if c.identities == nil {
			c.identities = make(map[string]Identity)
		}
		c.identities[application] = id
	}
	c.mu.Unlock()
	if ok && before != id {
		return c.end(fmt.Errorf("%w: it is %v, not %v", ErrChanged, id, before))
	}
	return nil
}

// errUnidentified ends a card without identity whose connection was lost: another
// card may be in its place.
var errUnidentified = fmt.Errorf("%w: the connection to it was lost, and it has no identity", ErrChanged)

// identified reports whether the card has an identity.
func (c *Card) identified() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range c.identities {
		if !id.IsZero() {
			return true
		}
	}
	return false
}
