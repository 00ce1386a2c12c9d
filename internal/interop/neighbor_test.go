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

// neighborAID is another application on the card. Its PIN has the same reference.
var neighborAID = []byte{0xF0, 1, 2, 3, 4, 5}

// disturbances are what another process does repeatedly.
var disturbances = map[string]func(ctx context.Context, socket string, k driver.Card) error{
	"hold": func(ctx context.Context, _ string, k driver.Card) error {
		return inTransaction(ctx, k, false, func() error { return pause(ctx, 20*time.Millisecond) })
	},
	"reset": func(ctx context.Context, _ string, k driver.Card) error {
		return inTransaction(ctx, k, true, func() error { return nil })
	},
	"select another application": func(ctx context.Context, _ string, k driver.Card) error {
		return inTransaction(ctx, k, false, func() error {
			_, err := k.Transmit(append([]byte{0, 0xA4, 4, 0, byte(len(neighborAID))}, neighborAID...))
			return err
		})
	},
	"verify": func(ctx context.Context, _ string, k driver.Card) error {
		return inTransaction(ctx, k, false, func() error {
			return errors.Join(send(k, selectPIV), send(k, append([]byte{0, 0x20, 0, 0x80, 8}, "123456\xFF\xFF"...)))
		})
	},
	"log out": func(ctx context.Context, _ string, k driver.Card) error {
		return inTransaction(ctx, k, false, func() error { return errors.Join(send(k, selectPIV), send(k, []byte{0, 0x20, 0xFF, 0x80})) })
	},
	"select PIV or GIDS": func(ctx context.Context, _ string, k driver.Card) error {
		return inTransaction(ctx, k, false, func() error {
			if rand.IntN(2) == 0 {
				return send(k, selectPIV)
			}
			return send(k, append([]byte{0, 0xA4, 4, 0, 9}, "\xA0\x00\x00\x03\x97BTFY"...))
		})
	},
	"change a certificate": func(ctx context.Context, socket string, _ driver.Card) error {
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

func inTransaction(ctx context.Context, k driver.Card, reset bool, f func() error) error {
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

// TestNeighborProcess is not a test but the other process, until it is killed.
func TestNeighborProcess(t *testing.T) {
	socket, disturbance := os.Getenv("NEIGHBOR_SOCKET"), os.Getenv("NEIGHBOR_DISTURBANCE")
	if socket == "" {
		t.Skip("other tests run this as a process")
	}
	s := client.New(socket)
	defer s.Close()
	k, err := s.Connect(t.Context(), softReader)
	require.NoError(t, err)
	defer k.Close(false)
	fmt.Println("connected")
	for {
		name := disturbance
		if disturbance == "random" {
			for name = range disturbances { // in random order
				if name != "change a certificate" {
					break
				}
			}
		}
		_ = disturbances[name](t.Context(), socket, k) // fails if the tested program is in its way
		_ = pause(t.Context(), time.Duration(rand.IntN(3000))*time.Microsecond)
	}
}

// startNeighbor starts the other process.
func startNeighbor(t *testing.T, socket, disturbance string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestNeighborProcess$")
	cmd.Env = append(os.Environ(), "NEIGHBOR_SOCKET="+socket, "NEIGHBOR_DISTURBANCE="+disturbance, interop.Switch+"=")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
	})
	line := make([]byte, 4096)
	for said := ""; !strings.Contains(said, "connected"); {
		n, err := out.Read(line)
		require.NoError(t, err, said)
		said += string(line[:n])
	}
	go func() { // a full pipe would stop it
		for {
			if _, err := out.Read(line); err != nil {
				return
			}
		}
	}()
}

// pick returns a duration: on if the tests with foreign programs are enabled, else
// off, so that make test runs these tests briefly.
func pick(on, off time.Duration) time.Duration {
	if os.Getenv(interop.Switch) == "" {
		return off
	}
	return on
}

// newSharedCard returns a card with two applications, and its socket.
func newSharedCard(t *testing.T) (soft *cardtest.Card, other *cardtest.Neighbor, socket string) {
	t.Helper()
	other = cardtest.NewNeighbor(neighborAID, "999999")
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{who}})
	soft = cardtest.PIV(other).Put("9A", key, der).Put("9D", key, der)
	return soft, other, serve(t, soft)
}

