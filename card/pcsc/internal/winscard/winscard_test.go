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

// newLibrary returns a library with readers of those names. At the end of the
// test all contexts must be released.
func newLibrary(t *testing.T, names ...string) *library {
	l := &library{t: t, set: reader.New(names...)}
	l.set.PowerDown = time.Minute
	t.Cleanup(func() {
		assert.Eventually(t, func() bool { return l.contexts.Load() == 0 }, 5*time.Second, 2*time.Millisecond,
			"contexts are not released")
	})
	return l
}

func (l *library) open() driver.Service {
	s := winscard.New(l)
	l.t.Cleanup(func() { assert.NoError(l.t, s.Close()) })
	return s
}

func TestDriver(t *testing.T) {
	for _, noPnP := range []bool{false, true} {
		t.Run(fmt.Sprintf("plug and play %v", !noPnP), func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T) *drivertest.Fixture {
				l := newLibrary(t, name)
				l.noPnP = noPnP
				return &drivertest.Fixture{
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

func TestNoReaderIsEmptyList(t *testing.T) {
	t.Parallel()
	for _, noPnP := range []bool{false, true} {
		l := newLibrary(t)
		l.noPnP = noPnP
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

// The event counts of a service start again when it restarts; Events must differ
// all the same.
// With as many readers as the library takes states, the reader that reports new
// readers is not among them.
func TestWaitWith16Readers(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 16 {
		names = append(names, fmt.Sprintf("R%02d", i))
	}
	l := newLibrary(t, names...)
	s := l.open()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	last, err := s.Readers(ctx)
	require.NoError(t, err)
	require.Len(t, last, 16)
	for _, step := range []struct {
		change func() error
		want   int
	}{
		{func() error { return l.set.Insert(names[15], new(drivertest.Card)) }, 16},
		{func() error { return l.set.Detach(names[3]) }, 15},
		{func() error { return l.set.Add(names[3]) }, 16},
		{func() error { return l.set.Remove(names[15]) }, 16},
	} {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		_, err := s.Wait(short, last)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		waited := make(chan error, 1)
		before := last
		go func() {
			var err error
			last, err = s.Wait(ctx, before)
			waited <- err
		}()
		require.NoError(t, step.change())
		require.NoError(t, <-waited)
		assert.Len(t, last, step.want)
	}
}

func TestRestartIsChange(t *testing.T) {
	l := newLibrary(t, name)
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
	l := newLibrary(t, name)
	require.NoError(t, l.set.Insert(name, new(muteCard)))
	s := l.open()
	list, err := s.Readers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []driver.Reader{{Name: name, Events: 1, Present: true, Mute: true}}, list)
	_, err = s.Connect(t.Context(), name)
	assert.ErrorIs(t, err, driver.UnresponsiveCard)
}

type muteCard struct{ drivertest.Card }

func (*muteCard) ATR() []byte { return nil }

// The event count must include each of a thousand insertions and removals.
func TestNoEventIsLostOrInvented(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, name)
	s := l.open()
	last, err := s.Readers(t.Context())
	require.NoError(t, err)
	go func() {
		for range 500 {
			assert.NoError(t, l.set.Insert(name, new(drivertest.Card)))
			assert.NoError(t, l.set.Remove(name))
		}
	}()
	for last[0].Events != 1000 {
		now, err := s.Wait(t.Context(), last)
		require.NoError(t, err)
		require.Greater(t, now[0].Events, last[0].Events)
		require.LessOrEqual(t, now[0].Events, uint32(1000))
		require.Equal(t, now[0].Events%2 == 1, now[0].Present)
		last = now
	}
}

// A call that does not return in time must release its result when it returns.
func TestCallsEndWithContext(t *testing.T) {
	for method, call := range map[string]func(context.Context, driver.Service) error{
		"Readers": func(ctx context.Context, s driver.Service) error { _, err := s.Readers(ctx); return err },
		"Wait":    func(ctx context.Context, s driver.Service) error { _, err := s.Wait(ctx, nil); return err },
		"Connect": func(ctx context.Context, s driver.Service) error { _, err := s.Connect(ctx, name); return err },
	} {
		t.Run(method, func(t *testing.T) {
			l := newLibrary(t, name)
			require.NoError(t, l.set.Insert(name, new(drivertest.Card)))
			s := l.open()
			if method == "Connect" {
				_, err := s.Readers(t.Context())
				require.NoError(t, err)
			}
			_, unblock := l.block("SCardEstablishContext")
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			assert.Equal(t, context.DeadlineExceeded, call(ctx, s))
			unblock()
			k, err := s.Connect(t.Context(), name)
			require.NoError(t, err)
			assert.NoError(t, k.Close(false))
		})
	}
}

// Close must return, and make the call under way return, while the service does
// not respond. The contexts are released when it responds again.
func TestCloseIsBoundedIfServiceHangs(t *testing.T) {
	t.Parallel()
	readers := func(s driver.Service, _ driver.Card) error { _, err := s.Readers(context.Background()); return err }
	connect := func(s driver.Service, _ driver.Card) error {
		_, err := s.Connect(context.Background(), name)
		return err
	}
	wait := func(s driver.Service, _ driver.Card) error {
		list, err := s.Readers(context.Background())
		for err == nil {
			list, err = s.Wait(context.Background(), list)
		}
		return err
	}
	for _, test := range []struct {
		name     string
		function string
		call     func(driver.Service, driver.Card) error
	}{
		{"Readers, list", "SCardListReaders", readers},
		{"Readers, state", "SCardGetStatusChange", readers},
		{"Wait, context", "SCardEstablishContext", wait},
		{"Wait, state", "SCardGetStatusChange", wait},
		{"Connect, context", "SCardEstablishContext", connect},
		{"Connect", "SCardConnect", connect},
		{"Begin", "SCardBeginTransaction", func(_ driver.Service, k driver.Card) error { return k.Begin(context.Background()) }},
		{"Transmit", "SCardTransmit", func(_ driver.Service, k driver.Card) error { _, err := k.Transmit([]byte{0, 1, 0, 0}); return err }},
		{"Control", "SCardControl", func(_ driver.Service, k driver.Card) error {
			_, err := k.(driver.Controller).Control(driver.FeatureRequest, nil)
			return err
		}},
		{"End", "SCardEndTransaction", func(_ driver.Service, k driver.Card) error { return k.End(true) }},
		{"Reconnect", "SCardReconnect", func(_ driver.Service, k driver.Card) error { return k.Reconnect(context.Background()) }},
		{"Close, disconnect", "SCardDisconnect", func(_ driver.Service, k driver.Card) error { k.Close(true); return driver.InvalidHandle }},
		{"Close, release", "SCardReleaseContext", func(_ driver.Service, k driver.Card) error { k.Close(false); return driver.InvalidHandle }},
	} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reset %v", test.name, reset), func(t *testing.T) {
				t.Parallel()
				l := newLibrary(t, name)
				require.NoError(t, l.set.Insert(name, new(drivertest.Card)))
				s := winscard.New(l)
				winscard.SetCloseTimeout(s, 20*time.Millisecond)
				k, err := s.Connect(t.Context(), name)
				require.NoError(t, err)
				if test.function == "SCardEndTransaction" {
					require.NoError(t, k.Begin(t.Context()))
				}
				entered, unblock := l.block(test.function)
				defer unblock()
				returned := make(chan error, 1)
				go func() { returned <- test.call(s, k) }()
				<-entered
				closed := make(chan struct{})
				go func() {
					defer close(closed)
					assert.NoError(t, k.Close(reset))
					assert.NoError(t, s.Close())
				}()
				select {
				case <-closed:
				case <-time.After(10 * time.Second):
					require.Fail(t, "Close does not return")
				}
				assert.Contains(t, []error{driver.InvalidHandle, driver.Cancelled}, <-returned)
			})
		}
	}
}

