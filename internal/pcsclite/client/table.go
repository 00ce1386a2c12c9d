package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// readers reads the table of readers, again if it catches pcscd changing it, which
// pcscd does field by field.
func (c *conn) readers(ctx context.Context) ([]driver.Reader, error) {
	var list []driver.Reader
	pause := time.Millisecond
	for try := range 6 {
		table, err := c.table(ctx)
		if err != nil {
			return nil, err
		}
		var complete bool
		list, complete = convert(table)
		if complete || try == 5 {
			break
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
		pause *= 2
	}
	return list, nil
}

// convert converts a table for package driver. The table is complete if every card
// either has an ATR or is mute.
func convert(table []pcsclite.ReaderState) (list []driver.Reader, complete bool) {
	complete = true
	for i := range table {
		r := table[i].Reader()
		if slices.ContainsFunc(list, func(x driver.Reader) bool { return x.Name == r.Name }) {
			continue // pcscd connects to the first of that name
		}
		if r.Present && !r.Mute && r.ATR == nil {
			complete = false
		}
		list = append(list, r)
	}
	return list, complete
}

func (c *conn) table(ctx context.Context) (table []pcsclite.ReaderState, err error) {
	err = c.exchange(ctx, responseGrace, func() error {
		if c.minor < 6 {
			if err := c.send(pcsclite.Request{Command: pcsclite.CmdReaders}); err != nil {
				return err
			}
			table, err = pcsclite.ReadTable(c.net, pcsclite.FixedReaders)
			return err
		}
		table, err = c.array()
		return err
	})
	return table, err
}

// array reads a table of any size. It requests the size before and after: the
// table may grow in between, and the rest of it would be taken for the next
// response. The table never shrinks.
func (c *conn) array() ([]pcsclite.ReaderState, error) {
	size := pcsclite.Request{Command: pcsclite.CmdReadersSize}
	if err := c.send(size, pcsclite.Request{Command: pcsclite.CmdReadersArray}, size); err != nil {
		return nil, err
	}
	var before, after pcsclite.ReadersSize
	if err := pcsclite.ReadResponse(c.net, &before); err != nil {
		return nil, err
	}
	table, err := pcsclite.ReadTable(c.net, int(min(before.Entries, pcsclite.MaxReaders+1)))
	if err != nil {
		return nil, err
	}
	if err := pcsclite.ReadResponse(c.net, &after); err != nil {
		return nil, err
	}
	if after != before {
		return nil, fmt.Errorf("table of %d readers changed its size while it was read", before.Entries)
	}
	return table, nil
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}
