package card_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestServiceErrors checks the error for each PC/SC code, from Connect and Transmit.
func TestServiceErrors(t *testing.T) {
	for no, want := range map[driver.Errno]error{
		driver.NoService:          card.ErrNoService,
		driver.ServiceStopped:     card.ErrNoService,
		driver.CommError:          card.ErrNoService,
		driver.UnknownReader:      card.ErrNoReader,
		driver.ReaderUnavailable:  card.ErrNoReader,
		driver.NoReadersAvailable: card.ErrNoReader,
		driver.NoSmartcard:        card.ErrNoCard,
		driver.RemovedCard:        card.ErrRemoved,
		driver.UnresponsiveCard:   card.ErrMute,
		driver.UnsupportedCard:    card.ErrMute,
		driver.UnpoweredCard:      card.ErrReset,
		driver.ResetCard:          card.ErrReset,
		driver.NotTransacted:      card.ErrNoResponse,
		driver.CommDataLost:       card.ErrNoResponse,
		driver.NoAccess:           driver.NoAccess,
		driver.SecurityViolation:  driver.SecurityViolation,
		driver.ProtoMismatch:      driver.ProtoMismatch,
		driver.InternalError:      driver.InternalError,
	} {
		for _, f := range []fakeService{{connect: no}, {transmit: no}} {
			s := card.NewService(f, &card.Options{BusyTimeout: time.Millisecond})
			k, err := s.Card(t.Context(), zero)
			require.NoError(t, err)
			err = k.Do(t.Context(), func(tx *card.Tx) error {
				_, err := tx.Command(card.Command{INS: 0xCB})
				return err
			})
			assert.ErrorIs(t, err, want)
			assert.ErrorIs(t, err, no, "the code stays")
			assert.ErrorContains(t, err, zero)
			if no != driver.InternalError {
				assert.NotEmpty(t, card.Hint(err), "%v", no)
			}
			require.NoError(t, s.Close())
		}
	}
}

func TestErrorText(t *testing.T) {
	e := &card.Error{Reader: "Reader \x1b[2J", Op: "SELECT", Err: card.StatusNotFound}
	assert.Equal(t, `card: "Reader \x1b[2J": SELECT: file or application not found (6A82)`, e.Error())
	assert.Equal(t, "card: list readers: "+card.ErrNoService.Error(), (&card.Error{Op: "list readers", Err: card.ErrNoService}).Error())
	assert.ErrorIs(t, e, card.StatusNotFound)
}

func TestHints(t *testing.T) {
	seen := map[string]error{}
	for _, err := range []error{
		card.ErrNoService, card.ErrNoReader, card.ErrNoCard, card.ErrMute, card.ErrBusy, card.ErrRemoved, card.ErrChanged,
		card.ErrReset, card.ErrNoResponse, card.ErrMalformed, card.ErrClosed,
		card.ErrWrongPIN, card.ErrPINBlocked, card.ErrLastTry, card.ErrRefusedBefore, card.ErrPINFormat, card.ErrNewPIN, card.ErrPINRequired,
		card.StatusNotPermitted, card.StatusNotFound, context.DeadlineExceeded,
		driver.NoAccess, driver.SecurityViolation, driver.ProtoMismatch,
	} {
		hint := card.Hint(fmt.Errorf("wrapped: %w", &card.Error{Err: err}))
		assert.NotEmpty(t, hint, "%v", err)
		assert.Nil(t, seen[hint], "%v", err)
		seen[hint] = err
	}
	assert.Empty(t, card.Hint(nil))
	assert.Empty(t, card.Hint(errors.New("other")))
	assert.Equal(t, "do something", card.Hint(fmt.Errorf("x: %w", hintError{})))
	assert.Equal(t, card.Hint(card.ErrPINBlocked), card.Hint(&card.PINError{Sent: true, Err: card.ErrPINBlocked}))
}

// hintError is an error of another package with its own hint.
type hintError struct{}

func (hintError) Error() string { return "hint error" }
func (hintError) Hint() string  { return "do something" }

// Each reason why no card can be used has its own error and hint.
func TestErrorsOfUnusableCards(t *testing.T) {
	hints := map[string]bool{}
	for _, test := range []struct {
		name string
		want error
		set  func(*fixture)
	}{
		{"no service", card.ErrNoService, func(d *fixture) { d.readers.Stop() }},
		{"no reader", card.ErrNoReader, func(d *fixture) { d.readers.Unplug(zero) }},
		{"no card", card.ErrNoCard, func(d *fixture) { d.readers.Remove(zero) }},
		{"no PIV application", piv.ErrNotPIV, func(d *fixture) {
			d.readers.Remove(zero)
			d.readers.Insert(zero, cardtest.PIV(cardtest.PIVMissing))
		}},
		{"busy", card.ErrBusy, func(d *fixture) { require.NoError(d.t, d.otherProgram().Begin(d.t.Context())) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newFixture(t, cardtest.PIV(), nil)
				test.set(d)
				c, err := d.service.Card(t.Context(), zero)
				if err == nil {
					_, err = piv.New(c).PINStatus(t.Context())
				}
				assert.ErrorIs(t, err, test.want)
				assert.ErrorContains(t, err, zero)
				hint := card.Hint(err)
				assert.NotEmpty(t, hint)
				assert.False(t, hints[hint], "%q is the hint of another error", hint)
				hints[hint] = true
				d.close()
			})
		})
	}
}

