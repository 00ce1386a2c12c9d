package card

import (
	"crypto/sha256"
	"fmt"
)

// An Identity tells cards apart, by what an application on the card says of
// itself: a serial number, a GUID. Two are equal by == if they are of the same
// card. The zero value is unknown. An Identity guards against mix-ups, not
// against copies: the card proves nothing.
type Identity struct {
	Label string // for people: the serial number or the GUID

	id [sha256.Size]byte
}

// NewIdentity returns the Identity of a card whose application, named by kind,
// has that identifier. An empty id is an unknown card.
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

// Identify makes sure that the card is still the one it was when this [Card] was
// first identified, and returns its identity. read asks an application, which is
// selected; it runs once after each connect and each reset, since an unbroken
// connection is proof by itself. If the identity differs, the error is ErrChanged
// and the Card is over.
//
// An application calls it before it sends a PIN, writes, or uses a private key.
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

// ForgetIdentity is for an application that has changed what its identity is made
// of. The next Identify accepts the new one.
func (tx *Tx) ForgetIdentity(application string) {
	delete(tx.link.identities, application)
	c := tx.card
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.identities, application)
}

// checkIdentity compares id with what the application said before.
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

// identified reports whether an application has said which card this is.
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
