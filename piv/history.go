package piv

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// A KeyHistory counts the retired Key Management keys of a card (SP 800-73-4 part 1,
// 3.3.4 and table 17).
type KeyHistory struct {
	OnCard  int    // keys whose certificates are on the card
	OffCard int    // keys whose certificates are elsewhere
	URL     string // of those certificates; empty if OffCard is 0
}

// KeyHistory reads the key history object.
func (c *Card) KeyHistory(ctx context.Context) (*KeyHistory, error) {
	var h *KeyHistory
	err := c.read(ctx, func(tx *card.Tx) (err error) {
		h, err = c.readKeyHistory(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("piv: key history, object %v: %w", ObjectKeyHistory, err)
	}
	return h, nil
}

func (c *Card) readKeyHistory(tx *card.Tx) (*KeyHistory, error) {
	content, err := c.readObject(tx, ObjectKeyHistory)
	if err != nil {
		return nil, err
	}
	return decodeKeyHistory(content)
}

// maxHistoryURL is the length of the longest URL, in bytes.
const maxHistoryURL = 118

func decodeKeyHistory(content []byte) (*KeyHistory, error) {
	const most = int(lastRetired-firstRetired) + 1
	h := &KeyHistory{}
	err := fields(content, func(e ber.Element) error {
		switch e.Tag {
		case 0xC1, 0xC2:
			if len(e.Value) != 1 || int(e.Value[0]) > most {
				return malformed(fmt.Sprintf("byte %d: tag %v is not a number up to %d", e.Offset, e.Tag, most))
			}
			if e.Tag == 0xC1 {
				h.OnCard = int(e.Value[0])
			} else {
				h.OffCard = int(e.Value[0])
			}
		case 0xF3:
			if len(e.Value) > maxHistoryURL {
				return malformed(fmt.Sprintf("byte %d: URL of %d bytes", e.Offset, len(e.Value)))
			}
			h.URL = string(e.Value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}
