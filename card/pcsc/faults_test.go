//go:build linux

package pcsc_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/faultmatrix"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/smartlogon/smartlogon/internal/vpcd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A sample of the fault matrix, through the library of PC/SC on our server.
func TestFaultsThroughTheLibrary(t *testing.T) {
	interop.Require(t, pcscd)
	require.NoError(t, pcscd.Stop())
	t.Cleanup(func() { require.NoError(t, pcscd.Start()) })
	count := faultmatrix.Run(t, func(t *testing.T, soft *cardtest.Card) *faultmatrix.Bench {
		return faultmatrix.Serve(t, soft, pcscd.Socket, driverOfSystem(t))
	}, faultmatrix.Cards(), 40)
	fmt.Println("fault matrix, through the library on our server:", count)
	assert.Positive(t, count.Errors)
	assert.Zero(t, count.Failed)
}

// A sample on the real pcscd, of what can go wrong with an answer. That the card
// or the service goes is for the contract of drivers, and takes its time there.
func TestFaultsOnPCSCD(t *testing.T) {
	interop.Require(t, pcscd)
	count := faultmatrix.Run(t, pluggedIn, faultmatrix.Cards()[:1], 200)
	fmt.Println("fault matrix, on pcscd:", count)
	assert.Positive(t, count.Errors)
	assert.Zero(t, count.Failed)
}

// pluggedIn is a bench on the real pcscd.
func pluggedIn(t *testing.T, soft *cardtest.Card) *faultmatrix.Bench {
	f := &faulty{Card: soft}
	plug := pcscd.Insert(first, func(ctx context.Context, addr string) error { return vpcd.Dial(ctx, addr, f) })
	found(t)
	return &faultmatrix.Bench{
		Reader:  first,
		Driver:  func() driver.Service { return client.New(pcscd.Socket) },
		Fail:    func(n int, fault cardtest.Fault) { f.set(n, fault, nil) },
		At:      func(n int, ring func()) { f.set(n, cardtest.Fault{}, ring) },
		Restore: func() { f.set(0, cardtest.Fault{}, nil) },
		Close: func() {
			plug.Pull()
			settle(t)
		},
	}
}

// found waits until pcscd has noticed the card.
func found(t *testing.T) {
	s := client.New(pcscd.Socket)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	list, err := s.Readers(ctx)
	for err == nil && (len(list) != 2 || !list[0].Present) {
		list, err = s.Wait(ctx, list)
	}
	require.NoError(t, err)
}

// A faulty card is one behind a virtual reader, with one command of which
// something goes wrong.
type faulty struct {
	*cardtest.Card

	mu    sync.Mutex
	in    int // commands until it happens, 0 for never
	fault cardtest.Fault
	ring  func()
}

func (f *faulty) set(in int, fault cardtest.Fault, ring func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in, f.fault, f.ring = in, fault, ring
}

func (f *faulty) Transmit(command []byte) []byte {
	f.mu.Lock()
	happens := f.in == 1
	f.in = max(f.in-1, 0)
	fault, ring := f.fault, f.ring
	f.mu.Unlock()
	if !happens {
		return f.exchange(command)
	}
	if ring != nil {
		ring()
		return f.exchange(command)
	}
	var answer []byte
	if fault.When != cardtest.Instead || fault.What == cardtest.Truncated {
		answer = f.exchange(command)
	}
	switch fault.What {
	case cardtest.WrongStatus:
		return []byte{byte(fault.Status >> 8), byte(fault.Status)}
	case cardtest.Garbage:
		return []byte{1, 2, 3, 4, 5, 6, 7, 8, 0x90, 0x00}
	case cardtest.MoreData:
		return []byte{1, 2, 3, 4, 0x61, 0x10}
	case cardtest.WrongLe:
		return []byte{0x6C, command[len(command)-1] + 1}
	case cardtest.Truncated:
		return answer[:len(answer)/2]
	}
	return []byte{0x6F} // half a status word, as of a card that goes
}

func (f *faulty) exchange(command []byte) []byte {
	answer, _ := f.Card.Transmit(command) // never an error
	return answer
}
