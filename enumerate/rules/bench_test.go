package rules_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/stretchr/testify/assert"
)

// BenchmarkCheck reads and judges a certificate with the extensions that a Windows
// CA issues, its names included.
func BenchmarkCheck(b *testing.B) {
	der := usualCertificate()
	b.ReportAllocs()
	for b.Loop() {
		if !rules.Check(der, exchange, rules.Policy{}, clock).Offered() {
			b.Fatal("not offered")
		}
	}
}

// TestAllocationsOfCheck allows three allocations: the result, the list of UPNs and
// the UPN.
func TestAllocationsOfCheck(t *testing.T) {
	der := usualCertificate()
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		rules.Check(der, exchange, rules.Policy{}, clock)
	}), 3.0)
}

func usualCertificate() []byte {
	c := certtest.Logon("alice@example.com")
	for _, oid := range []string{"2.5.29.14", "2.5.29.35", "2.5.29.31", "1.3.6.1.5.5.7.1.1", "2.5.29.32", "1.3.6.1.4.1.311.25.2"} {
		c.Extensions = append(c.Extensions, certtest.Extension(oid, make([]byte, 64)))
	}
	c.Extensions = append(c.Extensions, certtest.Template("1.3.6.1.4.1.311.21.8.1.2.3", 100, 4))
	return c.DER()
}

// scaled are operations on n items, which must take time and memory in proportion
// to n.
var scaled = []struct {
	name string
	make func(n int) func() error
}{
	{"registry export, continuation lines", func(n int) func() error {
		file := []byte(header + section + `"X"=hex:` + strings.Repeat("00,\\\r\n  ", n) + "00")
		return func() error {
			if _, err := rules.ParseReg(file); err == nil {
				return fmt.Errorf("no error")
			}
			return nil
		}
	}},
	{"registry export, values", func(n int) func() error {
		file := []byte(header + section + strings.Repeat(`"ReverseSubject"=dword:00000001`+"\r\n", n))
		return func() error { _, err := rules.ParseReg(file); return err }
	}},
	{"registry export, keys", func(n int) func() error {
		file := []byte(header + strings.Repeat(section, n))
		return func() error { _, err := rules.ParseReg(file); return err }
	}},
	{"JSON policy, values", func(n int) func() error {
		text := []byte("{" + strings.Repeat(`"ReverseSubject":true,`, n) + `"EnumerateECCCerts":1}`)
		return func() error { return json.Unmarshal(text, new(rules.Policy)) }
	}},
	{"JSON policy, names", func(n int) func() error {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, `%s"Name%06d":true`, map[bool]string{true: "{", false: ","}[i == 0], i)
		}
		text.WriteString("}")
		return func() error {
			if json.Unmarshal([]byte(text.String()), new(rules.Policy)) == nil {
				return fmt.Errorf("no error")
			}
			return nil
		}
	}},
	{"tiles, all different", func(n int) func() error {
		return arrange(n, func(i int) rules.Tile {
			return rules.Tile{Card: "1", Template: "1.2.3", UPN: fmt.Sprintf("User%d@example.com", i)}
		}, n)
	}},
	{"tiles, each hides the one before it", func(n int) func() error {
		return arrange(n, func(i int) rules.Tile {
			return rules.Tile{Card: "1", Template: "1.2.3", UPN: "Alice@example.com", NotAfter: clock.Add(time.Duration(i))}
		}, 1)
	}},
	{"tiles, one a card", func(n int) func() error {
		return arrange(n, func(i int) rules.Tile {
			return rules.Tile{Card: fmt.Sprint(i), Default: i%2 == 0, Template: "1.2.3", UPN: "alice@example.com"}
		}, n)
	}},
}

func arrange(n int, tile func(int) rules.Tile, want int) func() error {
	tiles := make([]rules.Tile, n)
	for i := range tiles {
		tiles[i] = tile(i)
	}
	return func() error {
		shown := rules.Arrange(tiles, func(t rules.Tile) rules.Tile { return t }, rules.Policy{FilterDuplicateCerts: true})
		if len(shown) != want {
			return fmt.Errorf("%d tiles, not %d", len(shown), want)
		}
		return nil
	}
}

func BenchmarkItems(b *testing.B) {
	for _, s := range scaled {
		for _, n := range []int{1e3, 1e4, 1e5} {
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				run := s.make(n)
				b.ReportAllocs()
				for b.Loop() {
					if err := run(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/item")
			})
		}
	}
}

// TestMemoryIsLinear compares bytes per item, which a quadratic reader allocates
// in proportion to the number of items.
func TestMemoryIsLinear(t *testing.T) {
	for _, s := range scaled {
		t.Run(s.name, func(t *testing.T) {
			few, many := bytesPerItem(t, s.make, 1e3), bytesPerItem(t, s.make, 3e4)
			assert.LessOrEqual(t, many, 3*few+16)
		})
	}
}

func bytesPerItem(t *testing.T, op func(int) func() error, n int) uint64 {
	run := op(n)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := run()
	runtime.ReadMemStats(&after)
	assert.NoError(t, err)
	return (after.TotalAlloc - before.TotalAlloc) / uint64(n)
}
