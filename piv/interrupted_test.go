package piv_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"errors"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/piv"
)

// transmit sends a command to PIV without a reader and returns the response.
func transmit(t *testing.T, soft *cardtest.Card, command ...byte) []byte {
	t.Helper()
	_, err := soft.Transmit(append([]byte(selectPrefix+"\x09"), fullAID[:9]...))
	require.NoError(t, err)
	response, err := soft.Transmit(command)
	require.NoError(t, err)
	return response
}

// An operation changes a YubiKey, and changed reports whether it did.
type operation struct {
	name    string
	do      func(context.Context, *piv.Card, *piv.Admin) error
	changed func(*testing.T, *cardtest.Card) bool
	unknown bool // an InterruptedError cannot say whether it did
}

func operations(t *testing.T) []operation {
	history := tlv(0xC1, 3)
	hasKey := func(s piv.Slot) func(*testing.T, *cardtest.Card) bool {
		return func(t *testing.T, soft *cardtest.Card) bool { return len(transmit(t, soft, 0, 0xF7, 0, byte(s))) > 2 }
	}
	return []operation{
		{name: "put object", do: func(ctx context.Context, _ *piv.Card, a *piv.Admin) error {
			return a.PutObject(ctx, piv.ObjectKeyHistory, history)
		}, changed: func(_ *testing.T, soft *cardtest.Card) bool { return bytes.Equal(soft.Object(tagKeyHistory), history) }},
		{name: "remove object", do: func(ctx context.Context, _ *piv.Card, a *piv.Admin) error {
			return a.PutObject(ctx, 0x5FC105, nil)
		}, changed: func(_ *testing.T, soft *cardtest.Card) bool { return soft.Object(0x5FC105) == nil }},
		{name: "put certificate", do: func(ctx context.Context, _ *piv.Card, a *piv.Admin) error {
			return a.PutCertificate(ctx, piv.Signature, anyCertificate())
		}, changed: func(_ *testing.T, soft *cardtest.Card) bool { return soft.Object(0x5FC10A) != nil }},
		{name: "generate", do: func(ctx context.Context, _ *piv.Card, a *piv.Admin) error {
			_, err := a.Generate(ctx, piv.Retired(1), piv.P256, nil)
			return err
		}, changed: hasKey(piv.Retired(1)), unknown: true},
		{name: "import", do: func(ctx context.Context, _ *piv.Card, a *piv.Admin) error {
			return a.Import(ctx, piv.Retired(1), testkeys.Ed25519(), nil)
		}, changed: hasKey(piv.Retired(1))},
		{name: "delete key", do: func(ctx context.Context, _ *piv.Card, a *piv.Admin) error {
			return a.DeleteKey(ctx, piv.Authentication)
		}, changed: func(t *testing.T, soft *cardtest.Card) bool { return !hasKey(piv.Authentication)(t, soft) }},
		{name: "move key", do: func(ctx context.Context, _ *piv.Card, a *piv.Admin) error {
			return a.MoveKey(ctx, piv.Authentication, piv.Signature)
		}, changed: hasKey(piv.Signature)},
		{name: "set management key", do: func(ctx context.Context, _ *piv.Card, a *piv.Admin) error {
			return a.SetManagementKey(ctx, managementKey(t, piv.AES128, make([]byte, 16)), 0)
		}, changed: func(t *testing.T, soft *cardtest.Card) bool {
			return transmit(t, soft, 0, 0xF7, 0, 0x9B)[2] == byte(piv.AES128)
		}},
		{name: "set retries", do: func(ctx context.Context, _ *piv.Card, a *piv.Admin) error {
			return a.SetRetries(ctx, 9, 9, card.FixedPIN(cardtest.PIN))
		}, changed: func(t *testing.T, soft *cardtest.Card) bool {
			return bytes.Contains(transmit(t, soft, 0, 0xF7, 0, 0x80), tlv(6, 9, 9))
		}},
		{name: "reset", do: func(ctx context.Context, p *piv.Card, _ *piv.Admin) error {
			y, err := p.YubiKey(ctx)
			if err != nil {
				return err
			}
			return y.Reset(ctx)
		}, changed: func(_ *testing.T, soft *cardtest.Card) bool { return soft.Object(0x5FC105) == nil }},
	}
}

