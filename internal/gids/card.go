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
	"github.com/smartlogon/smartlogon/internal/fault"
)

// What calls of this package wrap, beside the errors of package card.
var (
	// ErrNotGIDS says that the card has no GIDS application.
	ErrNotGIDS = fault.New(fault.Application, "card has no GIDS application", "Insert a virtual smart card, or one like it: this one is of another kind.")

	// ErrNotFound says that the card does not hold a file or a data object.
	ErrNotFound = fault.New(fault.Object, "not on the card", "Try another card: this one does not hold what was asked for.")
)

// A Card is the GIDS application on a card. It is safe for concurrent use. It
// remembers what it read for as long as the card says that nothing has changed.
type Card struct {
	card *card.Card

	mu     sync.Mutex // guards what was learned about the card
	id     []byte     // the content of \cardid; nil while that is not known
	epoch  uint64     // in which id was read
	listed *contents  // what was on it; nil while that is not known
}

// New makes the GIDS application of a card, without asking whether there is one.
func New(c *card.Card) *Card { return &Card{card: c} }

// The application identifier; the version that follows it is not sent.
var aid = []byte{0xA0, 0x00, 0x00, 0x03, 0x97, 0x42, 0x54, 0x46, 0x59}

// application names the application for package card.
const application = "GIDS"

// read runs f in a transaction in which the application is current, again if the
// card was reset in the middle: f only reads.
func (c *Card) read(ctx context.Context, f func(*card.Tx) error) error {
	return cardapp.Read(ctx, c.card, c.ensureSelected, f)
}

// ensureSelected makes the application current, on the card that it was on before.
// If it was selected since the card was powered or reset, and the card has an
// identifier, it only checks by that whether it still is: cards forget a verified
// PIN when they are selected again.
func (c *Card) ensureSelected(tx *card.Tx) error {
	before := c.selectedIn(tx.Epoch())
	if before != nil {
		id, err := readObject(tx, cardID)
		if err == nil && bytes.Equal(id, before) {
			return nil
		}
		if err != nil && !isObjectError(err) {
			return err
		}
	}
	response, err := tx.Select(aid)
	switch {
	case err == nil && isOther(response):
		return ErrNotGIDS
	case errors.Is(err, card.StatusNotFound):
		return fmt.Errorf("%w: %w", ErrNotGIDS, err)
	case isObjectError(err):
		// The card did not say that the application is not there.
		return fault.Mark(fault.Object, fmt.Errorf("%w: %w", ErrNotGIDS, err))
	case err != nil:
		return err
	}
	id, err := readObject(tx, cardID)
	switch {
	case err != nil && (!isObjectError(err) || before != nil):
		return err
	case before != nil && !bytes.Equal(id, before):
		return fmt.Errorf("%w: it has another identifier", card.ErrChanged)
	}
	c.setID(id, tx.Epoch()) // none, if the card has no identifier
	_, err = tx.Identify(application, c.readIdentity)
	return err
}

// selectedIn returns the identifier of the card, nil unless the application was
// selected in that epoch.
func (c *Card) selectedIn(epoch uint64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch || len(c.id) == 0 {
		return nil
	}
	return c.id
}

// setID notes what was read after selection. Of another card nothing is known yet.
func (c *Card) setID(id []byte, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !bytes.Equal(c.id, id) {
		c.listed = nil
	}
	c.id, c.epoch = id, epoch
}

// readIdentity returns which card it is, by the identifier that ensureSelected has
// just read.
func (c *Card) readIdentity(*card.Tx) (card.Identity, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return card.NewIdentity("GIDS cardid", c.id, fmt.Sprintf("%x", c.id[:min(len(c.id), maxLabelID)])), nil
}

// maxLabelID bounds how much of an identifier, of 16 bytes as a rule, is shown.
const maxLabelID = 32

// Identity reads which card it is, by its identifier. It is zero if the card has
// none.
func (c *Card) Identity(ctx context.Context) (card.Identity, error) {
	var id card.Identity
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		id, err = tx.Identify(application, c.readIdentity)
		return err
	})
	if err != nil {
		return card.Identity{}, fmt.Errorf("gids: identity: %w", err)
	}
	return id, nil
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

// isObjectError reports whether an error is about one object and not about the
// card: the card responded, if only with nonsense.
func isObjectError(err error) bool {
	return err != nil && fault.ReachOf(err) == fault.Object
}

// malformed returns a card.ErrMalformed that says what is wrong.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", card.ErrMalformed, fmt.Errorf(format, args...))
}
