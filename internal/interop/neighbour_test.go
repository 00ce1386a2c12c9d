//go:build linux

package interop_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/interop"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// neighbourAID is the other application on the card, with a PIN under the same
// number.
var neighbourAID = []byte{0xF0, 1, 2, 3, 4, 5}

// What another program does to the card, over and over.
var unkindness = map[string]func(ctx context.Context, socket string, k driver.Card) error{
	"holds it": func(ctx context.Context, _ string, k driver.Card) error {
		return held(ctx, k, false, func() error { return pause(ctx, 20*time.Millisecond) })
	},
	"resets it": func(ctx context.Context, _ string, k driver.Card) error {
		return held(ctx, k, true, func() error { return nil })
	},
	"selects another application": func(ctx context.Context, _ string, k driver.Card) error {
		return held(ctx, k, false, func() error {
			_, err := k.Transmit(append([]byte{0, 0xA4, 4, 0, byte(len(neighbourAID))}, neighbourAID...))
			return err
		})
	},
	"verifies the PIN": func(ctx context.Context, _ string, k driver.Card) error {
		return held(ctx, k, false, func() error {
			return errors.Join(send(k, selectPIV), send(k, append([]byte{0, 0x20, 0, 0x80, 8}, "123456\xFF\xFF"...)))
		})
	},
	"forgets the PIN": func(ctx context.Context, _ string, k driver.Card) error {
		return held(ctx, k, false, func() error { return errors.Join(send(k, selectPIV), send(k, []byte{0, 0x20, 0xFF, 0x80})) })
	},
	"selects PIV or GIDS": func(ctx context.Context, _ string, k driver.Card) error {
		return held(ctx, k, false, func() error {
			if rand.IntN(2) == 0 {
				return send(k, selectPIV)
			}
			return send(k, append([]byte{0, 0xA4, 4, 0, 9}, "\xA0\x00\x00\x03\x97BTFY"...))
		})
	},
	"changes a certificate": func(ctx context.Context, socket string, _ driver.Card) error {
		s := pcsc.Socket(socket, nil)
		defer s.Close()
		c, err := s.Card(ctx, softReader)
		if err != nil {
			return err
		}
		key, err := piv.NewManagementKey(piv.TripleDES, []byte{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8})
		if err != nil {
			return err
		}
		_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, rand.IntN(3)), UPNs: []string{fmt.Sprintf("%d@example.com", rand.IntN(100))}})
		return piv.New(c).Admin(key).PutCertificate(ctx, piv.KeyManagement, der)
	},
}

var selectPIV = []byte{0, 0xA4, 4, 0, 5, 0xA0, 0, 0, 3, 8}

func send(k driver.Card, command []byte) error {
	_, err := k.Transmit(command)
	return err
}

func held(ctx context.Context, k driver.Card, reset bool, f func() error) error {
	err := k.Begin(ctx)
	if errors.Is(err, driver.ResetCard) {
		if err = k.Reconnect(ctx); err == nil {
			err = k.Begin(ctx)
		}
	}
	if err != nil {
		return err
	}
	return errors.Join(f(), k.End(reset))
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return nil
}

// TestNeighbourProcess is not a test: it is the other program, in a process of
// its own, until that is ended.
func TestNeighbourProcess(t *testing.T) {
	socket, what := os.Getenv("NEIGHBOUR_SOCKET"), os.Getenv("NEIGHBOUR_DOES")
	if socket == "" {
		t.Skip("this is the program that other tests start")
	}
	s := client.New(socket)
	defer s.Close()
	k, err := s.Connect(t.Context(), softReader)
	require.NoError(t, err)
	defer k.Close(false)
	fmt.Println("here")
	for {
		does := what
		if what == "anything" {
			for does = range unkindness { // random
				if does != "changes a certificate" {
					break
				}
			}
		}
		_ = unkindness[does](t.Context(), socket, k) // it may have been in our way
		_ = pause(t.Context(), time.Duration(rand.IntN(3000))*time.Microsecond)
	}
}

// neighbour starts the other program.
func neighbour(t *testing.T, socket, does string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestNeighbourProcess$")
	cmd.Env = append(os.Environ(), "NEIGHBOUR_SOCKET="+socket, "NEIGHBOUR_DOES="+does, interop.Switch+"=")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
	})
	line := make([]byte, 4096)
	for said := ""; !strings.Contains(said, "here"); {
		n, err := out.Read(line)
		require.NoError(t, err, said)
		said += string(line[:n])
	}
	go func() { // or it would wait for its reader
		for {
			if _, err := out.Read(line); err != nil {
				return
			}
		}
	}()
}

// long is how long something is done where these tests are turned on: it takes a
// server of ours only, so it is done for a moment elsewhere.
func long(on, off time.Duration) time.Duration {
	if os.Getenv(interop.Switch) == "" {
		return off
	}
	return on
}

// shared is a card on a socket that other processes use as well.
func shared(t *testing.T) (soft *cardtest.Card, other *cardtest.Neighbor, socket string) {
	t.Helper()
	other = cardtest.NewNeighbor(neighbourAID, "999999")
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{who}})
	soft = cardtest.PIV(other).Put("9A", key, der).Put("9D", key, der)
	return soft, other, served(t, soft)
}

