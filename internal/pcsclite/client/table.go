package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// readers reads the table of readers.
func (c *conn) readers(ctx context.Context) ([]driver.Reader, error) {
	var list []driver.Reader
	pause := time.Millisecond
	for try := range 6 {
		table, err := c.table(ctx)
		if err != nil {
			return nil, err
		}
		var settled bool
		list, settled = listed(table)
		if settled || try == 5 {
			break
		}
		// pcscd changes a table field by field while others read it.
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
		pause *= 2
	}
	return list, nil
}

// listed is the table as a driver shows it. It is not settled while a card is
// said to be there and neither its answer to reset nor that it has none.
func listed(table []pcsclite.ReaderState) (list []driver.Reader, settled bool) {
	settled = true
	for i := range table {
		r := table[i].Reader()
		if slices.ContainsFunc(list, func(x driver.Reader) bool { return x.Name == r.Name }) {
			continue // names are unique; the first one is what pcscd connects to
		}
		if r.Present && !r.Mute && r.ATR == nil {
			settled = false
		}
		list = append(list, r)
	}
	return list, settled
}

func (c *conn) table(ctx context.Context) (table []pcsclite.ReaderState, err error) {
	err = c.do(ctx, grace, func() error {
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

// array reads a table of any size. Its size is asked for before and after: a
// table that grew in between would leave bytes on the connection that are taken
// for the next answer. It never shrinks.
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
		return nil, fmt.Errorf("table of %d readers has another size now", before.Entries)
	}
	return table, nil
}

// sleep waits, not longer than ctx lasts.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}
