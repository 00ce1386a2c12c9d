package gids

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/remedy"
)

// What calls of this package wrap, beside the errors of package card.
var (
	// ErrNotGIDS says that the card has no GIDS application.
	ErrNotGIDS = remedy.New("card has no GIDS application", "Insert a virtual smart card, or one like it: this one is of another kind.")

	// ErrNotFound says that the card does not hold a file or a data object.
	ErrNotFound = remedy.New("not on the card", "The card does not hold what was asked for; another card may.")
)

// A Card is the GIDS application on a card. It is safe for concurrent use. It
// remembers what it read for as long as the card says that nothing has changed.
type Card struct {
	card *card.Card

	mu    sync.Mutex // guards what was learnt about the card
	id    []byte     // the content of \cardid; nil while that is not known
	known *contents  // what was on it; nil while that is not known
}

// New makes the GIDS application of a card, without asking whether there is one.
func New(c *card.Card) *Card { return &Card{card: c} }

// The application identifier; the version that follows it is not sent.
var aid = []byte{0xA0, 0x00, 0x00, 0x03, 0x97, 0x42, 0x54, 0x46, 0x59}

// read runs f in a section in which the application is current, again if the
// card was reset in the middle: f reads only.
func (c *Card) read(ctx context.Context, f func(*card.Tx) error) error {
	return cardapp.Read(ctx, c.card, c.enter, f)
}

// enter makes the application current. Of a card that it knows it looks first whether
// it is, by the card's identifier, which nobody else has: cards forget a verified PIN
// when they are selected again.
func (c *Card) enter(tx *card.Tx) error {
	_, err := c.selected(tx)
	return err
}

// enterSame is enter, and makes sure that it is the card that was there before, as
// far as cards have identifiers.
func (c *Card) enterSame(tx *card.Tx) error {
	unsure, err := c.selected(tx)
	if err == nil && unsure {
		err = c.identify(tx)
	}
	return err
}

// selected does it. It reports whether it selected the application of a card that is
// known, and did not look whether it is the same one.
func (c *Card) selected(tx *card.Tx) (unsure bool, err error) {
	known := c.identified()
	var before error // what spoke against it
	if known {
		if before = c.identify(tx); before == nil {
			return false, nil
		}
		if !about(before) && !errors.Is(before, card.ErrChanged) {
			return false, before
		}
	}
	answer, err := tx.Select(aid)
	var status card.Status
	switch {
	case err == nil && isOther(answer):
		return false, ErrNotGIDS
	case errors.As(err, &status):
		return false, fmt.Errorf("%w: %w", ErrNotGIDS, err)
	case err != nil:
		return false, err
	case known && about(before): // nobody claimed to be the card
		return true, nil
	}
	if err = c.identify(tx); err != nil && about(err) && !known {
		err = nil // a card without an identifier
	}
	return false, err
}

func (c *Card) identified() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id != nil
}

// identify reads the card's identifier. It must be the one that was read before, if
// one was.
func (c *Card) identify(tx *card.Tx) error {
	id, err := readObject(tx, cardID)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(id) == 0:
		return ErrNotFound
	case c.id == nil:
		c.id = id
	case !bytes.Equal(c.id, id):
		return fmt.Errorf("%w: it has another identifier", card.ErrChanged)
	}
	return nil
}

// isOther reports whether the answer to SELECT names an application that is not
// GIDS, in an application template (61) or a file control template (6F). One that
// names none is trusted.
func isOther(answer []byte) bool {
	for outer, inner := range map[ber.Tag]ber.Tag{0x61: 0x4F, 0x6F: 0x84} {
		template, ok, err := ber.Find(answer, outer)
		if !ok || err != nil {
			continue
		}
		id, ok, err := ber.Find(template, inner)
		if ok && err == nil && len(id) > 0 && !bytes.HasPrefix(id, aid) {
			return true
		}
	}
	return false
}

// name is what people are told, and by which the card is known again in another
// reader.
func (c *Card) name(*card.Tx) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id == nil {
		return fmt.Sprintf("GIDS card %v in %q", c.card.ATR(), c.card.Reader()), nil
	}
	return fmt.Sprintf("GIDS card %x", c.id[:min(len(c.id), maxShownID)]), nil
}

// maxShownID bounds how much of an identifier, of 16 bytes as a rule, is shown.
const maxShownID = 32

// about reports whether an error is about one object and not about the card: the
// card answered, if only with nonsense.
func about(err error) bool {
	var status card.Status
	return errors.As(err, &status) || errors.Is(err, ErrNotFound) || errors.Is(err, card.ErrMalformed)
}

// malformed says that the card is at fault, and where.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", card.ErrMalformed, fmt.Errorf(format, args...))
}
