package winscard_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/card/pcsc/internal/winscard"
	"github.com/smartlogon/smartlogon/internal/drivertest"
	"github.com/smartlogon/smartlogon/internal/softcard/reader"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const name = "R"

// load is a library with readers of those names. At the end nothing of it may
// be in use.
func load(t *testing.T, names ...string) *library {
	l := &library{t: t, set: reader.New(names...)}
	l.set.PowerDown = time.Minute
	t.Cleanup(func() {
		assert.Eventually(t, func() bool { return l.contexts.Load() == 0 }, 5*time.Second, 2*time.Millisecond,
			"contexts are left")
	})
	return l
}

func (l *library) open() driver.Service {
	s := winscard.New(l)
	l.t.Cleanup(func() { assert.NoError(l.t, s.Close()) })
	return s
}

func TestDriver(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprintf("new readers are told %v", !deaf), func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) *drivertest.Bench {
				l := load(t, name)
				l.deaf = deaf
				return &drivertest.Bench{
					Program: func() driver.Service { return winscard.New(l) },
					Reader:  name,
					Insert:  func(c *drivertest.Card) { require.NoError(t, l.set.Insert(name, c)) },
					Remove:  func() { require.NoError(t, l.set.Remove(name)) },
					Replace: func(c *drivertest.Card) { require.NoError(t, l.set.Replace(name, c)) },
					Exclusive: func() func() {
						c, err := l.set.Connect(name, reader.Mode{Exclusive: true})
						require.NoError(t, err)
						return func() { require.NoError(t, c.Close(reader.Leave)) }
					},
					Stop:  l.stop,
					Start: l.start,
				}
			})
		})
	}
}

func TestNewCallsNothing(t *testing.T) {
	require.NoError(t, winscard.New(nil).Close())
}

func TestNoReaderIsAnEmptyList(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		l := load(t)
		l.deaf = deaf
		s := l.open()
		list, err := s.Readers(t.Context())
		require.NoError(t, err)
		assert.Empty(t, list)

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err = s.Wait(ctx, nil)
		assert.Equal(t, context.DeadlineExceeded, err)

		go func() { assert.NoError(t, l.set.Add("new")) }()
		list, err = s.Wait(t.Context(), nil)
		require.NoError(t, err)
		assert.Equal(t, []driver.Reader{{Name: "new"}}, list)

		go func() { assert.NoError(t, l.set.Detach("new")) }()
		list, err = s.Wait(t.Context(), list)
		require.NoError(t, err)
		assert.Empty(t, list)
	}
}

// The count of a service begins anew when it restarts: that must not look as if
// nothing had happened.
func TestRestartIsAChange(t *testing.T) {
	l := load(t, name)
	require.NoError(t, l.set.Insert(name, new(drivertest.Card)))
	s := l.open()
	before, err := s.Readers(t.Context())
	require.NoError(t, err)
	l.stop()
	l.start()
	now, err := s.Wait(t.Context(), before)
	require.NoError(t, err)
	assert.Equal(t, before[0].ATR, now[0].ATR)
	assert.NotEqual(t, before[0].Events, now[0].Events)
}

func TestMuteCard(t *testing.T) {
	l := load(t, name)
	require.NoError(t, l.set.Insert(name, new(mute)))
	s := l.open()
	list, err := s.Readers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []driver.Reader{{Name: name, Events: 1, Present: true, Mute: true}}, list)
	_, err = s.Connect(t.Context(), name)
	assert.ErrorIs(t, err, driver.UnresponsiveCard)
}

type mute struct{ drivertest.Card }

func (*mute) ATR() []byte { return nil }

// A thousand insertions and removals: the counter tells of each one.
func TestNoEventIsLostOrInvented(t *testing.T) {
	t.Parallel()
	l := load(t, name)
	s := l.open()
	known, err := s.Readers(t.Context())
	require.NoError(t, err)
	go func() {
		for range 500 {
			assert.NoError(t, l.set.Insert(name, new(drivertest.Card)))
			assert.NoError(t, l.set.Remove(name))
		}
	}()
	for known[0].Events != 1000 {
		now, err := s.Wait(t.Context(), known)
		require.NoError(t, err)
		require.Greater(t, now[0].Events, known[0].Events)
		require.LessOrEqual(t, now[0].Events, uint32(1000))
		require.Equal(t, now[0].Events%2 == 1, now[0].Present)
		known = now
	}
}