// slowCard responds to a command when respond is closed.
type slowCard struct {
	drivertest.Card
	received, respond chan struct{}
	resets            atomic.Int32
}

func (c *slowCard) Reset() { c.resets.Add(1) }

func (c *slowCard) Transmit([]byte) []byte {
	close(c.received)
	<-c.respond
	return []byte{0x90, 0x00}
}

// Releasing the context during SCardTransmit would stop the process.
func TestCloseDuringTransmit(t *testing.T) {
	t.Parallel()
	for _, reset := range []bool{false, true} {
		l := newLibrary(t, name)
		c := &slowCard{received: make(chan struct{}), respond: make(chan struct{})}
		require.NoError(t, l.set.Insert(name, c))
		s := l.open()
		k, err := s.Connect(t.Context(), name)
		require.NoError(t, err)
		returned := make(chan error)
		go func() {
			_, err := k.Transmit([]byte{0, 1, 0, 0})
			returned <- err
		}()
		<-c.received
		before := c.resets.Load()
		require.NoError(t, k.Close(reset))
		assert.Equal(t, driver.InvalidHandle, <-returned)
		assert.EqualValues(t, 2, l.contexts.Load(), "the context is released during the command")
		close(c.respond)
		assert.Eventually(t, func() bool { return l.contexts.Load() == 1 }, 5*time.Second, time.Millisecond)
		assert.Equal(t, reset, c.resets.Load() > before)
	}
}

// Close resets the card after the transaction of another program.
func TestCloseWithResetWaitsForTransaction(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, name)
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
	require.ErrorIs(t, k.Begin(ctx), context.DeadlineExceeded)
	require.NoError(t, k.Close(true))
	_, err = other.Transmit([]byte{0, 1, 0, 0})
	assert.NoError(t, err, "the card is reset during the transaction")
	require.NoError(t, other.End(false))
	assert.Eventually(t, func() bool {
		_, err := other.Transmit([]byte{0, 1, 0, 0})
		return errors.Is(err, driver.ResetCard)
	}, 5*time.Second, time.Millisecond)
}

func TestErrno(t *testing.T) {
	for _, tt := range []struct {
		name, goos string
		code       uint32
		want       error
	}{
		{"success", "linux", 0, nil},
		{"same number on all systems", "linux", 0x8010000B, driver.SharingViolation},
		{"unsupported feature of pcsc-lite", "linux", 0x8010001F, driver.UnsupportedFeature},
		{"unsupported feature of macOS", "darwin", 0x8010001F, driver.UnsupportedFeature},
		{"unexpected on Windows", "windows", 0x8010001F, driver.Errno(0x8010001F)},
		{"unsupported feature of Windows", "windows", 0x80100022, driver.UnsupportedFeature},
		{"ERROR_INVALID_HANDLE", "windows", 6, driver.InvalidHandle},
		{"ERROR_BROKEN_PIPE", "windows", 109, driver.ServiceStopped},
		{"6 on Linux", "linux", 6, driver.Errno(6)},
	} {
		assert.Equal(t, tt.want, winscard.Errno(tt.goos, tt.code), tt.name)
	}
}
