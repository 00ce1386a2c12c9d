package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/fault"
)

func TestHint(t *testing.T) {
	one := fault.New(fault.Card, "card is upside down", "Turn it over.")
	other := fault.New(fault.Card, "card is upside down", "Turn it over.")
	assert.EqualError(t, one, "card is upside down")
	assert.Equal(t, "Turn it over.", card.Hint(fmt.Errorf("reader: %w", one)))
	assert.NotErrorIs(t, one, other)
	assert.Empty(t, card.Hint(fault.Sentinel(fault.Card, "card is upside down")))
}

func TestReachOf(t *testing.T) {
	object := fault.Sentinel(fault.Object, "empty slot")
	service := fault.New(fault.Service, "service closed", "Start it.")
	for _, test := range []struct {
		name string
		err  error
		want fault.Reach
	}{
		{"stated", object, fault.Object},
		{"stated with a hint", service, fault.Service},
		{"wrapped", fmt.Errorf("slot 9A: %w", object), fault.Object},
		{"outermost wins", fault.Mark(fault.Application, fmt.Errorf("SELECT: %w", service)), fault.Application},
		{"first of several", errors.Join(object, service), fault.Object},
		{"not stated", errors.New("unknown"), fault.Card},
		{"end of a context", context.Canceled, fault.Card},
	} {
		assert.Equal(t, test.want, fault.ReachOf(test.err), test.name)
	}
	marked := fault.Mark(fault.Reader, object)
	assert.EqualError(t, marked, "empty slot")
	assert.ErrorIs(t, marked, object)
}

func TestPartial(t *testing.T) {
	object := fault.Sentinel(fault.Object, "refused")
	err := fmt.Errorf("write: %w", fault.Partial(object))
	assert.EqualError(t, err, "write: refused")
	assert.ErrorIs(t, err, object)
	assert.Equal(t, fault.Object, fault.ReachOf(err))
	assert.True(t, fault.IsPartial(err))
	assert.False(t, fault.IsPartial(object))
}

// The reach of every error of package card.
func TestReachOfCardErrors(t *testing.T) {
	for reach, list := range map[fault.Reach][]error{
		fault.Object:  {card.ErrMalformed, card.ErrWrongPIN, card.ErrPINBlocked, card.ErrPINFormat, card.ErrNewPIN, card.ErrLastTry, card.ErrRefusedBefore, card.ErrPINRequired},
		fault.Card:    {card.ErrMute, card.ErrBusy, card.ErrReset, card.ErrNoResponse, card.ErrOver},
		fault.Reader:  {card.ErrNoReader, card.ErrNoCard, card.ErrRemoved, card.ErrChanged},
		fault.Service: {card.ErrNoService, card.ErrClosed},
	} {
		for _, err := range list {
			assert.Equal(t, reach, fault.ReachOf(&card.Error{Reader: "a reader", Op: "test", Err: err}), err.Error())
		}
	}
}
