package piv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
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

// errContactless is why a card refuses its PIN, and objects that need none.
var errContactless = fault.New(fault.Object,
	"card does not permit this over its contactless interface",
	"Put the card into a reader with contacts.",
)

// A Card is the PIV application on a card. It is safe for concurrent use.
type Card struct {
	card *card.Card

	mu         sync.Mutex     // guards what was learnt about the card
	fullAID    bool           // the application is selected by its full identifier only
	selected   uint64         // epoch in which it was last selected; 0 if it was not
	vendor     bool           // the response to SELECT has the form of Yubico's
	noMetadata bool           // the card has refused GET METADATA
	keys       int            // open keys
	chuid      []byte         // the CHUID as read; nil if there is none
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

// ensureSelected makes the application current. If it is, it is not selected again:
// some cards clear a verified PIN at SELECT.
func (c *Card) ensureSelected(tx *card.Tx) error {
	selected, err := c.isSelected(tx)
	if selected || err != nil {
		return err
	}
	return c.sendSelect(tx)
}

// isSelected reports whether the application is known to be current. With a discovery
// object, that shows it. Without one, the CHUID does, which may be long: it is read
// only while a key is open, whose PIN a SELECT could clear.
func (c *Card) isSelected(tx *card.Tx) (bool, error) {
	c.mu.Lock()
	object, want := ObjectDiscovery, c.discovery
	if want == nil && c.keys > 0 && c.selected == tx.Epoch() {
		object, want = ObjectCHUID, c.chuid
	}
	c.mu.Unlock()
	if want == nil {
		return false, nil
	}
	got, err := getData(tx, object)
	if err != nil && !isObjectError(err) {
		return false, err
	}
	return err == nil && bytes.Equal(got, want), nil
}

// isProbablySelected reports whether the application was selected over this
// connection, on a card that cannot show with one short object whether it still is.
// That is enough for a command that carries no PIN and whose result is verified:
// another application refuses it.
func (c *Card) isProbablySelected(tx *card.Tx) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.learned && c.discovery == nil && c.selected == tx.Epoch()
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
	if cardapp.LacksApplication(err) {
		response, err = tx.Select(aid)
		full = err == nil
	}
	switch {
	case err != nil:
		return cardapp.SelectError(ErrNotPIV, err)
	case isOther(response):
		return ErrNotPIV
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fullAID, c.selected, c.vendor = full, tx.Epoch(), hasVendorForm(response)
	return nil
}

// isObjectError reports whether err is about one object: the card responded, if
// only with malformed data.
func isObjectError(err error) bool {
	return err != nil && fault.ReachOf(err) == fault.Object
}

// isOther reports whether an application property template (SP 800-73-4 part 2,
// table 3) names another application than PIV. Cards return the identifier in full,
// truncated, without the registered part, or with a malformed rest. One that returns
// none counts as PIV.
func isOther(response []byte) bool {
	id := identifierIn(response)
	return cardapp.IsIdentifier(id) && !bytes.HasPrefix(aid, id) && !bytes.HasPrefix(id, aid[:truncatedLength])
}

// identifierIn returns the application identifier in the response to SELECT, nil if
// there is none.
func identifierIn(response []byte) []byte {
	template, ok, err := ber.Find(response, tagProperties)
	if !ok || err != nil {
		return nil
	}
	id, ok, err := ber.Find(template, 0x4F)
	if !ok || err != nil {
		return nil
	}
	return id
}

// tagProperties is the template in the response to SELECT.
const tagProperties ber.Tag = 0x61

// vendorLabels are in the application labels of free implementations that return the
// identifier in full.
var vendorLabels = [][]byte{[]byte("PivApplet"), []byte("OpenFIPS201")}

// hasVendorForm reports whether the response to SELECT has the form of Yubico's
// application and those that follow it: the identifier without the registered part, or
// one of their labels. As isYubiKey, it is a hint.
func hasVendorForm(response []byte) bool {
	id := identifierIn(response)
	if id == nil && len(response) > 2 && response[0] == byte(tagProperties) {
		id, _, _ = ber.Find(response[2:], 0x4F) // the length of PivApplet's template is malformed
	}
	if len(id) > 0 && bytes.Contains(aid[ridLength:], id) {
		return true
	}
	return slices.ContainsFunc(vendorLabels, func(label []byte) bool { return bytes.Contains(response, label) })
}

// isYubiKey reports whether the answer to reset is a YubiKey's. It is a hint: it
// decides which PINs are well-formed, which slots are listed, and which commands are
// worth a try that only read.
func (c *Card) isYubiKey() bool {
	h := bytes.ToLower(c.card.ATR().Historical())
	return bytes.Contains(h, []byte("yubikey"))
}

// isVendors reports whether the application is probably Yubico's or follows it.
func (c *Card) isVendors() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.vendor || c.isYubiKey()
}

// isContactless reports whether the answer to reset is the one that a reader builds
// for a contactless card (PC/SC part 3, 3.1.3.2.3). It only explains refusals.
func (c *Card) isContactless() bool {
	atr := c.card.ATR()
	return len(atr) > 4 && atr[0] == 0x3B && atr[1]&0xF0 == 0x80 && atr[2] == 0x80 && atr[3] == 0x01
}

// explainContactless adds errContactless to a refusal of a contactless card.
func (c *Card) explainContactless(err error) error {
	refused := errors.Is(err, card.StatusNotPermitted) || errors.Is(err, card.StatusNotSupported)
	if refused && c.isContactless() && !errors.Is(err, errContactless) {
		return fmt.Errorf("%w: %w", errContactless, err)
	}
	return err
}