func TestStatus(t *testing.T) {
	for s, want := range map[card.Status]string{
		card.StatusNotFound: "file or application not found (6A82)",
		0x63C2:              "verification failed, 2 retries left (63C2)",
		0x6302:              "verification failed, 2 retries left (6302)",
		0x6300:              "verification failed (6300)",
		0x6FFF:              "status (6FFF)",
	} {
		assert.Equal(t, want, s.Error())
	}
	for s, want := range map[card.Status]int{0x63C0: 0, 0x63CF: 15, 0x6305: 5, 0x6300: -1} {
		n, failed := s.Retries()
		assert.True(t, failed)
		assert.Equal(t, want, n)
	}
	_, failed := card.StatusMethodBlocked.Retries()
	assert.False(t, failed)
}

func TestEmptyResponseOfRemovedCard(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	// pcsc-lite returns an empty response if the card is removed from some readers.
	pulled := removingService{d.readers.Driver(), func() { d.readers.Remove(zero) }}
	s := card.NewService(pulled, nil)
	defer s.Close()
	k, err := s.Card(t.Context(), zero)
	require.NoError(t, err)
	err = k.Do(t.Context(), readCHUID)
	assert.ErrorIs(t, err, card.ErrRemoved)
	assert.NotErrorIs(t, err, card.ErrNoResponse)
}

type removingService struct {
	driver.Service
	pull func()
}

func (p removingService) Connect(ctx context.Context, reader string) (driver.Card, error) {
	k, err := p.Service.Connect(ctx, reader)
	return emptyResponseCard{k, p.pull}, err
}

type emptyResponseCard struct {
	driver.Card
	pull func()
}

func (e emptyResponseCard) Transmit([]byte) ([]byte, error) {
	e.pull()
	return nil, nil
}

// A slowService delays Connect and Begin; the context ends the delay.
type slowService struct {
	driver.Service
	delay time.Duration
	begin error // of Begin, after the delay
}

func (s slowService) Connect(ctx context.Context, reader string) (driver.Card, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	c, err := s.Service.Connect(ctx, reader)
	return slowCard{c, s}, err
}

func (s slowService) wait(ctx context.Context) error {
	timer := time.NewTimer(s.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type slowCard struct {
	driver.Card
	s slowService
}

func (c slowCard) Begin(ctx context.Context) error {
	if err := c.s.wait(ctx); err != nil {
		return err
	}
	if c.s.begin != nil {
		return c.s.begin
	}
	return c.Card.Begin(ctx)
}

// ErrBusy means that another program holds the card. A slow machine is no reason for it,
// and another error after BusyTimeout is not replaced.
func TestSlowServiceIsNotBusy(t *testing.T) {
	for _, delay := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond} {
		for begin, want := range map[error]error{
			nil:                     nil,
			driver.RemovedCard:      card.ErrRemoved,
			driver.UnresponsiveCard: card.ErrMute,
			driver.SharingViolation: card.ErrBusy,
		} {
			t.Run(fmt.Sprint(delay, " ", begin), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := newFixture(t, cardtest.PIV(), nil)
					s := card.NewService(slowService{d.readers.Driver(), delay, begin}, &card.Options{BusyTimeout: time.Millisecond})
					c, err := s.Card(t.Context(), zero)
					require.NoError(t, err)
					err = c.Do(t.Context(), readCHUID)
					assert.ErrorIs(t, err, want)
					if want != card.ErrBusy {
						assert.NotErrorIs(t, err, card.ErrBusy)
					}
					require.NoError(t, s.Close())
					d.close()
				})
			})
		}
	}
}

// The wait for a service that does not respond is bounded.
func TestServiceHangsAtBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, n := newHookedFixture(t)
		n.begin = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		start := time.Now()
		err := d.card.Do(t.Context(), readCHUID)
		assert.ErrorIs(t, err, driver.Timeout)
		assert.NotErrorIs(t, err, card.ErrBusy)
		assert.Equal(t, 30*time.Second, time.Since(start))
		d.close()
	})
}
