// Package cardapp is what the card applications of this module have in common: how
// they read, how they hand over what they find, and how a key stays open.
package cardapp

import (
	"context"
	"errors"
	"iter"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
)

// TagList names the object that GET DATA and PUT DATA mean (ISO/IEC 7816-4, 11.4.3).
func TagList(tag ber.Tag) []byte {
	alone := ber.AppendHeader(nil, tag, 0)
	return ber.Append(nil, 0x5C, alone[:len(alone)-1])
}

// Read runs f in a section in which enter has made the application current, again if
// the card was reset in the middle: f reads only.
func Read(ctx context.Context, c *card.Card, enter, f func(*card.Tx) error) error {
	section := func(tx *card.Tx) error {
		if err := enter(tx); err != nil {
			return err
		}
		return f(tx)
	}
	err := c.Do(ctx, section)
	if errors.Is(err, card.ErrReset) {
		err = c.Do(ctx, section)
	}
	return err
}

// Stream yields what fill finds, which works in a section of its own and never waits
// for the caller: there is room for so many. To break off ends the context of fill.
func Stream[T any](ctx context.Context, room int, fill func(ctx context.Context, found func(T, error))) iter.Seq2[T, error] {
	type result struct {
		value T
		err   error
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		results := make(chan result, room)
		go func() {
			defer close(results)
			fill(ctx, func(value T, err error) { results <- result{value, err} })
		}()
		for it := range results {
			if !yield(it.value, it.err) {
				cancel()
				for range results { // until the section is over
				}
				return
			}
		}
	}
}
