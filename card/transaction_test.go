package card_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A fixture has a reader with a card, and the service and card of a program.
type fixture struct {
	t       *testing.T
	soft    *cardtest.Card
	readers *cardtest.Readers
	service *card.Service
	card    *card.Card
}

func newFixture(t *testing.T, soft *cardtest.Card, o *card.Options) *fixture {
	t.Helper()
	d := &fixture{t: t, soft: soft, readers: cardtest.NewReaders(soft)}
	d.service = card.NewService(d.readers.Driver(), o)
	t.Cleanup(d.close)
	var err error
	d.card, err = d.service.Card(t.Context(), zero)
	require.NoError(t, err)
	return d
}

func (d *fixture) close() {
	assert.NoError(d.t, d.readers.Close()) // ends the delays of faults
	assert.NoError(d.t, d.service.Close())
}

// otherProgram returns a connection of another program.
func (d *fixture) otherProgram() driver.Card {
	d.t.Helper()
	s := d.readers.Driver()
	k, err := s.Connect(d.t.Context(), zero)
	require.NoError(d.t, err)
	d.t.Cleanup(func() {
		assert.NoError(d.t, k.Close(false))
		assert.NoError(d.t, s.Close())
	})
	return k
}

var (
	pivAID      = []byte{0xA0, 0, 0, 3, 8, 0, 0, 0x10, 0}
	getCHUID    = card.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Data: []byte{0x5C, 3, 0x5F, 0xC1, 2}, Ne: card.MaxResponse}
	readRetries = card.Command{INS: 0x20, P2: 0x80}
)

// readCHUID reads an object.
func readCHUID(tx *card.Tx) error {
	if _, err := tx.Select(pivAID); err != nil {
		return err
	}
	_, err := tx.Command(getCHUID)
	return err
}

func TestTransactionIsExclusive(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	other := d.otherProgram()
	held := make(chan error, 1)
	err := d.card.Do(t.Context(), func(tx *card.Tx) error {
		go func() { held <- other.Begin(t.Context()) }()
		for range 3 {
			if err := readCHUID(tx); err != nil {
				return err
			}
		}
		select {
		case <-held:
			return errors.New("another program began a transaction")
		default:
			return nil
		}
	})
	require.NoError(t, err)
	require.NoError(t, <-held)
	require.NoError(t, other.End(false))
}

func TestTxAfterTransaction(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	var kept *card.Tx
	require.NoError(t, d.card.Do(t.Context(), func(tx *card.Tx) error {
		kept = tx
		return readCHUID(tx)
	}))
	before := d.soft.Exchanges()
	_, err := kept.Command(getCHUID)
	assert.ErrorIs(t, err, card.ErrOver)
	_, err = kept.Select(pivAID)
	assert.ErrorIs(t, err, card.ErrOver)
	assert.Equal(t, before, d.soft.Exchanges())
}

func TestDoReturnsError(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	mine := errors.New("mine")
	err := d.card.Do(t.Context(), func(*card.Tx) error { return mine })
	assert.ErrorIs(t, err, mine)
	var e *card.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, zero, e.Reader)
}

func TestDoPanics(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	assert.PanicsWithValue(t, "oh", func() {
		_ = d.card.Do(t.Context(), func(*card.Tx) error { panic("oh") })
	})
	assert.NoError(t, d.card.Do(t.Context(), readCHUID))
}

func TestTransactionsTakeTurns(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	var inside, most int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			assert.NoError(t, d.card.Do(t.Context(), func(tx *card.Tx) error {
				mu.Lock()
				inside++
				most = max(most, inside)
				mu.Unlock()
				err := readCHUID(tx)
				mu.Lock()
				inside--
				mu.Unlock()
				return err
			}))
		})
	}
	all.Wait()
	assert.Equal(t, 1, most)
}

