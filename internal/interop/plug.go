//go:build linux

package interop

import (
	"context"
	"time"
)

// A Plug keeps a card in a virtual reader, also after a restart of pcscd.
type Plug struct {
	pull context.CancelFunc
	done chan struct{}
}

// Insert inserts a card. serve connects the card to a reader and returns when the
// context ends or the connection is lost, as cardtest.Card.ServeVPCD does. pcscd
// notices the card within 400 ms.
func (p *PCSCD) Insert(reader string, serve func(ctx context.Context, addr string) error) *Plug {
	ctx, cancel := context.WithCancel(context.Background())
	plug := &Plug{cancel, make(chan struct{})}
	go func() {
		defer close(plug.done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			_ = serve(ctx, p.Address(reader)) // fails before pcscd is ready and after it ended
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	return plug
}

// Pull removes the card.
func (p *Plug) Pull() {
	p.pull()
	<-p.done
}
