package piv

import (
	"context"
	"errors"
	"iter"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/cardapp"
)

// A Scan says which slots [Card.Certificates] reads.
type Scan int

const (
	// ScanUsual reads the four primary slots and the retired ones that the key
	// history announces. YubiKeys announce none unless somebody wrote a key
	// history, so all of their slots are read where there is none; so are
	// those of a card whose key history makes no sense.
	ScanUsual Scan = iota

	// ScanPrimary reads the four primary slots.
	ScanPrimary

	// ScanAll reads all 24 slots, whatever the key history says.
	ScanAll
)

// Certificates reads the certificates on the card in one section and yields
// each as it comes, [Authentication] first. Empty slots are passed over. An
// error that names a slot is about that one and does not end the sequence; any
// other does.
//
// The section goes on while the caller looks at what was yielded: it may ask a
// person something there. To break off ends the section.
func (c *Card) Certificates(ctx context.Context, s Scan) iter.Seq2[*Certificate, error] {
	return cardapp.Stream(ctx, func(ctx context.Context, found func(*Certificate, error)) {
		l := lister{card: c, scan: s, found: found, done: make(map[Slot]bool)}
		if err := c.read(ctx, l.list); err != nil {
			found(nil, err)
		}
	})
}

// A lister reads certificates and hands them over.
type lister struct {
	card  *Card
	scan  Scan
	found func(*Certificate, error)
	done  map[Slot]bool // read already; the card may be reset in the middle
	count int           // of retired certificates found
}

func (l *lister) list(tx *card.Tx) error {
	for _, s := range primary {
		if err := l.one(tx, s); err != nil {
			return err
		}
	}
	expect, err := l.expected(tx)
	if err != nil {
		return err
	}
	// The keys of certificates on the card have the first numbers (SP 800-73-4
	// part 1, 3.3.4), but cards have gaps.
	for s := firstRetired; s <= lastRetired && l.count < expect; s++ {
		if err := l.one(tx, s); err != nil {
			return err
		}
	}
	return nil
}

// expected is how many retired certificates to look for.
func (l *lister) expected(tx *card.Tx) (int, error) {
	const all = int(lastRetired-firstRetired) + 1
	switch l.scan {
	case ScanPrimary:
		return 0, nil
	case ScanAll:
		return all + 1, nil
	}
	h, err := readKeyHistory(tx)
	switch {
	case err == nil:
		return h.OnCard, nil
	case tx.Context().Err() != nil || !isObjectError(err):
		return 0, err
	case l.card.isYubiKey(), errors.Is(err, card.ErrMalformed): // what it was to say is not known
		return all + 1, nil
	}
	return 0, nil
}

// one reads one slot. Its error ends the listing.
func (l *lister) one(tx *card.Tx, s Slot) error {
	if l.done[s] {
		return nil
	}
	cert, err := readCertificate(tx, s)
	if err != nil && !isObjectError(err) {
		return err
	}
	l.done[s] = true
	switch {
	case err == nil:
		if s.retired() {
			l.count++
		}
		l.found(cert, nil)
	case !errors.Is(err, ErrNotFound):
		l.found(nil, certificateError(s, err))
	}
	return nil
}
