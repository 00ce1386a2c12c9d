package enumerate_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newFinder(s *card.Service) *enumerate.Finder { return &enumerate.Finder{Service: s} }

// spellings returns the encodings in which a PIN could be printed.
func spellings(pin string) []string {
	padded := append([]byte(pin), bytes.Repeat([]byte{0xFF}, 8-len(pin))...)
	var list []string
	for _, b := range [][]byte{[]byte(pin), padded} {
		list = append(list, hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)),
			fmt.Sprintf("% x", b), fmt.Sprintf("% X", b), fmt.Sprintf("%#v", b),
			strings.Trim(fmt.Sprint(b), "[]"), base64.StdEncoding.EncodeToString(b))
	}
	return list
}

// containsPIN reports whether a PIN is in a text. Longer numbers do not count: they
// contain the digits by chance.
func containsPIN(text, pin string) bool {
	const digits = "0123456789abcdefABCDEF"
	for i := strings.Index(text, pin); i >= 0; i = strings.Index(text, pin) {
		before, after := text[:i], text[i+len(pin):]
		if (before == "" || !strings.ContainsRune(digits, rune(before[i-1]))) && (after == "" || !strings.ContainsRune(digits, rune(after[0]))) {
			return true
		}
		text = after
	}
	return false
}

// TestPINIsNotInOutput searches logs, traces, errors and printed values for a PIN,
// with each fault at each command.
func TestPINIsNotInOutput(t *testing.T) {
	const right, wrong = cardtest.PIN, "86420975"
	faults := []cardtest.Fault{{}}
	for _, what := range []cardtest.Mishap{
		cardtest.Removal, cardtest.OtherReset, cardtest.ServiceStop, cardtest.WrongStatus, cardtest.Empty,
		cardtest.Truncated, cardtest.Garbage, cardtest.MoreData, cardtest.WrongLe, cardtest.NoResponse, cardtest.Busy,
	} {
		faults = append(faults, cardtest.Fault{What: what}, cardtest.Fault{What: what, When: cardtest.After})
	}
	var output bytes.Buffer
	verified := 0
	signer, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), UPNs: []string{"alice@example.com"}})
	rsaSigner, rsaDER := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0), UPNs: []string{"alice@example.com"}})
	for _, fault := range faults {
		for n := 1; n <= 48; n++ {
			if racing && n > 2 && n/2%3 != 0 {
				continue // a sample: the race detector makes this slow
			}
			c := cardtest.PIV().Put("9A", signer, der).Put("9C", signer, der)
			if n%2 == 0 {
				c = cardtest.GIDS().Put("kxc00", rsaSigner, rsaDER)
			}
			readers := cardtest.NewReaders(c)
			if fault.What != 0 {
				readers.Fault("Software Reader 00", (n+1)/2, fault)
			}
			logger := slog.New(slog.NewTextHandler(&output, &slog.HandlerOptions{Level: slog.LevelDebug}))
			service := card.NewService(readers.Driver(), &card.Options{Logger: logger, BusyTimeout: 10 * time.Millisecond})
			ctx := card.WithTrace(t.Context(), &card.Trace{
				Busy: func(reader string) { fmt.Fprintln(&output, reader) },
				Command: func(reader string, c card.Command, response []byte, took time.Duration) {
					fmt.Fprintf(&output, "%s %v %+v %x %v %x\n", reader, c, c, c.Data, response, response)
				},
			})
			credentials, errs := all(t, newFinder(service))
			fmt.Fprintln(&output, errs)
			for _, c := range credentials {
				asJSON, err := json.Marshal(c)
				require.NoError(t, err)
				fmt.Fprintf(&output, "%s\n", asJSON)
				for _, pin := range []string{wrong, right} {
					key, err := c.Unlock(ctx, card.FixedPIN(pin))
					fmt.Fprintf(&output, "%v %+v %#v\n", err, err, err)
					if err != nil {
						continue
					}
					verified++
					signature, err := key.Sign(nil, make([]byte, 32), crypto.SHA256)
					fmt.Fprintf(&output, "%x %v %+v %#v\n", signature, err, err, err)
					fmt.Fprintln(&output, key.Close())
				}
			}
			require.NoError(t, service.Close())
			require.NoError(t, readers.Close())
			if fault.What == 0 && n == 2 {
				break
			}
		}
	}
	assert.NotZero(t, verified, "the PIN was used")
	text := output.String()
	assert.Contains(t, text, "VERIFY")
	assert.True(t, containsPIN("the PIN is "+right+".", right) && !containsPIN("0"+right, right))
	for _, pin := range []string{right, wrong} {
		assert.False(t, containsPIN(text, pin), "%q is in the output", pin)
		for _, s := range spellings(pin) {
			assert.False(t, strings.Contains(text, s), "%q is in the output", s)
		}
	}
	t.Logf("%d bytes of output searched", len(text))
}
