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

// TestFaultsThroughLibrary runs a sample of the fault matrix through the PC/SC
// library on our server.
func TestFaultsThroughLibrary(t *testing.T) {
	interop.Require(t, pcscd)
	require.NoError(t, pcscd.Stop())
	t.Cleanup(func() { require.NoError(t, pcscd.Start()) })
	count := faultmatrix.Run(t, func(t *testing.T, soft *cardtest.Card) *faultmatrix.Fixture {
		return faultmatrix.Serve(t, soft, pcscd.Socket, systemDriver(t))
	}, faultmatrix.PrimaryFinder, faultmatrix.Cards(), 40)
	fmt.Println("fault matrix, through the library on our server:", count)
	assert.Positive(t, count.Errors)
	assert.Zero(t, count.Failed)
}

// TestFaultsOnPCSCD runs a sample of the faults of responses on the real pcscd.
// Package drivertest covers removal and restart there, which take longer.
func TestFaultsOnPCSCD(t *testing.T) {
	interop.Require(t, pcscd)
	count := faultmatrix.Run(t, pcscdFixture, faultmatrix.PrimaryFinder, faultmatrix.Cards()[:1], 200)
	fmt.Println("fault matrix, on pcscd:", count)
	assert.Positive(t, count.Errors)
	assert.Zero(t, count.Failed)
}

// pcscdFixture is a bench on the real pcscd.
func pcscdFixture(t *testing.T, soft *cardtest.Card) *faultmatrix.Fixture {
	f := &faultyCard{Card: soft}
	plug := pcscd.Insert(readerName, func(ctx context.Context, addr string) error { return vpcd.Dial(ctx, addr, f) })
	waitPresent(t)
	return &faultmatrix.Fixture{
		Reader:  readerName,
		Driver:  func() driver.Service { return client.New(pcscd.Socket) },
		Fail:    func(n int, fault cardtest.Fault) { f.set(n, fault, nil) },
		At:      func(n int, hook func()) { f.set(n, cardtest.Fault{}, hook) },
		Restore: func() { f.set(0, cardtest.Fault{}, nil) },
		Close: func() {
			plug.Pull()
			waitEmpty(t)
		},
	}
}

// waitPresent waits until pcscd reports the card.
func waitPresent(t *testing.T) {
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

// faultyCard is a card behind a virtual reader that fails at one command.
type faultyCard struct {
	*cardtest.Card

	mu        sync.Mutex
	remaining int // commands up to and including the faulty one, 0 for none
	fault     cardtest.Fault
	hook      func() // called at that command instead of the fault
}

func (f *faultyCard) set(remaining int, fault cardtest.Fault, hook func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remaining, f.fault, f.hook = remaining, fault, hook
}

func (f *faultyCard) Transmit(command []byte) []byte {
	f.mu.Lock()
	now := f.remaining == 1
	f.remaining = max(f.remaining-1, 0)
	fault, hook := f.fault, f.hook
	f.mu.Unlock()
	if !now {
		return f.exchange(command)
	}
	if hook != nil {
		hook()
		return f.exchange(command)
	}
	var response []byte
	if fault.When != cardtest.Instead || fault.What == cardtest.Truncated {
		response = f.exchange(command)
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
		return response[:len(response)/2]
	}
	return []byte{0x6F} // half a status word, as of a card that is removed
}

func (f *faultyCard) exchange(command []byte) []byte {
	response, _ := f.Card.Transmit(command) // never an error
	return response
}
