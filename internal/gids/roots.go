package gids

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
)

// Roots reads the certificates of authorities that Windows keeps on the card: a
// PKCS #7 store, as it is. The error wraps [ErrNotFound] where there is none.
func (c *Card) Roots(ctx context.Context) ([]byte, error) {
	var store []byte
	err := c.read(ctx, func(tx *card.Tx) error {
		table, err := readObject(tx, masterFile)
		if err != nil {
			return err
		}
		files, err := decodeMasterFile(table)
		if _, ok := find(files, directory, "msroots"); !ok && err != nil {
			return err
		}
		content, err := readFile(tx, files, directory, "msroots")
		if err != nil {
			return err
		}
		store, err = unpack(content)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("gids: msroots: %w", err)
	}
	return store, nil
}