func TestBusy(t *testing.T) {
	t.Run("a transaction of another program", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newFixture(t, cardtest.PIV(), &card.Options{BusyTimeout: time.Minute})
			other := d.otherProgram()
			require.NoError(t, other.Begin(t.Context()))
			watchResult := 0
			ctx := card.WithTrace(t.Context(), &card.Trace{Busy: func(reader string) {
				assert.Equal(t, zero, reader)
				watchResult++
			}})
			began := time.Now()
			err := d.card.Do(ctx, readCHUID)
			assert.ErrorIs(t, err, card.ErrBusy)
			assert.Equal(t, time.Minute, time.Since(began))
			synctest.Wait()
			assert.Equal(t, 1, watchResult)

			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err = d.card.Do(ctx, readCHUID)
			assert.ErrorIs(t, err, context.DeadlineExceeded, "the context ended before BusyTimeout")
			assert.NotErrorIs(t, err, card.ErrBusy)

			go func() {
				<-time.After(time.Second)
				assert.NoError(t, other.End(false))
			}()
			assert.NoError(t, d.card.Do(t.Context(), readCHUID))
		})
	})
	t.Run("an exclusive connection of another program", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			exclusive := &exclusiveService{failures: 5}
			d := newFixture(t, cardtest.PIV(), nil)
			exclusive.Service = d.readers.Driver()
			s := card.NewService(exclusive, &card.Options{BusyTimeout: time.Second})
			defer s.Close()
			watchResult := 0
			ctx := card.WithTrace(t.Context(), &card.Trace{Busy: func(string) { watchResult++ }})
			c, err := s.Card(ctx, zero)
			require.NoError(t, err)
			assert.NoError(t, c.Do(ctx, readCHUID), "released in time")
			assert.Equal(t, 5, watchResult)

			exclusive.failures = 1000
			assert.ErrorIs(t, c.Do(ctx, readCHUID), card.ErrBusy)
		})
	})
}

// An exclusiveService has a card that another program uses exclusively, for as many
// calls of Connect.
type exclusiveService struct {
	driver.Service
	failures int
}

func (j *exclusiveService) Connect(ctx context.Context, reader string) (driver.Card, error) {
	if j.failures > 0 {
		j.failures--
		return nil, driver.SharingViolation
	}
	return j.Service.Connect(ctx, reader)
}

func TestRemovedCardStaysOver(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.readers.Remove(zero)
	assert.ErrorIs(t, d.card.Do(t.Context(), readCHUID), card.ErrNoCard)
	d.readers.Insert(zero, d.soft)
	assert.ErrorIs(t, d.card.Do(t.Context(), readCHUID), card.ErrRemoved, "for good")
	again, err := d.service.Card(t.Context(), zero)
	require.NoError(t, err)
	assert.NoError(t, again.Do(t.Context(), readCHUID))
	d.readers.Unplug(zero)
	assert.ErrorIs(t, again.Do(t.Context(), readCHUID), card.ErrNoReader)
}

func TestRemovalInTransaction(t *testing.T) {
	for _, when := range []cardtest.When{cardtest.Instead, cardtest.Before, cardtest.After} {
		d := newFixture(t, cardtest.PIV(), nil)
		d.readers.Fault(zero, 2, cardtest.Fault{What: cardtest.Removal, When: when})
		err := d.card.Do(t.Context(), func(tx *card.Tx) error {
			err := readCHUID(tx)
			before := d.soft.Exchanges()
			_, again := tx.Command(getCHUID)
			assert.ErrorIs(t, again, card.ErrRemoved)
			assert.Equal(t, before, d.soft.Exchanges(), "nothing more is sent")
			return err
		})
		assert.ErrorIs(t, err, card.ErrRemoved)
	}
}

func TestResetByOtherProgram(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	release, err := d.card.Hold(t.Context())
	require.NoError(t, err)
	defer release()
	epoch := func() (n uint64) {
		require.NoError(t, d.card.Do(t.Context(), func(tx *card.Tx) error {
			n = tx.Epoch()
			return readCHUID(tx)
		}))
		return n
	}
	first := epoch()
	assert.Equal(t, first, epoch(), "held and not reset")
	d.readers.Reset(zero)
	second := epoch()
	assert.NotEqual(t, first, second)

	d.readers.Fault(zero, 2, cardtest.Fault{What: cardtest.OtherReset, When: cardtest.Before})
	assert.ErrorIs(t, d.card.Do(t.Context(), readCHUID), card.ErrReset, "in a transaction")
	assert.NotEqual(t, second, epoch())
}

func TestEpochNotHeld(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	var seen []uint64
	for range 2 {
		require.NoError(t, d.card.Do(t.Context(), func(tx *card.Tx) error {
			seen = append(seen, tx.Epoch())
			return nil
		}))
	}
	assert.NotEqual(t, seen[0], seen[1])
}

