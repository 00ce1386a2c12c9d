package explain

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const reader = "Software Reader 00"

// newService returns a service for readers, after setup has changed them.
func newService(readers *cardtest.Readers, setup func(*cardtest.Readers)) *card.Service {
	if setup != nil {
		setup(readers)
	}
	return card.NewService(readers.Driver(), &card.Options{BusyTimeout: 20 * time.Millisecond})
}

func TestDoctor(t *testing.T) {
	for _, test := range []struct {
		name         string
		service      *card.Service
		text, remedy string
	}{
		{"no service", newService(cardtest.NewReaders(), (*cardtest.Readers).Stop), "service is not running", "Start the smart card service"},
		{"no reader", newService(cardtest.NewReaders(), nil), "no such reader", "Connect a smart card reader"},
		{"no card", newService(cardtest.NewReaders(nil), nil), reader + ": ", "Insert a card."},
		{"unsupported card", newService(cardtest.NewReaders(cardtest.PIV(cardtest.PIVMissing)), nil), "no known application", "Insert a PIV card or a virtual smart card"},
		{"virtual smart card", newService(cardtest.NewReaders(cardtest.TPM().Put("kxc00", nil, certificate())), nil), "GIDS application; PIN retries left: 3", ""},
		{"virtual smart card with root certificates", newService(cardtest.NewReaders(cardtest.TPM().Put("kxc00", nil, certificate()).PutFile("mscp/msroots", []byte{0x30, 0x00})), nil), "root certificates for Windows: 2 bytes", ""},
		{"virtual smart card with malformed root certificates", newService(cardtest.NewReaders(cardtest.TPM().Put("kxc00", nil, certificate()).PutFile("mscp/msroots", []byte{0x31})), nil), "msroots", "Report the card with a trace"},
		{"blocked virtual smart card", newService(cardtest.NewReaders(cardtest.TPM(cardtest.RetriesLeft(0)).Put("kxc00", nil, certificate())), nil), "PIN is blocked", "Unblock the PIN"},
		{"reader busy", newService(cardtest.NewReaders(cardtest.PIV()), func(r *cardtest.Readers) {
			r.Fault(reader, 1, cardtest.Fault{What: cardtest.Busy, Times: -1})
		}), "another program holds the card", "Close the program that holds the card"},
		{"blocked PIN", newService(cardtest.NewReaders(cardtest.PIV(cardtest.RetriesLeft(0))), nil), "PIN is blocked", "Unblock the PIN with the PUK"},
		{"last retry", newService(cardtest.NewReaders(cardtest.PIV(cardtest.RetriesLeft(1))), nil), "one PIN retry is left", "Check the PIN before entering it"},
		{"no fault", newService(cardtest.NewReaders(cardtest.Logon("alice@example.com")), nil), "PIN retries left: 3", ""},
		{"no retry counter", newService(cardtest.NewReaders(cardtest.PIV(cardtest.EmptyVerifyRefused)), nil), "does not report the PIN retry counter", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := explainOn(t, test.service)
			require.NoError(t, err, "a fault of a card is not an error of the program")
			assert.Contains(t, out, test.text)
			if test.remedy != "" {
				assert.Contains(t, out, "-> "+test.remedy)
			} else {
				assert.NotContains(t, out, "->")
			}
		})
	}
}

// certificate returns a certificate that Windows offers.
func certificate() []byte {
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	return der
}

func TestCards(t *testing.T) {
	c := cardtest.Logon("alice@example.com")
	key, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"bob@example.com"}})
	c.Put("9C", key, der)
	out, err := explainOn(t, newService(cardtest.NewReaders(c), nil), "-json")
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

func TestJSONProblem(t *testing.T) {
	out, err := explainOn(t, newService(cardtest.NewReaders(nil), nil), "-json")
	require.NoError(t, err)
	list := objects(t, out)
	require.Len(t, list, 1)
	assert.Equal(t, reader, list[0].Source)
	assert.NotEmpty(t, list[0].Error)
	assert.Equal(t, "Insert a card.", list[0].Remedy)
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	service := newService(cardtest.NewReaders(cardtest.PIV()), nil)
	env := &cli.Env{Stdout: io.Discard, Service: func() *card.Service { return service }}
	err := New(env).Execute(ctx, nil)
	assert.ErrorIs(t, err, context.Canceled)
	err = New(env).Execute(ctx, []string{issue(t, cardtest.Leaf{})})
	assert.ErrorIs(t, err, context.Canceled)
}