// For each mishap at each command: the state in an InterruptedError is that of the
// card, and after any other error the card is unchanged.
func TestInterruptions(t *testing.T) {
	states := map[piv.State]int{}
	for _, op := range operations(t) {
		t.Run(op.name, func(t *testing.T) {
			undisturbed := yubikey("5.7.1").Put("9A", cardtest.Key(cardtest.P256, 0), anyCertificate())
			require.NoError(t, perform(t, cardtest.NewReaders(undisturbed), op))
			require.True(t, op.changed(t, undisturbed))
			commands := undisturbed.Exchanges().Commands
			for _, what := range []cardtest.Mishap{cardtest.Removal, cardtest.OtherReset, cardtest.ServiceStop, cardtest.Empty, cardtest.NoResponse, cardtest.Busy} {
				for _, when := range []cardtest.When{cardtest.Instead, cardtest.Before, cardtest.After} {
					if when == cardtest.Before && what >= cardtest.WrongStatus {
						continue // the same as Instead
					}
					for n := 1; n <= commands; n++ {
						at := fmt.Sprintf("mishap %d, when %d, command %d", what, when, n)
						soft := yubikey("5.7.1").Put("9A", cardtest.Key(cardtest.P256, 0), anyCertificate())
						readers := cardtest.NewReaders(soft)
						readers.Fault(reader, n, cardtest.Fault{What: what, When: when})
						err := perform(t, readers, op)
						if lost, changed := (*piv.InterruptedError)(nil), op.changed(t, soft); errors.As(err, &lost) {
							states[lost.State]++
							switch lost.State {
							case piv.Changed:
								assert.True(t, changed, at)
							case piv.Unchanged:
								assert.False(t, changed, at)
							}
							assert.True(t, !op.unknown || lost.State == piv.Unknown, at)
						} else {
							assert.Equal(t, err == nil, changed, "%s: %v", at, err)
						}
						require.NoError(t, readers.Close())
					}
				}
			}
		})
	}
	assert.Len(t, states, 3, "%v", states)
}

func perform(t *testing.T, readers *cardtest.Readers, op operation) error {
	service := card.NewService(readers.Driver(), &card.Options{BusyTimeout: 5 * time.Millisecond})
	defer service.Close()
	c, err := service.Card(t.Context(), reader)
	require.NoError(t, err)
	p := piv.New(c)
	return op.do(t.Context(), p, adminOf(t, p, piv.AES192))
}

// A reset before the command was sent is followed by another attempt.
func TestAdminAfterReset(t *testing.T) {
	for n := 1; n <= 4; n++ { // SELECT, CHUID and two steps of authentication
		soft := cardtest.PIV()
		readers := cardtest.NewReaders(soft)
		readers.Fault(reader, n, cardtest.Fault{What: cardtest.OtherReset, When: cardtest.After})
		err := adminOf(t, openIn(t, readers), piv.TripleDES).PutObject(t.Context(), piv.ObjectKeyHistory, tlv(0xC1, 3))
		require.NoError(t, err, "reset at command %d", n)
		assert.Equal(t, tlv(0xC1, 3), soft.Object(tagKeyHistory))
	}
}

// After the end of the context the state of the card is not read.
func TestInterruptedByContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	soft := cardtest.PIV()
	readers := cardtest.NewReaders(soft)
	a := adminOf(t, openIn(t, readers), piv.TripleDES)
	during := card.WithTrace(ctx, &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) {
		if c.INS == 0xDB {
			cancel()
		}
	}})
	err := a.PutObject(during, piv.ObjectKeyHistory, tlv(0xC1, 3))
	var lost *piv.InterruptedError
	if err != nil { // the response may have been faster
		require.ErrorAs(t, err, &lost)
		assert.Equal(t, piv.Unknown, lost.State)
		assert.ErrorIs(t, err, context.Canceled)
	}
	assert.Equal(t, tlv(0xC1, 3), soft.Object(tagKeyHistory))
	assert.ErrorIs(t, a.PutObject(ctx, piv.ObjectKeyHistory, nil), context.Canceled)
}
