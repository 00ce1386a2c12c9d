package piv

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cardapp"
	"github.com/smartlogon/smartlogon/internal/fault"
	"github.com/smartlogon/smartlogon/internal/signature"
)

// The errors that calls of this package wrap, beside those of package card.
var (
	// ErrNotPIV means that the card has no PIV application.
	ErrNotPIV = fault.New(fault.Application, "card has no PIV application", "Insert a PIV card: this one is of another kind.")

	// ErrNotFound means that the object is missing or empty.
	ErrNotFound = fault.New(fault.Object, "not on the card", "Try another card or slot: this one does not hold what was asked for.")

	// ErrMismatch means that the key in the slot does not belong to the public
	// key that it was opened with. Its result was discarded.
	ErrMismatch = signature.ErrMismatch
)

// errContactless is why a card does not accept its PIN.
var errContactless = fault.New(fault.Object,
	"card takes no PIN over its contactless interface",
	"Put the card into a reader with contacts.",
)

// A Card is the PIV application on a card. It is safe for concurrent use.
type Card struct {
	card *card.Card

	mu         sync.Mutex     // guards what was learnt about the card
	fullAID    bool           // the application is selected by its full identifier only
	learned    bool           // reference and discovery are set
	reference  card.Reference // the PIN that the card prefers
	discovery  []byte         // the discovery object as read; nil if there is none
	probed     bool           // version is set
	version    Version        // of a YubiKey's firmware; zero for other cards
	identified bool           // the identity of the card was read
	witness    *witness       // see identity.go
}

// application is the name of the application in package card.
const application = "PIV"

// New returns the PIV application of a card. Nothing is sent: a card without the
// application fails each call with [ErrNotPIV].
func New(c *card.Card) *Card { return &Card{card: c} }

// The application identifier (SP 800-73-4 part 1, 2.2). Its last two bytes are
// the version, which need not be sent.
var aid = []byte{0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00}

const (
	ridLength       = 5 // the registered part, NIST's
	truncatedLength = 9 // without the version
)

// read runs f in a transaction in which the application is current, once more if
// the card was reset meanwhile: f only reads.
func (c *Card) read(ctx context.Context, f func(*card.Tx) error) error {
	return cardapp.Read(ctx, c.card, c.ensureSelected, f)
}

// ensureSelected makes the application current. With a discovery object it only
// checks that it is: some cards clear a verified PIN at SELECT.
func (c *Card) ensureSelected(tx *card.Tx) error {
	selected, err := c.isSelected(tx)
	if selected || err != nil {
		return err
	}
	return c.sendSelect(tx)
}

// isSelected reports whether the application is known to be current.
func (c *Card) isSelected(tx *card.Tx) (bool, error) {
	c.mu.Lock()
	want := c.discovery
	c.mu.Unlock()
	if want == nil {
		return false, nil
	}
	got, err := getData(tx, ObjectDiscovery)
	if err != nil && !isObjectError(err) {
		return false, err
	}
	return err == nil && bytes.Equal(got, want), nil
}

// ensureSame makes the application current and makes sure that the card is the same
// as before.
func (c *Card) ensureSame(tx *card.Tx) error {
	if err := c.ensureSelected(tx); err != nil {
		return err
	}
	_, err := tx.Identify(application, c.readIdentity)
	return err
}

// sendSelect selects the application without its version, which most cards accept
// (SP 800-73-4 part 2, 3.1.1), else by the full identifier.
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
	if err == nil && isOther(response) {
		return ErrNotPIV
	}
	return cardapp.SelectError(ErrNotPIV, err)
}

// isObjectError reports whether err is about one object: the card responded, if
// only with malformed data.
func isObjectError(err error) bool {
	return err != nil && fault.ReachOf(err) == fault.Object
}

// isOther reports whether an application property template (SP 800-73-4 part 2,
// table 3) names another application than PIV. Cards return the identifier in full,
// truncated, or without the registered part. One that returns none counts as PIV.
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

// isYubiKey reports whether the answer to reset is a YubiKey's. It is a hint: it
// decides which PINs are well-formed, which slots are listed, and which commands are
// worth a try that only read.
func (c *Card) isYubiKey() bool {
	h := bytes.ToLower(c.card.ATR().Historical())
	return bytes.Contains(h, []byte("yubikey"))
}

// isContactless reports whether the answer to reset is the one that a reader builds
// for a contactless card (PC/SC part 3, 3.1.3.2.3). It only explains refusals.
func (c *Card) isContactless() bool {
	atr := c.card.ATR()
	return len(atr) > 4 && atr[0] == 0x3B && atr[1]&0xF0 == 0x80 && atr[2] == 0x80 && atr[3] == 0x01
}
