package main

import (
	"context"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDoctor(t *testing.T) {
	for name, test := range map[string]struct {
		readers *cardtest.Readers
		check   string // with the first problem
		next    string
	}{
		"all well":        {cardtest.NewReaders(aliceCard()), "", "nothing to do, everything works."},
		"virtual card":    {cardtest.NewReaders(bobCard()), "", "nothing to do, everything works."},
		"no reader":       {cardtest.NewReaders(), "readers", "Connect a smart card reader"},
		"no card":         {cardtest.NewReaders(nil), "cards", "Insert a card."},
		"mute card":       {cardtest.NewReaders(cardtest.PIV(cardtest.ATR([]byte{0}))), "cards", ""},
		"no application":  {cardtest.NewReaders(cardtest.PIV(cardtest.PIVMissing)), "applications", "Insert a PIV card"},
		"blocked PIN":     {cardtest.NewReaders(cardtest.PIV(cardtest.RetriesLeft(0))), "PINs", "Unblock the PIN"},
		"last try":        {cardtest.NewReaders(cardtest.PIV(cardtest.RetriesLeft(1))), "PINs", "Check the PIN before"},
		"no certificate":  {cardtest.NewReaders(cardtest.PIV()), "certificates", "Have a certificate for smart card sign-in"},
		"e-mail only":     {cardtest.NewReaders(emailCard()), "certificates", ""},
		"stopped service": {stoppedReaders(), "service", "Start the smart card service"},
	} {
		t.Run(name, func(t *testing.T) {
			defer test.readers.Close()
			out, err := smartlogon(t, test.readers, "doctor")
			assert.Contains(t, out, "Next: "+test.next)
			if test.check == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorIs(t, err, errProblem)
			}
			out, _ = smartlogon(t, test.readers, "doctor", "-json")
			var first string
			order := map[string]int{}
			for i, c := range decodeLines[check](t, out) {
				order[c.Name] = i
				if c.State == stateProblem && first == "" {
					first = c.Name
				}
				assert.NotEmpty(t, c.Detail)
			}
			assert.Equal(t, test.check, first)
			names := []string{"service", "rights", "version", "readers", "cards", "applications", "PINs", "certificates", "clock"}
			require.Len(t, order, len(names))
			for i := range names[1:] {
				assert.Less(t, order[names[i]], order[names[i+1]])
			}
		})
	}
}

// emailCard returns a card whose only certificate is for e-mail.
func emailCard() *cardtest.Card {
	key, der := cardtest.TestCA().Issue(leaf("alice@example.com", emailProtection))
	return cardtest.PIV().Put("9D", key, der)
}

func stoppedReaders() *cardtest.Readers {
	readers := cardtest.NewReaders()
	readers.Stop()
	return readers
}

// A slow clock makes certificates look as if they were not valid yet.
func TestDoctorClock(t *testing.T) {
	readers := cardtest.NewReaders(aliceCard())
	defer readers.Close()
	service := readers.Service()
	defer service.Close()
	checks, err := examine(t.Context(), service, time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	last := checks[len(checks)-1]
	assert.Equal(t, "clock", last.Name)
	assert.Equal(t, stateProblem, last.State)
	assert.Contains(t, last.Detail, "alice@example.com")
}

// refusingDriver is a service that the user may not use.
type refusingDriver struct{ driver.Service }

func (refusingDriver) Readers(context.Context) ([]driver.Reader, error) {
	return nil, driver.SecurityViolation
}

func TestDoctorRights(t *testing.T) {
	readers := cardtest.NewReaders()
	defer readers.Close()
	service := card.NewService(refusingDriver{readers.Driver()}, nil)
	defer service.Close()
	checks, err := examine(t.Context(), service, time.Now())
	require.NoError(t, err)
	assert.Equal(t, check{"service", stateOK, "it is there", ""}, checks[0])
	assert.Equal(t, "rights", checks[1].Name)
	assert.Equal(t, stateProblem, checks[1].State)
	assert.Equal(t, card.Hint(driver.SecurityViolation), checks[1].Remedy)
}
