package cardtest

import (
	"crypto"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/softcard/gids"
	"github.com/smartlogon/smartlogon/internal/softcard/iso"
)

// AdminKey is the 3DES key of the administrator of every GIDS card.
const AdminKey = "\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08"

// GIDS makes a card with the GIDS application, as tokens with the GidsApplet answer:
// set up, without keys and certificates. It has no PUK: its administrator unblocks
// it.
func GIDS(options ...Option) *Card {
	c := config{kind: gidsCard}
	c.gids.Quirks.NewPIN = iso.WrongLength // of one that is too short, or too long
	return newGIDS(c, options)
}

// TPM makes a virtual smart card as Windows makes them with a TPM. Known are its
// answer to reset, its version, that it takes short commands with up to 240 bytes
// of data, and what Windows writes on it. How it answers is assumed to be as
// [GIDS] does, since the same driver of Windows serves both; no trace of one was
// at hand. Its PIN is blocked as on other cards unless [GIDSLockout] is among the options.
func TPM(options ...Option) *Card {
	c := config{kind: gidsCard}
	c.iso.ATR = []byte("\x3B\x8D\x01\x80\xFB\xA0\x00\x00\x03\x97\x42\x54\x46\x59\x04\x01\xCF")
	c.iso.NoExtended = true
	c.iso.MaxCommand = 5 + 240 + 1 // header, data, Le
	c.gids.TPM = true
	c.gids.MinPIN = len(PIN) // which is set down to 4 at the least; without it, it is 8
	return newGIDS(c, options)
}

func newGIDS(c config, options []Option) *Card {
	c.gids.PIN, c.gids.AdminKey = PIN, []byte(AdminKey)
	for _, o := range options {
		o.apply(&c)
	}
	c.checkRetries(c.gids.PINTries)
	app := &gidsApplication{gids.New(c.gids)}
	if c.retriesLeft != nil {
		app.SetTriesLeft(*c.retriesLeft)
	}
	return newCard(c, app, true)
}

// A gidsApplication is the GIDS application on a card.
type gidsApplication struct{ *gids.Application }

func (a *gidsApplication) put(container string, key crypto.PrivateKey, certificate []byte) error {
	return a.Put(container, key, certificate)
}

func (a *gidsApplication) tries() (left, spent int, verified bool) {
	t := a.Tries()
	return t.Left, t.Spent, t.Verified
}

// gids is the GIDS application of a card. It panics where the card is of another
// kind.
func (c *Card) gids() *gidsApplication {
	a, ok := c.app.(*gidsApplication)
	if !ok {
		panic("cardtest: this is no GIDS card")
	}
	return a
}

// PutFile stores what a file of a GIDS card holds, and returns the card. The name is
// the one that Windows knows, with a slash: mscp/cmapfile, mscp/kxc00, cardcf. Any
// name of up to 8 characters and any content are taken. It panics where the name is
// longer, and where the card is not set up or has no room for another file.
func (c *Card) PutFile(name string, content []byte) *Card {
	dir, file := split(name)
	if len(dir) > longestName || len(file) > longestName {
		panic(fmt.Sprintf("cardtest: file %q: the name is longer than %d characters", name, longestName))
	}
	if err := c.gids().PutFile(dir, file, content); err != nil {
		panic(fmt.Sprintf("cardtest: file %q: %v", name, err))
	}
	return c
}

// longestName bounds the names of files and of directories.
const longestName = 8

// File is what a file of a GIDS card holds, nil where there is none.
func (c *Card) File(name string) []byte {
	dir, file := split(name)
	return c.gids().File(dir, file)
}

func split(name string) (dir, file string) {
	dir, file, ok := strings.Cut(name, "/")
	if !ok {
		return "", name
	}
	return dir, file
}

// SetDefault makes another container of a GIDS card the default one, and returns
// the card. The first that was put is that by itself.
func (c *Card) SetDefault(container string) *Card {
	if err := c.gids().SetDefault(container); err != nil {
		panic("cardtest: " + err.Error())
	}
	return c
}

// PutData stores a data object in a file of a GIDS card, by their numbers, and
// returns the card. Any are taken, and any value; nil removes the object.
func (c *Card) PutData(file uint16, tag uint32, value []byte) *Card {
	c.gids().PutObject(file, ber.Tag(tag), value)
	return c
}
