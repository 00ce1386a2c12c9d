//go:build linux

package interop

import (
	"context"
	"time"
)

// A Plug is a card that is plugged into a virtual reader, also after a restart of
// pcscd, until it is pulled.
type Plug struct {
	pull context.CancelFunc
	done chan struct{}
}

// Insert plugs a card in. Serve makes the connection and serves the card until
// the context ends or the reader goes; see package vpcd and cardtest.Card. It
// takes pcscd up to 400 ms to notice.
func (p *PCSCD) Insert(reader string, serve func(ctx context.Context, addr string) error) *Plug {
	ctx, cancel := context.WithCancel(context.Background())
	plug := &Plug{cancel, make(chan struct{})}
	go func() {
		defer close(plug.done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			_ = serve(ctx, p.Address(reader)) // pcscd is not ready yet, or gone
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	return plug
}

// Pull takes the card out.
func (p *Plug) Pull() {
	p.pull()
	<-p.done
}
