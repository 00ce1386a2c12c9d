package cardtest

import (
	"crypto"
	"strconv"

	"github.com/smartlogon/smartlogon/internal/softcard/piv"
)

// pinReference is the key reference of the PIV application PIN (SP 800-73-4 part 1,
// table 4).
const pinReference = 0x80

// PIV returns a PIV card (NIST SP 800-73-4) without keys and certificates.
func PIV(options ...Option) *Card {
	return newPIV(config{kind: pivCard}, options)
}

// Logon returns a PIV card for signing in under a user principal name: it has an
// RSA key in 9A with a certificate of [TestCA], valid from an hour ago for a year.
func Logon(upn string, options ...Option) *Card {
	key, certificate := TestCA().Issue(Leaf{UPNs: []string{upn}})
	return PIV(options...).Put("9A", key, certificate)
}

func newPIV(c config, options []Option) *Card {
	c.piv.PIN, c.piv.PUK = PIN, PUK
	for _, o := range options {
		o.apply(&c)
	}
	c.checkRetries()
	app := &pivApplication{piv.New(c.piv), c.encoding}
	if c.retriesLeft != nil {
		app.SetTriesLeft(pinReference, *c.retriesLeft)
	}
	return newCard(c, app, !c.noPIV)
}

// A pivApplication is the PIV application of a card.
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

func (a *pivApplication) pinState() (left, spent int, verified bool) {
	t := a.Tries(pinReference)
	return t.Left, t.Spent, t.Verified
}

// piv returns the PIV application of the card for a method that needs it.
func (c *Card) piv(method string) *pivApplication {
	a, ok := c.app.(*pivApplication)
	if !ok {
		panic("cardtest: " + method + " is for PIV cards, not for GIDS cards")
	}
	return a
}

// PutObject stores a data object on a PIV card and returns the card. The value is
// the content of the object's outermost tag; an empty value deletes the object. Any
// tag, such as 5FC102, and any value are accepted. PutObject panics if the card is
// not a PIV card.
func (c *Card) PutObject(tag uint32, value []byte) *Card {
	c.piv("PutObject").PutObject(tag, value)
	return c
}

// Object returns the value of a data object of a PIV card, nil if there is none. It
// panics if the card is not a PIV card.
func (c *Card) Object(tag uint32) []byte { return c.piv("Object").Object(tag) }
