package main

import (
	"context"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const reader = "Software Reader 00"

// on is a service with readers that were dealt with.
func on(readers *cardtest.Readers, deal func(*cardtest.Readers)) *card.Service {
	if deal != nil {
		deal(readers)
	}
	return card.NewService(readers.Driver(), &card.Options{BusyTimeout: 20 * time.Millisecond})
}

// What the doctor says, and which remedy it gives.
func TestDoctor(t *testing.T) {
	for _, test := range []struct {
		name         string
		service      *card.Service
		says, remedy string
	}{
		{"no service", on(cardtest.NewReaders(), (*cardtest.Readers).Stop), "service is not running", "Start the smart card service"},
		{"no reader", on(cardtest.NewReaders(), nil), "no such reader", "Connect a smart card reader"},
		{"no card", on(cardtest.NewReaders(nil), nil), reader + ": ", "Insert a card."},
		{"unsupported card", on(cardtest.NewReaders(cardtest.PIV(cardtest.PIVMissing)), nil), "no known application", "Insert a PIV card or a virtual smart card"},
		{"virtual smart card", on(cardtest.NewReaders(cardtest.TPM().Put("kxc00", nil, some())), nil), "GIDS application; PIN tries left: 3", ""},
		{"virtual smart card with authorities", on(cardtest.NewReaders(cardtest.TPM().Put("kxc00", nil, some()).PutFile("mscp/msroots", []byte{0x30, 0x00})), nil), "certificates of authorities for Windows: 2 bytes", ""},
		{"authorities that make no sense", on(cardtest.NewReaders(cardtest.TPM().Put("kxc00", nil, some()).PutFile("mscp/msroots", []byte{0x31})), nil), "msroots", "The card does not keep to its standard"},
		{"blocked virtual smart card", on(cardtest.NewReaders(cardtest.TPM(cardtest.RetriesLeft(0)).Put("kxc00", nil, some())), nil), "PIN is blocked", "Unblock the PIN"},
		{"reader busy", on(cardtest.NewReaders(cardtest.PIV()), func(r *cardtest.Readers) {
			r.Fault(reader, 1, cardtest.Fault{What: cardtest.Busy, Times: -1})
		}), "another program holds the card", "Close the program that holds the card"},
		{"blocked PIN", on(cardtest.NewReaders(cardtest.PIV(cardtest.RetriesLeft(0))), nil), "PIN is blocked", "Unblock the PIN with the PUK"},
		{"last try", on(cardtest.NewReaders(cardtest.PIV(cardtest.RetriesLeft(1))), nil), "one PIN try is left", "Check the PIN before you enter it"},
		{"all is well", on(cardtest.NewReaders(cardtest.Logon("alice@example.com")), nil), "PIN tries left: 3", ""},
		{"a card that does not count", on(cardtest.NewReaders(cardtest.PIV(cardtest.EmptyVerifyRefused)), nil), "does not say how many PIN tries", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := explainOn(t, test.service)
			require.NoError(t, err, "nothing of that is an error of the program")
			assert.Contains(t, out, test.says)
			if test.remedy != "" {
				assert.Contains(t, out, "-> "+test.remedy)
			} else {
				assert.NotContains(t, out, "->")
			}
		})
	}
}

// some is a certificate to sign in with.
func some() []byte {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	return der
}

func TestCardsAreExplained(t *testing.T) {
	c := cardtest.Logon("alice@example.com")
	key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"bob@example.com"}})
	c.Put("9C", key, certificate)
	out, err := explainOn(t, on(cardtest.NewReaders(c), nil), "-json")
	require.NoError(t, err)
	list := objects(t, out)
	require.Len(t, list, 2)
	assert.Equal(t, reader+": PIV 9A", list[0].Source)
	assert.True(t, list[0].Offered)
	assert.Equal(t, reader+": PIV 9C", list[1].Source)
	assert.False(t, list[1].Offered)
	assert.Equal(t, []string{"AllowSignatureOnlyKeys"}, list[1].PoliciesNeeded)
	assert.Regexp(t, `^[0-9a-f-]{36}$`, list[0].Container)
	assert.NotEqual(t, list[0].Container, list[1].Container)
	assert.Zero(t, c.Writes())
	assert.Zero(t, c.Spent())
}

func TestProblemsAreObjectsToo(t *testing.T) {
	out, err := explainOn(t, on(cardtest.NewReaders(nil), nil), "-json")
	require.NoError(t, err)
	list := objects(t, out)
	require.Len(t, list, 1)
	assert.Equal(t, reader, list[0].Source)
	assert.NotEmpty(t, list[0].Error)
	assert.Equal(t, "Insert a card.", list[0].Remedy)
}

func TestDoctorEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := run(ctx, nil, on(cardtest.NewReaders(cardtest.PIV()), nil), new(discard))
	assert.ErrorIs(t, err, context.Canceled)
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