// served is the socket on which a card is.
func served(t *testing.T, soft *cardtest.Card) (socket string) {
	t.Helper()
	readers := cardtest.NewReaders(soft)
	dir, err := os.MkdirTemp("", "n")
	require.NoError(t, err)
	socket = filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- readers.Serve(l) }()
	t.Cleanup(func() {
		assert.NoError(t, readers.Close())
		assert.NoError(t, <-done)
		assert.NoError(t, os.RemoveAll(dir))
	})
	return socket
}

// A card has both applications, and another process selects the one or the other
// whenever it can. Each PIN goes to its own: at the other one it would cost a try.
func TestNoPINCrossesBesideAnotherProcess(t *testing.T) {
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0), UPNs: []string{who}})
	virtual := cardtest.GIDS().Put("kxc00", key, der)
	soft := cardtest.Combine(cardtest.PIV(cardtest.PIVBadFormatCosts).Put("9A", key, der), virtual)
	socket := served(t, soft)
	neighbour(t, socket, "selects PIV or GIDS")
	s := pcsc.Socket(socket, nil)
	defer s.Close()
	find := &enumerate.Finder{Service: s}
	used := make(map[enumerate.Application]int)
	until := time.Now().Add(long(5*time.Second, 300*time.Millisecond))
	for time.Now().Before(until) || len(used) < 2 {
		require.NoError(t, t.Context().Err())
		for c, err := range find.All(t.Context()) {
			require.NoError(t, err)
			opened, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			_, err = opened.Sign(nil, make([]byte, 32), crypto.SHA256)
			require.NoError(t, err)
			require.NoError(t, opened.Close())
			used[c.Application]++
		}
	}
	t.Log(used)
	for _, app := range []*cardtest.Card{soft, virtual} {
		assert.Zero(t, app.Spent())
		assert.Equal(t, 3, app.RetriesLeft())
		assert.False(t, app.Verified())
	}
}

// use lists, unlocks and signs, and checks everything.
func use(ctx context.Context, find *enumerate.Finder) error {
	for c, err := range find.All(ctx) {
		if err != nil {
			return err
		}
		if c.Container != "9A" {
			continue
		}
		if len(c.Names.UPNs) != 1 || c.Names.UPNs[0] != who {
			return fmt.Errorf("WRONG name %q", c.Names.UPNs)
		}
		key, err := c.Unlock(ctx, card.FixedPIN(cardtest.PIN))
		if err != nil {
			return err
		}
		defer key.Close()
		for range 3 {
			digest := make([]byte, 32)
			digest[0] = byte(rand.IntN(256))
			signature, err := key.Sign(nil, digest, crypto.SHA256)
			if err != nil {
				return err
			}
			if !ecdsa.VerifyASN1(cardtest.Key(cardtest.P256, 0).Public().(*ecdsa.PublicKey), digest, signature) {
				return errors.New("WRONG signature")
			}
		}
		return nil
	}
	return errors.New("WRONG list: there is no 9A")
}

// typed reports whether an error is one that can come of a neighbour.
func typed(err error) bool {
	for _, e := range []error{card.ErrBusy, card.ErrReset, card.ErrPINRequired, card.StatusNotPermitted, card.ErrLastTry, piv.ErrNotPIV} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Every single thing that another process does over and over.
func TestEveryNeighbour(t *testing.T) {
	for does := range unkindness {
		t.Run(does, func(t *testing.T) {
			soft, other, socket := shared(t)
			neighbour(t, socket, does)
			s := pcsc.Socket(socket, nil)
			defer s.Close()
			find := &enumerate.Finder{Service: s}
			right := 0
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			until := time.Now().Add(long(2*time.Second, 300*time.Millisecond))
			for ctx.Err() == nil && (right == 0 || time.Now().Before(until)) {
				if err := use(ctx, find); err == nil {
					right++
				} else {
					require.True(t, typed(err), "%v", err)
				}
			}
			assert.NotZero(t, right, "it gets its turn")
			assert.Zero(t, soft.Spent())
			assert.Equal(t, 3, other.RetriesLeft())
			t.Logf("%d times right", right)
		})
	}
}

// Another process does anything for half a minute, while eight goroutines sign.
func TestNeighbourAndManyGoroutines(t *testing.T) {
	soft, other, socket := shared(t)
	neighbour(t, socket, "anything")
	s := pcsc.Socket(socket, nil)
	defer s.Close()
	find := &enumerate.Finder{Service: s}
	during := long(30*time.Second, 2*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	var right, failed atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				switch err := use(ctx, find); {
				case err == nil:
					right.Add(1)
				case ctx.Err() != nil:
				case assert.True(t, typed(err), "%v", err):
					failed.Add(1)
				default:
					return
				}
			}
		})
	}
	all.Wait()
	assert.NotZero(t, right.Load())
	assert.GreaterOrEqual(t, soft.Exchanges().Resets, int(during.Seconds()), "the neighbour did reset the card")
	assert.Zero(t, soft.Spent(), "no try of the PIN was lost")
	assert.Equal(t, 3, soft.RetriesLeft())
	assert.Equal(t, 3, other.RetriesLeft())
	fmt.Printf("neighbour process for %v, 8 goroutines: %d times listed, unlocked and signed, %d typed errors\n", during, right.Load(), failed.Load())
}