func TestServiceRestart(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	release, err := d.card.Hold(t.Context())
	require.NoError(t, err)
	defer release()
	d.readers.Stop()
	assert.ErrorIs(t, d.card.Do(t.Context(), readCHUID), card.ErrNoService)
	_, err = d.service.Card(t.Context(), zero)
	assert.ErrorIs(t, err, card.ErrNoService)
	d.readers.Start()
	assert.ErrorIs(t, d.card.Do(t.Context(), readCHUID), card.ErrChanged, "the card may have been exchanged meanwhile")
	again, err := d.service.Card(t.Context(), zero)
	require.NoError(t, err)
	assert.NoError(t, again.Do(t.Context(), readCHUID))

	d.readers.Fault(zero, 2, cardtest.Fault{What: cardtest.ServiceStop, When: cardtest.Before})
	assert.ErrorIs(t, again.Do(t.Context(), readCHUID), card.ErrNoService)
	d.readers.Start()
	err = again.Do(t.Context(), readCHUID)
	assert.ErrorIs(t, err, card.ErrChanged)
	assert.ErrorContains(t, err, "the smart card service was restarted")
	again, err = d.service.Card(t.Context(), zero)
	require.NoError(t, err)
	assert.NoError(t, again.Do(t.Context(), readCHUID))
}

func TestContextEndsDuringCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFixture(t, cardtest.PIV(), nil)
		d.readers.Fault(zero, 2, cardtest.Fault{Delay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := d.card.Do(ctx, func(tx *card.Tx) error {
			err := readCHUID(tx)
			_, again := tx.Command(getCHUID)
			assert.ErrorIs(t, again, context.DeadlineExceeded)
			return err
		})
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(began), "Do does not wait for the command")
		assert.NoError(t, d.card.Do(t.Context(), readCHUID), "the next transaction does")
		assert.Equal(t, time.Hour, time.Since(began))
	})
}

func TestServiceCloseEndsContext(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	inside, closed := make(chan struct{}), make(chan error, 1)
	done := make(chan error, 1)
	go func() {
		done <- d.card.Do(t.Context(), func(tx *card.Tx) error {
			close(inside)
			<-tx.Context().Done()
			_, err := tx.Command(getCHUID)
			return err
		})
	}()
	<-inside
	go func() { closed <- d.service.Close() }()
	assert.ErrorIs(t, <-done, card.ErrClosed)
	assert.NoError(t, <-closed)

	assert.ErrorIs(t, d.card.Do(t.Context(), readCHUID), card.ErrClosed)
	_, err := d.card.Hold(t.Context())
	assert.ErrorIs(t, err, card.ErrClosed)
	_, err = d.service.Card(t.Context(), zero)
	assert.ErrorIs(t, err, card.ErrClosed)
	_, err = d.service.Readers(t.Context())
	assert.ErrorIs(t, err, card.ErrClosed)
	assert.NoError(t, d.service.Close(), "again")
}

func TestServiceCloseDuringUse(t *testing.T) {
	for range 200 {
		readers := cardtest.NewReaders(cardtest.PIV())
		s := readers.Service()
		c, err := s.Card(t.Context(), zero)
		require.NoError(t, err)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				release, err := c.Hold(t.Context())
				if err == nil {
					err = c.Do(t.Context(), readCHUID)
					release()
				}
				if err != nil {
					assert.ErrorIs(t, err, card.ErrClosed)
				}
			})
		}
		assert.NoError(t, s.Close())
		all.Wait()
		k, err := readers.Driver().Connect(t.Context(), zero)
		require.NoError(t, err)
		assert.NoError(t, k.Begin(t.Context()), "nothing is held")
		assert.NoError(t, k.Close(false))
		assert.NoError(t, readers.Close())
	}
}

func TestHold(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	first, err := d.card.Hold(t.Context())
	require.NoError(t, err)
	second, err := d.card.Hold(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.card.Do(t.Context(), func(tx *card.Tx) error { return sendVerify(tx) }))
	assert.True(t, d.soft.Verified(), "the card kept its power")
	first()
	first()
	assert.True(t, d.soft.Verified(), "still held")
	k := d.otherProgram()
	assert.NoError(t, k.Begin(t.Context()), "not held in a transaction")
	assert.NoError(t, k.End(false))
	assert.NoError(t, k.Close(false))
	second()
	assert.False(t, d.soft.Verified(), "it lost its power")
}

// sendVerify verifies the PIN without the guard.
func sendVerify(tx *card.Tx) error {
	if _, err := tx.Select(pivAID); err != nil {
		return err
	}
	_, err := tx.Command(card.Command{INS: 0x20, P2: 0x80, Data: []byte("123456\xFF\xFF")})
	return err
}
