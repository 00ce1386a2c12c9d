package cardtest

import (
	"crypto"
	"strconv"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// pinReference is the number of the PIV application PIN (SP 800-73-4 part 1,
// table 4).
const pinReference = 0x80

// A pivApplication is the PIV application on a card.
type pivApplication struct {
	*piv.Application
	encoding piv.Encoding
}

func (a *pivApplication) put(container string, key crypto.PrivateKey, certificate []byte) error {
	ref, err := strconv.ParseUint(container, 16, 8)
	if err != nil {
		return err
	}
	return a.putReference(byte(ref), key, certificate)
}

func (a *pivApplication) putReference(ref byte, key crypto.PrivateKey, certificate []byte) error {
	if err := a.Put(ref, key, nil); err != nil || certificate == nil {
		return err
	}
	return a.PutCertificate(ref, certificate, a.encoding)
}

func (a *pivApplication) tries() (left, spent int, verified bool) {
	t := a.Tries(pinReference)
	return t.Left, t.Spent, t.Verified
}

// piv is the PIV application of a card. It panics where the card is of another
// kind.
func (c *Card) piv() *pivApplication {
	a, ok := c.app.(*pivApplication)
	if !ok {
		panic("cardtest: this is no PIV card")
	}
	return a
}

// PutObject stores a data object on a PIV card, and returns the card. The value is
// what stands inside the outermost tag of the object; an empty one removes it. The
// tag is PIV's, such as 5FC102; any tag and any value are taken.
func (c *Card) PutObject(tag uint32, value []byte) *Card {
	c.piv().PutObject(tag, value)
	return c
}

// Object is the value of a data object of a PIV card, nil where there is none.
func (c *Card) Object(tag uint32) []byte { return c.piv().Object(tag) }
