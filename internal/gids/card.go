package gids

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/fault"
)

// Errors that calls of this package wrap, beside those of package card.
var (
	// ErrNotGIDS says that the card has no GIDS application.
	ErrNotGIDS = fault.New(fault.Application, "card has no GIDS application", "Insert a virtual smart card or another card with the GIDS application.")

	// ErrNotFound says that the card does not have a file or a data object.
	ErrNotFound = fault.New(fault.Object, "not on the card", "Try another card: this one does not hold what was asked for.")
)

// A Card is the GIDS application on a card. It is safe for concurrent use. It caches
// the certificates for as long as the card's counters of changes stay the same.
type Card struct {
	card *card.Card

	mu     sync.Mutex // guards what follows
	epoch  uint64     // in which the application was last selected
	id     []byte     // the content of \cardid, as read then; nil if the card has none
	cached *contents  // nil if nothing is cached
}

// New returns the GIDS application of a card. It does not check whether the card
// has one.
func New(c *card.Card) *Card { return &Card{card: c} }

// aid is the application identifier without the version, which is not sent.
var aid = []byte{0xA0, 0x00, 0x00, 0x03, 0x97, 0x42, 0x54, 0x46, 0x59}

// application names the application for package card.
const application = "GIDS"

// read runs f in a transaction in which the application is current, once more if the
// card was reset in between: f only reads.
func (c *Card) read(ctx context.Context, f func(*card.Tx) error) error {
	return cardapp.Read(ctx, c.card, c.ensureSelected, f)
}

// ensureSelected makes the application current, and verifies that the card is the
// same as before. It does not select an application that is current: that would
// end the verification of the PIN.
func (c *Card) ensureSelected(tx *card.Tx) error {
	if c.selectedIn(tx.Epoch()) {
		if current, err := c.isCurrent(tx); current || err != nil {
			return err
		}
	}
	if err := selectApplication(tx); err != nil {
		return err
	}
	content, err := readObject(tx, cardID)
	if err != nil && !isObjectError(err) {
		return err
	}
	id := identifier(content)
	if before := c.identifierIn(tx.Epoch()); before != nil && !bytes.Equal(id, before) {
		if err == nil {
			err = fmt.Errorf("%w: it has another identifier", card.ErrChanged)
		}
		return err
	}
	c.setIdentifier(id, tx.Epoch())
	_, err = tx.Identify(application, c.readIdentity)
	return err
}

// selectApplication sends SELECT.
func selectApplication(tx *card.Tx) error {
	response, err := tx.Select(aid)
	if err == nil && isOther(response) {
		return ErrNotGIDS
	}
	return cardapp.SelectError(ErrNotGIDS, err)
}

// isCurrent reports whether the application, selected before in this epoch, is still
// current. Another application does not return the identifier of this card. On a
// card without one, the retry counter of the PIN tells: no other application is
// known to have that object.
func (c *Card) isCurrent(tx *card.Tx) (current bool, err error) {
	if before := c.identifierIn(tx.Epoch()); before != nil {
		var content []byte
		content, err = readObject(tx, cardID)
		current = err == nil && bytes.Equal(content, before)
	} else {
		var status card.PINStatus
		status, err = readPINStatus(tx, pinStatus)
		current = err == nil && status.Retries >= 0
	}
	if isObjectError(err) {
		err = nil
	}
	return current, err
}

// identifier returns the identifier in \cardid, nil if there is none. Zeros
// are not one: many cards may have them.
func identifier(content []byte) []byte {
	if len(bytes.Trim(content, "\x00")) == 0 {
		return nil
	}
	return content
}

// selectedIn reports whether the application was selected in an epoch.
func (c *Card) selectedIn(epoch uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch == epoch
}

// identifierIn returns the identifier of the card if it was read in an epoch.
func (c *Card) identifierIn(epoch uint64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return nil
	}
	return c.id
}

// setIdentifier notes the identifier that was read after SELECT, and drops what
// was cached of another card.
func (c *Card) setIdentifier(id []byte, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !bytes.Equal(c.id, id) {
		c.cached = nil
	}
	c.id, c.epoch = id, epoch
}

// readIdentity returns the identity of the card by the identifier that
// ensureSelected has read in the same transaction.
func (c *Card) readIdentity(*card.Tx) (card.Identity, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return card.NewIdentity("GIDS cardid", c.id, fmt.Sprintf("%x", c.id[:min(len(c.id), maxLabel)])), nil
}

// maxLabel bounds the bytes of an identifier that are shown. Windows writes 16.
const maxLabel = 32

// Identity returns the identity of the card, by its identifier. It is zero if the
// card has none.
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

// isOther reports whether the response to SELECT names an application other than
// GIDS, in an application template (61) or a file control template (6F). A
// response without one is accepted.
func isOther(response []byte) bool {
	for outer, inner := range map[ber.Tag]ber.Tag{0x61: 0x4F, 0x6F: 0x84} {
		template, ok, err := ber.Find(response, outer)
		if !ok || err != nil {
			continue
		}
		id, ok, err := ber.Find(template, inner)
		if ok && err == nil && cardapp.IsIdentifier(id) && !bytes.HasPrefix(id, aid) {
			return true
		}
	}
	return false
}

// isObjectError reports whether err reaches no further than one object: the card
// responded.
func isObjectError(err error) bool {
	return err != nil && fault.ReachOf(err) == fault.Object
}

// malformed returns a card.ErrMalformed that says what is malformed.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", card.ErrMalformed, fmt.Errorf(format, args...))
}
