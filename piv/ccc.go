package piv

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// A CCC is the Card Capability Container (SP 800-73-4 part 1, 3.1.1 and table 8).
type CCC struct {
	CardIdentifier []byte // 21 bytes; may be empty
	DataModel      byte   // 0x10 on PIV cards
}

// CCC reads the Card Capability Container.
func (c *Card) CCC(ctx context.Context) (*CCC, error) {
	content, err := c.Object(ctx, ObjectCCC)
	if err != nil {
		return nil, err
	}
	d, err := decodeCCC(content)
	if err != nil {
		return nil, fmt.Errorf("piv: object %v: %w", ObjectCCC, err)
	}
	return d, nil
}

func decodeCCC(content []byte) (*CCC, error) {
	d := &CCC{}
	err := fields(content, func(e ber.Element) error {
		switch e.Tag {
		case 0xF0:
			d.CardIdentifier = e.Value
		case 0xF5:
			if len(e.Value) != 1 {
				return malformed(fmt.Sprintf("byte %d: data model of %d bytes", e.Offset, len(e.Value)))
			}
			d.DataModel = e.Value[0]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}