// A call that the system does not return from is left alone, and what it
// brings at last is put away.
func TestCallsThatHangAreLeft(t *testing.T) {
	for what, call := range map[string]func(context.Context, driver.Service) error{
		"readers": func(ctx context.Context, s driver.Service) error { _, err := s.Readers(ctx); return err },
		"wait":    func(ctx context.Context, s driver.Service) error { _, err := s.Wait(ctx, nil); return err },
		"connect": func(ctx context.Context, s driver.Service) error { _, err := s.Connect(ctx, name); return err },
	} {
		t.Run(what, func(t *testing.T) {
			l := load(t, name)
			require.NoError(t, l.set.Insert(name, new(drivertest.Card)))
			s := l.open()
			if what == "connect" {
				_, err := s.Readers(t.Context())
				require.NoError(t, err)
			}
			wake := make(chan struct{})
			l.slow = func() { <-wake }
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			assert.Equal(t, context.DeadlineExceeded, call(ctx, s))
			close(wake)
			k, err := s.Connect(t.Context(), name)
			require.NoError(t, err)
			assert.NoError(t, k.Close(false))
		})
	}
}

// slowCard answers when told.
type slowCard struct {
	drivertest.Card
	asked, answer chan struct{}
	resets        atomic.Int32
}

func (c *slowCard) Reset() { c.resets.Add(1) }

func (c *slowCard) Transmit([]byte) []byte {
	close(c.asked)
	<-c.answer
	return []byte{0x90, 0x00}
}

// The library would stop the whole process if the context were released under
// a command.
func TestCloseLeavesACommandToTheCard(t *testing.T) {
	t.Parallel()
	for _, reset := range []bool{false, true} {
		l := load(t, name)
		c := &slowCard{asked: make(chan struct{}), answer: make(chan struct{})}
		require.NoError(t, l.set.Insert(name, c))
		s := l.open()
		k, err := s.Connect(t.Context(), name)
		require.NoError(t, err)
		ended := make(chan error)
		go func() {
			_, err := k.Transmit([]byte{0, 1, 0, 0})
			ended <- err
		}()
		<-c.asked
		before := c.resets.Load()
		require.NoError(t, k.Close(reset))
		assert.Equal(t, driver.InvalidHandle, <-ended)
		assert.EqualValues(t, 2, l.contexts.Load(), "the connection is still there")
		close(c.answer)
		assert.Eventually(t, func() bool { return l.contexts.Load() == 1 }, 5*time.Second, time.Millisecond)
		assert.Equal(t, reset, c.resets.Load() > before)
	}
}

// Who asks for a reset gets it, though another program holds the card now.
func TestCloseWithResetWaitsForOthers(t *testing.T) {
	t.Parallel()
	l := load(t, name)
	require.NoError(t, l.set.Insert(name, new(drivertest.Card)))
	one, two := l.open(), l.open()
	k, err := one.Connect(t.Context(), name)
	require.NoError(t, err)
	other, err := two.Connect(t.Context(), name)
	require.NoError(t, err)
	defer other.Close(false)
	require.NoError(t, other.Begin(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.Equal(t, context.DeadlineExceeded, k.Begin(ctx))
	require.NoError(t, k.Close(true))
	_, err = other.Transmit([]byte{0, 1, 0, 0})
	assert.NoError(t, err, "not under the other's hands")
	require.NoError(t, other.End(false))
	assert.Eventually(t, func() bool {
		_, err := other.Transmit([]byte{0, 1, 0, 0})
		return errors.Is(err, driver.ResetCard)
	}, 5*time.Second, time.Millisecond)
}

func TestErrnoHasTheNumbersOfWindows(t *testing.T) {
	for _, tt := range []struct {
		name, goos string
		code       uint32
		want       error
	}{
		{"success", "linux", 0, nil},
		{"a number that all share", "linux", 0x8010000B, driver.SharingViolation},
		{"unsupported feature of pcsc-lite", "linux", 0x8010001F, driver.UnsupportedFeature},
		{"unsupported feature of macOS", "darwin", 0x8010001F, driver.UnsupportedFeature},
		{"unexpected on Windows", "windows", 0x8010001F, driver.Errno(0x8010001F)},
		{"unsupported feature of Windows", "windows", 0x80100022, driver.UnsupportedFeature},
		{"handle of a service that went", "windows", 6, driver.InvalidHandle},
		{"pipe of a service that went", "windows", 109, driver.ServiceStopped},
		{"six elsewhere", "linux", 6, driver.Errno(6)},
	} {
		assert.Equal(t, tt.want, winscard.Errno(tt.goos, tt.code), tt.name)
	}
}
