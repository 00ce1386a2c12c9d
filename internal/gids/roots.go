package gids

import (
	"context"
	"fmt"

	"github.com/smartlogon/smartlogon/card"
)

// Roots reads the file msroots, in which Windows keeps certificates of authorities: a
// PKCS #7 store. The error wraps [ErrNotFound] if the card does not have it.
func (c *Card) Roots(ctx context.Context) ([]byte, error) {
	const name = "msroots"
	var store []byte
	err := c.read(ctx, func(tx *card.Tx) error {
		table, err := readObject(tx, masterFile)
		if err != nil {
			return err
		}
		files, err := decodeMasterFile(table)
		if _, ok := findFile(files, directory, name); !ok && err != nil {
			return err
		}
		content, err := readFile(tx, files, directory, name)
		if err != nil {
			return err
		}
		store, err = unpack(content)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("gids: %s: %w", name, err)
	}
	return store, nil
}
