package cardtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
)

// connect connects a program to the first reader.
func connect(t *testing.T, r *cardtest.Readers) driver.Card {
	t.Helper()
	s := r.Driver()
	k, err := s.Connect(t.Context(), first)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, k.Close(false))
		assert.NoError(t, s.Close())
		assert.NoError(t, r.Close())
	})
	return k
}

// Each fault happens at the second command. The card counts whether it received that
// command.
func TestFaults(t *testing.T) {
	right := []byte{0x63, 0xC2} // the card's response to a wrong PIN
	for _, test := range []struct {
		name     string
		fault    cardtest.Fault
		response []byte
		err      error
		spent    int
	}{
		{"none", cardtest.Fault{}, right, nil, 1},
		{"delay", cardtest.Fault{Delay: time.Millisecond}, right, nil, 1},
		{"removal instead", cardtest.Fault{What: cardtest.Removal}, nil, nil, 0},
		{"removal before", cardtest.Fault{What: cardtest.Removal, When: cardtest.Before}, nil, driver.RemovedCard, 0},
		{"removal after", cardtest.Fault{What: cardtest.Removal, When: cardtest.After}, nil, driver.RemovedCard, 1},
		{"reset instead", cardtest.Fault{What: cardtest.OtherReset}, nil, nil, 0},
		{"reset before", cardtest.Fault{What: cardtest.OtherReset, When: cardtest.Before}, nil, driver.ResetCard, 0},
		{"reset after", cardtest.Fault{What: cardtest.OtherReset, When: cardtest.After}, nil, driver.ResetCard, 1},
		{"service stop before", cardtest.Fault{What: cardtest.ServiceStop, When: cardtest.Before}, nil, driver.ServiceStopped, 0},
		{"replacement instead", cardtest.Fault{What: cardtest.Replacement, Card: cardtest.PIV()}, nil, driver.ReaderUnavailable, 0},
		{"replacement before", cardtest.Fault{What: cardtest.Replacement, When: cardtest.Before, Card: cardtest.PIV()}, nil, driver.ReaderUnavailable, 0},
		{"replacement after", cardtest.Fault{What: cardtest.Replacement, When: cardtest.After, Card: cardtest.PIV()}, nil, driver.ReaderUnavailable, 1},
		{"status", cardtest.Fault{What: cardtest.WrongStatus}, []byte{0x6F, 0x00}, nil, 0},
		{"chosen status after", cardtest.Fault{What: cardtest.WrongStatus, Status: 0x6985, When: cardtest.After}, []byte{0x69, 0x85}, nil, 1},
		{"empty", cardtest.Fault{What: cardtest.Empty}, nil, nil, 0},
		{"truncated", cardtest.Fault{What: cardtest.Truncated}, right[:1], nil, 1},
		{"wrong Le", cardtest.Fault{What: cardtest.WrongLe}, []byte{0x6C, 0x00}, nil, 0},
		{"no response", cardtest.Fault{What: cardtest.NoResponse}, nil, driver.NotTransacted, 0},
		{"no response after", cardtest.Fault{What: cardtest.NoResponse, When: cardtest.After}, nil, driver.NotTransacted, 1},
		{"busy", cardtest.Fault{What: cardtest.Busy}, nil, driver.SharingViolation, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := cardtest.PIV()
			r := cardtest.NewReaders(c)
			k := connect(t, r)
			r.Fault(first, 2, test.fault)
			response, err := k.Transmit(selectPIV)
			require.NoError(t, err)
			assert.Equal(t, []byte{0x90, 0x00}, response[len(response)-2:], "no fault at the first command")

			response, err = k.Transmit(wrongPIN)
			if test.err == nil && test.response == nil {
				assert.True(t, err != nil || len(response) == 0, "%X", response)
			} else {
				assert.ErrorIs(t, err, test.err)
				assert.Equal(t, string(test.response), string(response))
			}
			assert.Equal(t, test.spent, c.Spent())
		})
	}
}

func TestTimes(t *testing.T) {
	c := cardtest.PIV()
	r := cardtest.NewReaders(c)
	k := connect(t, r)
	r.Fault(first, 1, cardtest.Fault{What: cardtest.MoreData, Times: 3})
	for range 3 {
		response, err := k.Transmit(selectPIV)
		require.NoError(t, err)
		assert.Len(t, response, 18)
		assert.Equal(t, []byte{0x61, 0x10}, response[16:])
	}
	response, err := k.Transmit(selectPIV)
	require.NoError(t, err)
	assert.Equal(t, []byte{0x90, 0x00}, response[len(response)-2:])

	r.Fault(first, 1, cardtest.Fault{What: cardtest.WrongLe, Times: -1})
	for range 100 {
		response, err := k.Transmit(selectPIV)
		require.NoError(t, err)
		assert.Equal(t, []byte{0x6C, 0x01}, response)
	}
}

func TestGarbage(t *testing.T) {
	r := cardtest.NewReaders(cardtest.PIV())
	k := connect(t, r)
	r.Fault(first, 1, cardtest.Fault{What: cardtest.Garbage})
	garbage, err := k.Transmit(selectPIV)
	require.NoError(t, err)
	response, err := k.Transmit(selectPIV)
	require.NoError(t, err)
	assert.NotEqual(t, garbage, response)
	assert.Equal(t, []byte{0x90, 0x00}, garbage[len(garbage)-2:])
}

func TestCloseEndsDelay(t *testing.T) {
	r := cardtest.NewReaders(cardtest.PIV())
	k := connect(t, r)
	r.Fault(first, 1, cardtest.Fault{Delay: time.Hour})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = k.Transmit(selectPIV)
	}()
	require.NoError(t, r.Close())
	<-done
	assert.NoError(t, r.Close(), "second Close")
}

func TestZeroFaultCancelsFaults(t *testing.T) {
	r := cardtest.NewReaders(cardtest.PIV())
	k := connect(t, r)
	r.Fault(first, 2, cardtest.Fault{What: cardtest.Removal})
	r.Fault(first, 1, cardtest.Fault{What: cardtest.WrongStatus, Status: 0x6A82})
	require.NoError(t, k.Begin(t.Context()))
	response, err := k.Transmit(selectPIV)
	require.NoError(t, err)
	assert.Equal(t, []byte{0x6A, 0x82}, response)
	r.Fault(first, 0, cardtest.Fault{})
	response, err = k.Transmit(selectPIV)
	require.NoError(t, err)
	assert.Equal(t, []byte{0x90, 0x00}, response[len(response)-2:])
	require.NoError(t, k.End(false))
}

func TestPanicsOfFault(t *testing.T) {
	r := cardtest.NewReaders(cardtest.PIV())
	defer r.Close()
	assert.Panics(t, func() { r.Fault("missing", 1, cardtest.Fault{What: cardtest.Removal}) })
	const want = "cardtest: a fault has a Card if it is a Replacement, and only then"
	assert.PanicsWithValue(t, want, func() { r.Fault(first, 1, cardtest.Fault{What: cardtest.Replacement}) })
	assert.PanicsWithValue(t, want, func() { r.Fault(first, 1, cardtest.Fault{What: cardtest.Removal, Card: cardtest.PIV()}) })
}
