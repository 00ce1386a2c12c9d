package cardtest

import (
	"crypto"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// AdminKey is the administrator's 3DES key of every GIDS card.
const AdminKey = "\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08"

// GIDS returns a card with the GIDS application, as tokens with the GidsApplet have
// it: set up, without keys and certificates. It has no PUK: the administrator's key
// unblocks the PIN.
func GIDS(options ...Option) *Card {
	c := config{kind: gidsCard}
	c.gids.Quirks.NewPIN = iso.WrongLength // for a new PIN that is too short or too long
	return newGIDS(c, options)
}

// TPM returns a virtual smart card as Windows creates them with a TPM. Its ATR, its
// version, the limit of 240 bytes of data in short commands, and the files that
// Windows writes are those of a real one. The rest behaves as [GIDS], which is an
// assumption: the same Windows driver serves both, and no trace of a virtual smart
// card was available. Its PIN blocks as on other cards; see [GIDSLockout].
func TPM(options ...Option) *Card {
	c := config{kind: gidsCard}
	c.iso.ATR = []byte("\x3B\x8D\x01\x80\xFB\xA0\x00\x00\x03\x97\x42\x54\x46\x59\x04\x01\xCF")
	c.iso.NoExtended = true
	c.iso.MaxCommand = 5 + 240 + 1 // header, data, Le
	c.gids.TPM = true
	c.gids.MinPIN = len(PIN) // a policy can lower it from 8 to 4
	return newGIDS(c, options)
}

func newGIDS(c config, options []Option) *Card {
	c.gids.PIN, c.gids.AdminKey = PIN, []byte(AdminKey)
	for _, o := range options {
		o.apply(&c)
	}
	c.checkRetries()
	app := &gidsApplication{gids.New(c.gids)}
	if c.retriesLeft != nil {
		app.SetTriesLeft(*c.retriesLeft)
	}
	return newCard(c, app, true)
}

// A gidsApplication is the GIDS application of a card.
type gidsApplication struct{ *gids.Application }

func (a *gidsApplication) put(container string, key crypto.PrivateKey, certificate []byte) error {
	return a.Put(container, key, certificate)
}

func (a *gidsApplication) pinState() (left, spent int, verified bool) {
	t := a.Tries()
	return t.Left, t.Spent, t.Verified
}

// gids returns the GIDS application of the card for a method that needs it.
func (c *Card) gids(method string) *gidsApplication {
	a, ok := c.app.(*gidsApplication)
	if !ok {
		panic("cardtest: " + method + " is for GIDS cards, not for PIV cards")
	}
	return a
}

// PutFile stores the content of a file of a GIDS card and returns the card. The name
// is the one that Windows uses, with a slash: mscp/cmapfile, mscp/kxc00, cardcf. The
// names of file and directory have up to 8 characters. Any content is accepted.
// PutFile panics if the name is longer, if the card is blank or has no room for
// another file, and if it is not a GIDS card.
func (c *Card) PutFile(name string, content []byte) *Card {
	app := c.gids("PutFile")
	dir, file := splitName(name)
	if len(dir) > maxName || len(file) > maxName {
		panic(fmt.Sprintf("cardtest: file %q: the name is longer than %d characters", name, maxName))
	}
	if err := app.PutFile(dir, file, content); err != nil {
		panic(fmt.Sprintf("cardtest: file %q: %v", name, err))
	}
	return c
}

// maxName limits the names of files and of directories.
const maxName = 8

// File returns the content of a file of a GIDS card, nil if there is none. It panics
// if the card is not a GIDS card.
func (c *Card) File(name string) []byte {
	dir, file := splitName(name)
	return c.gids("File").File(dir, file)
}

func splitName(name string) (dir, file string) {
	dir, file, ok := strings.Cut(name, "/")
	if !ok {
		return "", name
	}
	return dir, file
}

// SetDefault makes a container of a GIDS card the default one and returns the card.
// Otherwise the first container that was put is. SetDefault panics if there is no
// such container.
func (c *Card) SetDefault(container string) *Card {
	if err := c.gids("SetDefault").SetDefault(container); err != nil {
		panic("cardtest: " + err.Error())
	}
	return c
}

// PutData stores a data object in a file of a GIDS card, by their numbers, and
// returns the card. Any numbers and any value are accepted; a nil value deletes the
// object. PutData panics if the card is not a GIDS card.
func (c *Card) PutData(file uint16, tag uint32, value []byte) *Card {
	c.gids("PutData").PutObject(file, ber.Tag(tag), value)
	return c
}
