package enumerate_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var record = flag.Bool("record", false, "write testdata/exchanges.txt")

// recorded are the cards whose exchanges testdata/exchanges.txt has. Each has four
// certificates of 1.4 KB, GIDS cards have two.
var recorded = []struct {
	name string
	make func() *cardtest.Card
}{
	{"PIV", func() *cardtest.Card { return fullCard(4) }},
	{"PIV, 24 certificates", func() *cardtest.Card { return fullCard(24) }},
	{"PIV, T=0", func() *cardtest.Card { return fill(cardtest.PIV(cardtest.T0)) }},
	{"PIV, short lengths", func() *cardtest.Card { return fill(cardtest.PIV(cardtest.ShortLengths)) }},
	{"PIV, no discovery object", func() *cardtest.Card { return fill(cardtest.PIV(cardtest.PIVNoDiscovery)) }},
	{"PIV, SELECT clears the PIN", func() *cardtest.Card { return fill(cardtest.PIV(cardtest.PIVSelectClears)) }},
	{"YubiKey 4.3.5", func() *cardtest.Card { return fill(cardtest.YubiKey("4.3.5")) }},
	{"YubiKey 5.4.3", func() *cardtest.Card { return fill(cardtest.YubiKey("5.4.3")) }},
	{"YubiKey 5.7.1", func() *cardtest.Card { return fill(cardtest.YubiKey("5.7.1")) }},
	{"GIDS", func() *cardtest.Card { return fillGIDS(cardtest.GIDS()) }},
	{"TPM", func() *cardtest.Card { return fillGIDS(cardtest.TPM()) }},
	{"PIV and GIDS", func() *cardtest.Card {
		return cardtest.Combine(fill(cardtest.PIV()), fillGIDS(cardtest.GIDS()))
	}},
}

func fill(c *cardtest.Card) *cardtest.Card {
	for i, container := range []string{"9A", "9C", "9D", "9E"} {
		put(c, container, usualLeaf(i))
	}
	return c
}

func fillGIDS(c *cardtest.Card) *cardtest.Card {
	return put(put(c, "kxc00", usualLeaf(0)), "ksc01", usualLeaf(1))
}

// TestRecordedExchanges counts the exchanges of listing, listing again, unlocking
// with one signature and closing, and one more signature. It fails if one of them
// takes more than testdata/exchanges.txt has; go test -run RecordedExchanges -record
// writes the file.
func TestRecordedExchanges(t *testing.T) {
	file := filepath.Join("testdata", "exchanges.txt")
	before := readExchanges(t, file)
	var out strings.Builder
	out.WriteString("# list, list again, sign in after it, each further signature; see TestRecordedExchanges\n")
	for _, r := range recorded {
		now := countExchanges(t, r.make())
		fmt.Fprintf(&out, "%-30s %3d %3d %3d %3d\n", r.name, now[0], now[1], now[2], now[3])
		if *record {
			continue
		}
		for i, job := range []string{"list", "list again", "sign in", "further signature"} {
			was, ok := before[r.name]
			require.True(t, ok, "%s is not recorded", r.name)
			assert.LessOrEqual(t, now[i], was[i], "%s: %s", r.name, job)
			if now[i] < was[i] {
				t.Logf("%s: %s takes %d exchanges, fewer than the recorded %d", r.name, job, now[i], was[i])
			}
		}
	}
	if *record {
		require.NoError(t, os.WriteFile(file, []byte(out.String()), 0o644))
	}
}

// countExchanges does the jobs on a card.
func countExchanges(t *testing.T, c *cardtest.Card) (counts [4]int) {
	t.Helper()
	last := 0
	count := func() int {
		n := c.Exchanges().Commands
		defer func() { last = n }()
		return n - last
	}
	f := finder(t, c)
	credentials, errs := all(t, f)
	require.Empty(t, errs)
	counts[0] = count()
	again, errs := all(t, f)
	require.Empty(t, errs)
	require.Len(t, again, len(credentials))
	counts[1] = count()

	key, err := credentials[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, trySign(key))
	first := count()
	require.NoError(t, trySign(key))
	counts[3] = count()
	require.NoError(t, key.Close())
	counts[2] = first + count()
	return counts
}

func readExchanges(t *testing.T, name string) map[string][4]int {
	t.Helper()
	if *record {
		return nil
	}
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	counts := map[string][4]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		require.Greater(t, len(lines.Text()), 30)
		var n [4]int
		_, err := fmt.Sscan(lines.Text()[30:], &n[0], &n[1], &n[2], &n[3])
		require.NoError(t, err, lines.Text())
		counts[strings.TrimSpace(lines.Text()[:30])] = n
	}
	return counts
}
