package enumerate_test

import (
	"bytes"
	"crypto/x509/pkix"
	"fmt"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fullCard returns a PIV card with certificates of usual size, 1.4 KB, in the first n
// containers, and a key history that lists the retired ones. Its answer to reset
// does not say whether it supports extended lengths.
func fullCard(n int, options ...cardtest.Option) *cardtest.Card {
	c := cardtest.PIV(append(options, cardtest.ATR([]byte{0x3B, 0x80, 0x01, 0x81}))...)
	containers := []string{"9A", "9C", "9D", "9E"}
	for i := range 20 {
		containers = append(containers, fmt.Sprintf("%02X", byte(piv.Retired(i+1))))
	}
	for i, name := range containers[:n] {
		put(c, name, usualLeaf(i))
	}
	if n > 4 {
		c.PutObject(0x5FC10C, []byte{0xC1, 1, byte(n - 4), 0xC2, 1, 0, 0xFE, 0})
	}
	return c
}

// usualLeaf describes the i-th of several certificates of usual size, 1.4 KB.
func usualLeaf(i int) cardtest.Leaf {
	rest := pkix.Extension{Id: []int{1, 2, 3}, Value: make([]byte, 550)}
	return cardtest.Leaf{UPNs: []string{fmt.Sprintf("%d@example.com", i)}, Extensions: []pkix.Extension{rest}}
}

// TestExchangesOfListing bounds the exchanges that listing takes, the SELECT of GIDS
// included: the user waits for each of them.
func TestExchangesOfListing(t *testing.T) {
	for _, test := range []struct {
		name            string
		options         []cardtest.Option
		n, first, later int
	}{
		{"extended length, 4 certificates", nil, 4, 8, 8},
		{"extended length, 24 certificates", nil, 24, 28, 28},
		{"short length, 4 certificates", []cardtest.Option{cardtest.ShortLengths}, 4, 29, 28},
		{"short length, 24 certificates", []cardtest.Option{cardtest.ShortLengths}, 24, 149, 148},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := fullCard(test.n, test.options...)
			f := finder(t, c)
			for pass, most := range []int{test.first, test.later} {
				before := c.Exchanges().Commands
				credentials, errs := all(t, f)
				require.Empty(t, errs)
				require.Len(t, credentials, test.n)
				assert.LessOrEqual(t, c.Exchanges().Commands-before, most, "pass %d", pass+1)
				t.Logf("pass %d: %d exchanges", pass+1, c.Exchanges().Commands-before)
			}
		})
	}
}

// A commandCounter counts the commands in a trace of [cardtest.Readers]. GET RESPONSE,
// whose number depends on the length of the certificate, does not count.
type commandCounter struct{ n int }

func (c *commandCounter) Write(line []byte) (int, error) {
	if bytes.HasPrefix(line, []byte(">")) && !bytes.Contains(line, []byte("GET RESPONSE")) {
		c.n++
	}
	return len(line), nil
}

// TestExchangesOfUnlocking bounds the exchanges for unlocking a listed credential,
// one signature and closing, and those of each further signature.
func TestExchangesOfUnlocking(t *testing.T) {
	for name, test := range map[string]struct {
		card           *cardtest.Card
		first, further int
	}{
		"PIV 9A": {quickCard(), 11, 2},
		"PIV 9C": {put(cardtest.PIV(), "9C", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0)}), 10, 4},
		"GIDS":   {put(cardtest.GIDS(), "kxc00", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0)}), 11, 3},
		"TPM":    {put(cardtest.TPM(), "kxc00", cardtest.Leaf{Key: cardtest.Key(cardtest.RSA1024, 0)}), 11, 3},
	} {
		t.Run(name, func(t *testing.T) {
			readers := cardtest.NewReaders(test.card)
			c := only(t, finderOn(t, readers, nil))
			var counter commandCounter
			readers.Trace(&counter)
			key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
			require.NoError(t, err)
			require.NoError(t, trySign(key))
			before := counter.n
			require.NoError(t, trySign(key))
			further := counter.n - before
			require.NoError(t, key.Close())
			first := counter.n - further
			t.Logf("%d exchanges, %d for a further signature", first, further)
			assert.LessOrEqual(t, first, test.first)
			assert.LessOrEqual(t, further, test.further)
		})
	}
}

func TestFirstCredentialAfterTwoExchanges(t *testing.T) {
	readers := cardtest.NewReaders(fullCard(24))
	defer readers.Close() // ends the delay
	f := finderOn(t, readers, nil)
	readers.Fault("Software Reader 00", 3, cardtest.Fault{Delay: time.Hour})
	for c, err := range f.All(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, "9A", c.Container)
		return
	}
	assert.Fail(t, "no credential")
}

func BenchmarkList(b *testing.B) {
	for _, n := range []int{4, 24} {
		b.Run(fmt.Sprintf("%d certificates", n), func(b *testing.B) {
			readers := cardtest.NewReaders(fullCard(n))
			defer readers.Close()
			service := readers.Service()
			defer service.Close()
			f := newFinder(service)
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range f.All(b.Context()) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
