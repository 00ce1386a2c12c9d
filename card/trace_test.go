package card_test

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// traced sends commands and returns what the trace and the log contain.
func traced(t *testing.T, commands ...card.Command) (trace []card.Command, responses [][]byte, log string) {
	t.Helper()
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := newFixture(t, cardtest.Logon("alice@example.com"), &card.Options{Logger: logger})
	ctx := card.WithTrace(t.Context(), &card.Trace{
		Command: func(reader string, c card.Command, response []byte, took time.Duration) {
			assert.Equal(t, zero, reader)
			assert.GreaterOrEqual(t, took, time.Duration(0))
			c.Data = bytes.Clone(c.Data) // it must not be kept
			trace = append(trace, c)
			responses = append(responses, bytes.Clone(response))
		},
	})
	require.NoError(t, d.card.Do(ctx, func(tx *card.Tx) error {
		if _, err := tx.Select(pivAID); err != nil {
			return err
		}
		for _, c := range commands {
			_, _ = tx.Command(c) // the status does not matter
		}
		return nil
	}))
	return trace[1:], responses[1:], out.String()
}

func TestTraceAndLog(t *testing.T) {
	trace, responses, log := traced(t, getCHUID)
	require.Len(t, trace, 1)
	assert.Equal(t, getCHUID.Data, trace[0].Data)
	assert.Equal(t, []byte{0x90, 0x00}, responses[0][len(responses[0])-2:])
	assert.Contains(t, log, `level=DEBUG msg="GET DATA" reader="Software Reader 00" header=00cb3fff data=5c035fc102`)
}

func TestSecretsNotTraced(t *testing.T) {
	secret := []byte("123456\xFF\xFF")
	for _, ins := range []byte{0x20, 0x22, 0x24, 0x2A, 0x2C, 0x82, 0x87, 0x88, 0xCB, 0xFE, 0xFF} {
		c := card.Command{INS: ins, P2: 0x80, Data: secret, Secret: ins >= 0xCB}
		trace, responses, log := traced(t, c)
		for _, c := range trace {
			assert.Empty(t, c.Data, "%02X", ins)
			assert.NotNil(t, c.Data, "%02X", ins)
		}
		for _, a := range responses {
			assert.LessOrEqual(t, len(a), 2, "%02X", ins)
		}
		assert.NotContains(t, log, "313233", "%02X", ins)
	}
}

func TestSecretChainNotTraced(t *testing.T) {
	long := bytes.Repeat([]byte("1"), 600)
	trace, _, log := traced(t, card.Command{INS: 0x87, P1: 0x07, P2: 0x9A, Data: long, Ne: 256})
	assert.NotEmpty(t, trace)
	for _, c := range trace {
		assert.Empty(t, c.Data)
	}
	assert.NotContains(t, log, "313131")
}

func TestLogLevel(t *testing.T) {
	var out bytes.Buffer
	d := newFixture(t, cardtest.PIV(), &card.Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	require.NoError(t, d.card.Do(t.Context(), readCHUID))
	assert.Empty(t, out.String())
}

func TestTraceLostResponse(t *testing.T) {
	d := newFixture(t, cardtest.PIV(), nil)
	d.readers.Fault(zero, 1, cardtest.Fault{What: cardtest.NoResponse})
	n := 0
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, _ card.Command, response []byte, _ time.Duration) {
		n++
		assert.Nil(t, response)
	}})
	assert.ErrorIs(t, d.card.Do(ctx, readCHUID), card.ErrNoResponse)
	assert.Equal(t, 1, n)
}

func TestSecretResponseNotTraced(t *testing.T) {
	c := card.New("a card", &scriptedCard{responses: []string{"sec\x61\x03", "ret" + done}})
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, _ card.Command, response []byte, _ time.Duration) {
		assert.Len(t, response, 2)
	}})
	require.NoError(t, c.Do(ctx, func(tx *card.Tx) error {
		response, err := tx.Command(card.Command{INS: 0x87, Ne: 256})
		assert.Equal(t, "secret", string(response))
		return err
	}))
}

// Touch is called only if the command may require it and there is no response soon.
func TestTraceTouch(t *testing.T) {
	for _, test := range []struct {
		name  string
		touch bool
		delay time.Duration
		want  int
	}{
		{"no response soon", true, time.Second, 1},
		{"the card responses soon", true, 300 * time.Millisecond, 0},
		{"slow card without touch", false, time.Second, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newFixture(t, cardtest.PIV(), nil)
				d.readers.Fault(zero, 2, cardtest.Fault{Delay: test.delay})
				watchResult := make(chan string, 9)
				ctx := card.WithTrace(t.Context(), &card.Trace{Touch: func(reader string) { watchResult <- reader }})
				require.NoError(t, d.card.Do(ctx, func(tx *card.Tx) error {
					if _, err := tx.Select(pivAID); err != nil {
						return err
					}
					c := getCHUID
					c.Touch = test.touch
					_, err := tx.Command(c)
					return err
				}))
				d.close()
				synctest.Wait()
				require.Len(t, watchResult, test.want)
				if test.want > 0 {
					assert.Equal(t, zero, <-watchResult)
				}
			})
		})
	}
}
