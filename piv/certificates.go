package piv

import (
	"context"
	"errors"
	"iter"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// A Scan selects the slots that [Card.Certificates] reads.
type Scan int

const (
	// ScanUsual reads the four primary slots and as many retired ones as the key
	// history announces. If it is malformed, or missing on a YubiKey, which most
	// tools leave without one, all slots are read.
	ScanUsual Scan = iota

	// ScanPrimary reads the four primary slots.
	ScanPrimary

	// ScanAll reads all 24 slots and not the key history.
	ScanAll
)

// Certificates reads the certificates on the card in one transaction and yields each
// as soon as it is read, [Authentication] first. Empty slots are skipped. An error
// that names a slot is about that slot and does not end the sequence; any other does.
//
// The transaction does not wait for the caller, who may ask the user something in
// the loop. Breaking off ends the transaction.
func (c *Card) Certificates(ctx context.Context, s Scan) iter.Seq2[*Certificate, error] {
	return cardapp.Stream(ctx, func(ctx context.Context, emit func(*Certificate, error)) {
		l := lister{card: c, scan: s, emit: emit, done: make(map[Slot]bool)}
		if err := c.read(ctx, l.list); err != nil {
			emit(nil, err)
		}
	})
}

// A lister is one run of Certificates.
type lister struct {
	card    *Card
	scan    Scan
	emit    func(*Certificate, error)
	done    map[Slot]bool // read before the card was reset
	retired int           // retired certificates read
}

func (l *lister) list(tx *card.Tx) error {
	for _, s := range primary {
		if err := l.readSlot(tx, s); err != nil {
			return err
		}
	}
	most, err := l.announced(tx)
	if err != nil {
		return err
	}
	// Keys with certificates on the card have the lowest numbers (SP 800-73-4 part
	// 1, 3.3.4), but cards have gaps.
	for s := firstRetired; s <= lastRetired && l.retired < most; s++ {
		if err := l.readSlot(tx, s); err != nil {
			return err
		}
	}
	return nil
}

// announced returns the number of retired certificates after which the list is
// complete.
func (l *lister) announced(tx *card.Tx) (int, error) {
	const unknown = int(lastRetired-firstRetired) + 2 // more than there can be
	switch l.scan {
	case ScanPrimary:
		return 0, nil
	case ScanAll:
		return unknown, nil
	}
	h, err := l.card.readKeyHistory(tx)
	switch {
	case err == nil:
		return h.OnCard, nil
	case tx.Context().Err() != nil || !isObjectError(err):
		return 0, err
	case l.card.isYubiKey(), errors.Is(err, card.ErrMalformed):
		return unknown, nil
	}
	return 0, nil
}

// readSlot reads one slot. It returns only errors that end the listing.
func (l *lister) readSlot(tx *card.Tx, s Slot) error {
	if l.done[s] {
		return nil
	}
	cert, err := l.card.readCertificate(tx, s)
	if err != nil && !isObjectError(err) {
		return err
	}
	l.done[s] = true
	switch {
	case err == nil:
		if s.retired() {
			l.retired++
		}
		l.card.noteCertificate(tx, cert)
		l.emit(cert, nil)
	case !errors.Is(err, ErrNotFound):
		l.emit(nil, certificateError(s, err))
	}
	return nil
}
