package soak_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
)

// pause waits between two events. It reports false if ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func milliseconds(random *rand.Rand, least, most int) time.Duration {
	return time.Duration(least+random.IntN(most-least)) * time.Millisecond
}

// minimumInserted is how many cards stay in the readers.
const minimumInserted = 8

// move inserts, removes and exchanges cards until ctx ends. It is the only one to
// do so.
func (f *fixture) move(ctx context.Context, random *rand.Rand) {
	for pause(ctx, milliseconds(random, 5, 60)) {
		i := random.IntN(readerCount)
		full := f.placement()[i].token != nil
		switch {
		case !full:
			f.insert(i, random)
		case random.IntN(2) == 0:
			f.exchange(i, random)
		case random.IntN(3) == 0:
			f.replug(ctx, i, random)
		case f.inserted() > minimumInserted:
			f.remove(i, random)
			if random.IntN(2) == 0 { // the same card again
				pause(ctx, milliseconds(random, 1, 20))
				f.insertLast(i, random)
			}
		}
	}
}

func (f *fixture) inserted() (n int) {
	for _, s := range f.placement() {
		if s.token != nil {
			n++
		}
	}
	return n
}

// begin marks a reader before its card is moved, and takes a card that fits out of
// the drawer; nil if there is none.
func (f *fixture) begin(i int, random *rand.Rand, fits func(old, t *token) bool) (s *slot, t *token) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s = &f.slots[i]
	s.moving = true
	for _, n := range random.Perm(len(f.drawer)) {
		if t := f.drawer[n]; fits(s.token, t) {
			f.drawer = slices.Delete(f.drawer, n, n+1)
			return s, t
		}
	}
	return s, nil
}

func every(*token, *token) bool { return true }
func none(*token, *token) bool  { return false }

// sameKind reports whether two tokens are of the same model.
func sameKind(old, t *token) bool { return old.kind == t.kind }

// sameApplications reports whether a program can learn that one token was exchanged
// for another while the service reports no change. It reads the identity from an
// application that both have.
func sameApplications(old, t *token) bool { return old.applications == t.applications }

// end notes which card is in the reader now.
func (f *fixture) end(s *slot, t *token) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.token != nil && s.token != t {
		f.drawer = append(f.drawer, s.token)
	}
	s.token, s.moving = t, false
	s.moves++
}

func (f *fixture) insert(i int, random *rand.Rand) {
	s, t := f.begin(i, random, every)
	f.readers().Insert(s.reader, t.card)
	f.end(s, t)
	f.counts.insertions.Add(1)
}

// insertLast inserts the card that was put into the drawer last.
func (f *fixture) insertLast(i int, random *rand.Rand) {
	s, _ := f.begin(i, random, none)
	f.mu.Lock()
	last := len(f.drawer) - 1
	t := f.drawer[last]
	f.drawer = f.drawer[:last]
	f.mu.Unlock()
	f.readers().Insert(s.reader, t.card)
	f.end(s, t)
	f.counts.insertions.Add(1)
}

func (f *fixture) remove(i int, random *rand.Rand) {
	s, _ := f.begin(i, random, none)
	f.readers().Remove(s.reader)
	f.end(s, nil)
	f.counts.removals.Add(1)
}

func (f *fixture) exchange(i int, random *rand.Rand) {
	fits := sameApplications
	if random.IntN(2) == 0 {
		fits = sameKind
	}
	s, t := f.begin(i, random, fits)
	if t == nil {
		f.end(s, s.token)
		return
	}
	f.readers().Replace(s.reader, t.card)
	f.end(s, t)
	f.counts.exchanges.Add(1)
}

// replug unplugs a reader with its card and plugs it in with another card.
func (f *fixture) replug(ctx context.Context, i int, random *rand.Rand) {
	s, t := f.begin(i, random, sameApplications) // the event count of a reader begins at 0
	if t == nil {
		f.end(s, s.token)
		return
	}
	f.readers().Unplug(s.reader)
	pause(ctx, milliseconds(random, 1, 20))
	f.readers().Plug(s.reader, t.card)
	f.end(s, t)
	f.counts.replugs.Add(1)
}

// restart restarts the service once in a round. Watch looks for a stopped service
// less often if it stops again soon, and there is nothing to sign with meanwhile.
func (f *fixture) restart(ctx context.Context, random *rand.Rand, length time.Duration) {
	if !pause(ctx, time.Duration(random.Int64N(int64(length/2)))) {
		return
	}
	f.readers().Stop()
	pause(ctx, milliseconds(random, 1, 100))
	f.readers().Start()
	f.counts.restarts.Add(1)
}

// disturb is another program, which uses cards until ctx ends.
func (f *fixture) disturb(ctx context.Context, random *rand.Rand) {
	d := f.readers().Driver()
	defer d.Close()
	for pause(ctx, milliseconds(random, 1, 15)) {
		reader := f.placement()[random.IntN(readerCount)].reader
		c, err := d.Connect(ctx, reader)
		if err != nil {
			continue // the reader is empty, or the service is stopped
		}
		f.disturbCard(ctx, c, random)
		reset := random.IntN(20) == 0
		if reset {
			f.counts.resets.Add(1)
		}
		c.Close(reset)
	}
}

var (
	pivAID  = []byte{0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00}
	gidsAID = []byte{0xA0, 0x00, 0x00, 0x03, 0x97, 0x42, 0x54, 0x46, 0x59}
)

// disturbCard selects applications in a transaction, and verifies the PIN of its own
// application. Another program can end the transaction by a reset, which the
// commands report.
func (f *fixture) disturbCard(ctx context.Context, c driver.Card, random *rand.Rand) {
	for range 1 + random.IntN(3) {
		if c.Begin(ctx) != nil {
			return
		}
		aid := [][]byte{pivAID, gidsAID, neighborAID}[random.IntN(3)]
		response, err := c.Transmit(append([]byte{0x00, 0xA4, 0x04, 0x00, byte(len(aid))}, aid...))
		if err == nil && &aid[0] == &neighborAID[0] && isOK(response) {
			f.verifyNeighbor(c)
		}
		f.counts.neighborUses.Add(1)
		reset := random.IntN(8) == 0
		if reset {
			f.counts.resets.Add(1)
		}
		if c.End(reset) != nil || !pause(ctx, milliseconds(random, 0, 5)) {
			return
		}
	}
}

// isOK reports whether a response is a success. With T=0 it announces data.
func isOK(response []byte) bool {
	n := len(response)
	return n >= 2 && (response[n-2] == 0x90 || response[n-2] == 0x61)
}

func (f *fixture) verifyNeighbor(c driver.Card) {
	pin := append([]byte(neighborPIN), 0xFF, 0xFF)
	response, err := c.Transmit(append([]byte{0x00, 0x20, 0x00, 0x80, 8}, pin...))
	if err == nil && !bytes.Equal(response, []byte{0x90, 0x00}) {
		f.faults.add("PIN of the neighbor is refused: %X", response)
	}
}
