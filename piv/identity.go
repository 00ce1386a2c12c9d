package piv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
)

// Identity reads which card this is, as [card.Tx.Identify] compares it: by its CHUID,
// else by the serial number of a YubiKey. It is zero if the card has neither.
func (c *Card) Identity(ctx context.Context) (card.Identity, error) {
	var id card.Identity
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		id, err = tx.Identify(application, c.readIdentity)
		return err
	})
	if err != nil {
		return card.Identity{}, fmt.Errorf("piv: identity: %w", err)
	}
	return id, nil
}

// readIdentity reads the identity of the card: its whole CHUID, since a GUID may be
// zero and a FASC-N shared, else the serial number of a YubiKey.
func (c *Card) readIdentity(tx *card.Tx) (card.Identity, error) {
	if err := c.checkWitness(tx); err != nil {
		return card.Identity{}, err
	}
	whole, err := getData(tx, ObjectCHUID)
	var content []byte
	if err == nil {
		content, err = unwrap(whole, ObjectCHUID)
	}
	var id card.Identity
	switch {
	case err == nil:
		id = identityOf(content)
	case !isObjectError(err):
		return card.Identity{}, err
	case c.isYubiKey():
		if id, err = readSerialIdentity(tx); err != nil {
			return card.Identity{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.identified, c.witness, c.chuid = true, nil, nil
	if content != nil {
		c.chuid = whole
	}
	return id, nil
}

// renewIdentity accepts the identity that the card has after a change, in the same
// transaction. If the response to the change was lost, the old identity stays, and the
// next use may report a card that is the same as changed.
func (c *Card) renewIdentity(tx *card.Tx) error {
	tx.ForgetIdentity(application)
	_, err := tx.Identify(application, c.readIdentity)
	return err
}

// identityOf returns the identity of a card with that CHUID.
func identityOf(chuid []byte) card.Identity {
	return card.NewIdentity("PIV CHUID", chuid, labelOf(chuid))
}

// readSerialIdentity reads the identity of a YubiKey without CHUID. It is zero before
// firmware 5.0.3, which has no command for the serial number.
func readSerialIdentity(tx *card.Tx) (card.Identity, error) {
	serial, err := tx.Command(card.Command{INS: 0xF8, Ne: 256})
	switch {
	case err == nil && len(serial) == 4:
		return card.NewIdentity("YubiKey serial", serial, fmt.Sprint(binary.BigEndian.Uint32(serial))), nil
	case err == nil || isObjectError(err):
		return card.Identity{}, nil
	}
	return card.Identity{}, err
}

// labelOf returns the GUID of a CHUID, else its FASC-N, else the start of its hash.
func labelOf(chuid []byte) string {
	h, err := decodeCHUID(chuid)
	switch {
	case err != nil:
	case h.GUID != [16]byte{}:
		g := h.GUID
		return fmt.Sprintf("%x-%x-%x-%x-%x", g[:4], g[4:6], g[6:8], g[8:10], g[10:])
	case len(h.FASCN) > 0:
		return fmt.Sprintf("%X", h.FASCN)
	}
	sum := sha256.Sum256(chuid)
	return fmt.Sprintf("CHUID %X", sum[:4])
}

// A witness is a certificate that was listed before the card was identified. A list
// does not read the identity, to save an exchange, so the certificate stands for it
// until the first transaction that does.
type witness struct {
	certificate *Certificate
	epoch       uint64 // of the connection that it was read over
}

// noteCertificate makes a certificate the witness, unless the card is identified.
func (c *Card) noteCertificate(tx *card.Tx, cert *Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.identified {
		c.witness = &witness{cert, tx.Epoch()}
	}
}

// checkWitness makes sure that the card has the certificate of the witness, if it is
// now used over another connection.
func (c *Card) checkWitness(tx *card.Tx) error {
	c.mu.Lock()
	w := c.witness
	c.mu.Unlock()
	if w == nil || w.epoch == tx.Epoch() {
		return nil
	}
	now, err := c.readCertificate(tx, w.certificate.Slot)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && !bytes.Equal(now.Raw, w.certificate.Raw):
		return fmt.Errorf("%w: it has another certificate in %v", card.ErrChanged, w.certificate.Slot)
	case err != nil && !isObjectError(err):
		return err
	}
	return nil
}