// serve returns the socket of a reader with the card.
func serve(t *testing.T, soft *cardtest.Card) (socket string) {
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

// TestPINsStayApartBesideAnotherProcess unlocks both applications of a card while
// another process selects them. A PIN sent to the wrong one would cost a retry.
func TestPINsStayApartBesideAnotherProcess(t *testing.T) {
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0), UPNs: []string{who}})
	virtual := cardtest.GIDS().Put("kxc00", key, der)
	soft := cardtest.Combine(cardtest.PIV(cardtest.PIVBadFormatCosts).Put("9A", key, der), virtual)
	socket := serve(t, soft)
	startNeighbor(t, socket, "select PIV or GIDS")
	s := pcsc.Socket(socket, nil)
	defer s.Close()
	find := &enumerate.Finder{Service: s}
	uses := make(map[enumerate.Application]int)
	until := time.Now().Add(pick(5*time.Second, 300*time.Millisecond))
	for time.Now().Before(until) || len(uses) < 2 {
		require.NoError(t, t.Context().Err())
		for c, err := range find.All(t.Context()) {
			require.NoError(t, err)
			key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			_, err = key.Sign(nil, make([]byte, 32), crypto.SHA256)
			require.NoError(t, err)
			require.NoError(t, key.Close())
			uses[c.Application]++
		}
	}
	t.Log(uses)
	for _, app := range []*cardtest.Card{soft, virtual} {
		assert.Zero(t, app.Spent())
		assert.Equal(t, 3, app.RetriesLeft())
		assert.False(t, app.Verified())
	}
}

// useCard lists, unlocks and signs, and checks each result.
func useCard(ctx context.Context, find *enumerate.Finder) error {
	for c, err := range find.All(ctx) {
		if err != nil {
			return err
		}
		if c.Container != "9A" {
			continue
		}
		if len(c.Names.UPNs) != 1 || c.Names.UPNs[0] != who {
			return fmt.Errorf("wrong name %q", c.Names.UPNs)
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
				return errors.New("wrong signature")
			}
		}
		return nil
	}
	return errors.New("wrong list without 9A")
}

// isExpected reports whether a disturbance can cause the error.
func isExpected(err error) bool {
	for _, e := range []error{card.ErrBusy, card.ErrReset, card.ErrPINRequired, card.StatusNotPermitted, card.ErrLastTry, piv.ErrNotPIV} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// TestEachDisturbance uses the card beside each disturbance.
func TestEachDisturbance(t *testing.T) {
	for name := range disturbances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			soft, other, socket := newSharedCard(t)
			startNeighbor(t, socket, name)
			s := pcsc.Socket(socket, nil)
			defer s.Close()
			find := &enumerate.Finder{Service: s}
			right := 0
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			until := time.Now().Add(pick(2*time.Second, 300*time.Millisecond))
			for ctx.Err() == nil && (right == 0 || time.Now().Before(until)) {
				if err := useCard(ctx, find); err == nil {
					right++
				} else {
					require.True(t, isExpected(err), "%v", err)
				}
			}
			assert.NotZero(t, right, "the card was never free")
			assert.Zero(t, soft.Spent())
			assert.Equal(t, 3, other.RetriesLeft())
			t.Logf("used %d times", right)
		})
	}
}

// TestDisturbancesAndManyGoroutines signs in eight goroutines beside random
// disturbances.
func TestDisturbancesAndManyGoroutines(t *testing.T) {
	soft, other, socket := newSharedCard(t)
	startNeighbor(t, socket, "random")
	s := pcsc.Socket(socket, nil)
	defer s.Close()
	find := &enumerate.Finder{Service: s}
	duration := pick(30*time.Second, 2*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	var right, failed atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				switch err := useCard(ctx, find); {
				case err == nil:
					right.Add(1)
				case ctx.Err() != nil:
				case assert.True(t, isExpected(err), "%v", err):
					failed.Add(1)
				default:
					return
				}
			}
		})
	}
	all.Wait()
	assert.NotZero(t, right.Load())
	assert.GreaterOrEqual(t, soft.Exchanges().Resets, int(duration.Seconds()), "resets by the other process")
	assert.Zero(t, soft.Spent(), "retries")
	assert.Equal(t, 3, soft.RetriesLeft())
	assert.Equal(t, 3, other.RetriesLeft())
	fmt.Printf("neighbor process for %v, 8 goroutines: %d times listed, unlocked and signed, %d errors\n", duration, right.Load(), failed.Load())
}
