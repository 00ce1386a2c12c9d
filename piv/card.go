package piv

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
	"github.com/smartlogon/smartlogon/internal/signature"
)

// What calls of this package wrap, beside the errors of package card.
var (
	// ErrNotPIV says that the card has no PIV application.
	ErrNotPIV = fault.New(fault.Application, "card has no PIV application", "Insert a PIV card: this one is of another kind.")

	// ErrNotFound says that the card does not hold an object, or an empty one.
	ErrNotFound = fault.New(fault.Object, "not on the card", "Try another card or slot: this one does not hold what was asked for.")

	// ErrMismatch says that the key in a slot is not the one of the public
	// key that it was opened with. What it made was not handed out.
	ErrMismatch = signature.ErrMismatch
)

// errContactless says why a card does not take its PIN.
var errContactless = fault.New(fault.Object,
	"card takes no PIN over its contactless interface",
	"Put the card into a reader with contacts.",
)

// A Card is the PIV application on a card. It is safe for concurrent use.
type Card struct {
	card *card.Card

	mu        sync.Mutex     // guards what was learnt about the card
	fullAID   bool           // it is selected by its whole identifier only
	learned   bool           // the discovery object was read, for the next two
	reference card.Reference // the PIN that the card wants
	discovery []byte         // the object as the card returned it; nil if there is none
	probed    bool           // whether it is a YubiKey is known, for the next one
	version   Version        // of its firmware; zero for other cards
}

// application names the application for package card.
const application = "PIV"

// New returns the PIV application of a card, without asking whether there is one.
func New(c *card.Card) *Card { return &Card{card: c} }

// The application identifier (SP 800-73-4 part 1, 2.2). Its last two bytes are
// the version, which need not be sent.
var aid = []byte{0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00}

const (
	ridLength       = 5 // of NIST
	truncatedLength = 9 // without the version
)

// read runs f in a transaction in which the application is current, again if the
// card was reset in the middle: f only reads.
func (c *Card) read(ctx context.Context, f func(*card.Tx) error) error {
	return cardapp.Read(ctx, c.card, c.ensureSelected, f)
}

// ensureSelected makes the application current. If it can, it only checks whether
// it is: some cards forget a verified PIN when they are selected again.
func (c *Card) ensureSelected(tx *card.Tx) error {
	c.mu.Lock()
	want := c.discovery
	c.mu.Unlock()
	if want != nil {
		got, err := getData(tx, ObjectDiscovery)
		if err == nil && bytes.Equal(got, want) {
			return nil
		}
		if err != nil && !isObjectError(err) {
			return err
		}
	}
	return c.sendSelect(tx)
}

// ensureSame makes the application current, on the card that it was on before.
func (c *Card) ensureSame(tx *card.Tx) error {
	if err := c.ensureSelected(tx); err != nil {
		return err
	}
	_, err := tx.Identify(application, c.readIdentity)
	return err
}

// sendSelect selects the application, by as much of its identifier as most cards
// want (SP 800-73-4 part 2, 3.1.1).
func (c *Card) sendSelect(tx *card.Tx) error {
	c.mu.Lock()
	full := c.fullAID
	c.mu.Unlock()
	var response []byte
	err := error(card.StatusNotFound)
	if !full {
		response, err = tx.Select(aid[:truncatedLength])
	}
	if errors.Is(err, card.StatusNotFound) {
		if response, err = tx.Select(aid); err == nil {
			c.mu.Lock()
			c.fullAID = true
			c.mu.Unlock()
		}
	}
	switch {
	case err == nil && isOther(response):
		return ErrNotPIV
	case errors.Is(err, card.StatusNotFound):
		return fmt.Errorf("%w: %w", ErrNotPIV, err)
	case isObjectError(err):
		// The card did not say that the application is not there.
		return fault.Mark(fault.Object, fmt.Errorf("%w: %w", ErrNotPIV, err))
	}
	return err
}

// isObjectError reports whether an error is about one object and not about the
// card: the card responded, if only with nonsense.
func isObjectError(err error) bool {
	return err != nil && fault.ReachOf(err) == fault.Object
}

// isOther reports whether an application property template (SP 800-73-4 part 2,
// table 3) speaks of an application that is not PIV. Cards give the identifier
// whole, or without the part that is NIST's; one that gives none is trusted.
func isOther(response []byte) bool {
	template, ok, err := ber.Find(response, 0x61)
	if !ok || err != nil {
		return false
	}
	id, ok, err := ber.Find(template, 0x4F)
	if !ok || err != nil || len(id) == 0 {
		return false
	}
	return !bytes.HasPrefix(aid, id) && !bytes.HasPrefix(aid[ridLength:], id) && !bytes.HasPrefix(id, aid[:truncatedLength])
}

// isYubiKey reports whether the card answers to reset as YubiKeys do. It decides
// about habits only: which PINs make sense, and that unannounced retired keys
// are common.
func (c *Card) isYubiKey() bool {
	h := bytes.ToLower(c.card.ATR().Historical())
	return bytes.Contains(h, []byte("yubikey"))
}

// isContactless reports whether the answer to reset is one that the reader made
// up for a card without contacts (PC/SC part 3, 3.1.3.2.3). It explains refusals
// and decides about nothing.
func (c *Card) isContactless() bool {
	atr := c.card.ATR()
	return len(atr) > 4 && atr[0] == 0x3B && atr[1]&0xF0 == 0x80 && atr[2] == 0x80 && atr[3] == 0x01
}
