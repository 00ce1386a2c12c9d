package rules_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert/certtest"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A named tile can be recognized in the result.
type named struct {
	name string
	tile rules.Tile
}

func year(n int) time.Time { return time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC) }

func TestArrange(t *testing.T) {
	filter := rules.Policy{FilterDuplicateCerts: true}
	tile := func(change func(*rules.Tile)) rules.Tile {
		x := rules.Tile{Card: "1", Template: "1.2.3", Major: 100, UPN: "alice@example.com", NotAfter: year(2030)}
		change(&x)
		return x
	}
	same := tile(func(*rules.Tile) {})
	tests := []struct {
		name   string
		policy rules.Policy
		in     []named
		want   []string
	}{
		{"nothing", filter, nil, []string{}},
		{"as given", rules.Policy{}, []named{{"a", same}, {"b", same}, {"c", same}}, []string{"a", "b", "c"}},
		{"default container first, the others as given", rules.Policy{}, []named{{"a", same}, {"b", same}, {"c", tile(func(x *rules.Tile) { x.Default = true })}}, []string{"c", "a", "b"}},
		{"cards as they come, of each the default container first", rules.Policy{}, []named{
			{"a", same}, {"b", tile(func(x *rules.Tile) { x.Card = "2" })}, {"c", tile(func(x *rules.Tile) { x.Card, x.Default = "2", true })}, {"d", tile(func(x *rules.Tile) { x.Default = true })},
		}, []string{"d", "a", "c", "b"}},
		{"of the same, the one that expires last", filter, []named{{"a", same}, {"b", tile(func(x *rules.Tile) { x.NotAfter = year(2031) })}, {"c", tile(func(x *rules.Tile) { x.NotAfter = year(2029) })}}, []string{"b"}},
		{"of the same, the default container's before the one that expires last", filter, []named{
			{"a", tile(func(x *rules.Tile) { x.NotAfter = year(2031) })}, {"b", tile(func(x *rules.Tile) { x.Default = true })}, {"c", tile(func(x *rules.Tile) { x.NotAfter = year(2032) })},
		}, []string{"b"}},
		{"of the same with the same end, the first", filter, []named{{"a", same}, {"b", same}}, []string{"a"}},
		{"the one that is left has its own place", filter, []named{{"a", same}, {"b", tile(func(x *rules.Tile) { x.Template = "1.2.4" })}, {"c", tile(func(x *rules.Tile) { x.NotAfter = year(2031) })}}, []string{"b", "c"}},
		{"the UPN in another case", filter, []named{{"a", same}, {"b", tile(func(x *rules.Tile) { x.UPN = "ALICE@example.com" })}}, []string{"a"}},
		{"another UPN", filter, []named{{"a", same}, {"b", tile(func(x *rules.Tile) { x.UPN = "bob@example.com" })}}, []string{"a", "b"}},
		{"another template", filter, []named{{"a", same}, {"b", tile(func(x *rules.Tile) { x.Template = "1.2.4" })}}, []string{"a", "b"}},
		{"another major version", filter, []named{{"a", same}, {"b", tile(func(x *rules.Tile) { x.Major = 101 })}}, []string{"a", "b"}},
		{"another card", filter, []named{{"a", same}, {"b", tile(func(x *rules.Tile) { x.Card = "2" })}}, []string{"a", "b"}},
		{"no template", filter, []named{{"a", tile(func(x *rules.Tile) { x.Template = "" })}, {"b", tile(func(x *rules.Tile) { x.Template = "" })}}, []string{"a", "b"}},
		{"no UPN", filter, []named{{"a", tile(func(x *rules.Tile) { x.UPN = "" })}, {"b", tile(func(x *rules.Tile) { x.UPN = "" })}}, []string{"a", "b"}},
		{"not configured: all are shown", rules.Policy{}, []named{{"a", same}, {"b", tile(func(x *rules.Tile) { x.NotAfter = year(2031) })}}, []string{"a", "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := []string{}
			for _, n := range rules.Arrange(tt.in, func(n named) rules.Tile { return n.tile }, tt.policy) {
				got = append(got, n.name)
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

// TestArrangeEqualsItsDescription compares Arrange with a slow reading of its doc
// comment.
func TestArrangeEqualsItsDescription(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	same := func(a, b rules.Tile) bool {
		return a.Card == b.Card && a.Template != "" && a.Template == b.Template && a.Major == b.Major && a.UPN != "" && upn.Equal(a.UPN, b.UPN)
	}
	hides := func(a, b rules.Tile) bool {
		return a.Default && !b.Default || a.Default == b.Default && a.NotAfter.After(b.NotAfter)
	}
	for range 2000 {
		tiles := make([]rules.Tile, random.IntN(12))
		var cards []string
		for i := range tiles {
			tiles[i] = rules.Tile{
				Card: pick("1", "2"), Default: random.IntN(3) == 0,
				Template: pick("", "1.2.3"), Major: int64(random.IntN(2)), UPN: pick("", "a@x", "A@X", "b@x"),
				NotAfter: year(2030 + random.IntN(3)),
			}
			if !slices.Contains(cards, tiles[i].Card) {
				cards = append(cards, tiles[i].Card)
			}
		}
		want := []int{}
		for _, card := range cards {
			for _, inDefault := range []bool{true, false} {
				for i, x := range tiles {
					hidden := false
					for j, y := range tiles {
						hidden = hidden || same(x, y) && (hides(y, x) || j < i && !hides(x, y))
					}
					if x.Card == card && x.Default == inDefault && !hidden {
						want = append(want, i)
					}
				}
			}
		}
		items := make([]int, len(tiles))
		for i := range items {
			items[i] = i
		}
		got := rules.Arrange(items, func(i int) rules.Tile { return tiles[i] }, rules.Policy{FilterDuplicateCerts: true})
		require.Equal(t, want, got, "%+v", tiles)
	}
}

func TestTileOfACertificate(t *testing.T) {
	version2 := func(elements ...[]byte) []byte {
		return certtest.Extension("1.3.6.1.4.1.311.21.7", certtest.Sequence(elements...))
	}
	oid := certtest.OID("1.3.6.1.4.1.311.21.8.1.2.3")
	tests := []struct {
		name      string
		extension []byte
		template  string
		major     int64
	}{
		{"template of version 2", certtest.Template("1.3.6.1.4.1.311.21.8.1.2.3", 100, 4), "1.3.6.1.4.1.311.21.8.1.2.3", 100},
		{"a version of two bytes", version2(oid, []byte{2, 2, 1, 0}), "1.3.6.1.4.1.311.21.8.1.2.3", 256},
		{"a negative version", version2(oid, []byte{2, 1, 0xFF}), "1.3.6.1.4.1.311.21.8.1.2.3", -1},
		{"a version of nine bytes", version2(oid, append([]byte{2, 9, 1}, make([]byte, 8)...)), "", 0},
		{"no version", version2(oid), "1.3.6.1.4.1.311.21.8.1.2.3", 0},
		{"no object identifier", version2([]byte{2, 1, 1}), "", 0},
		{"bytes after it", certtest.Extension("1.3.6.1.4.1.311.21.7", append(certtest.Sequence(oid), 5, 0)), "", 0},
		{"template of version 1", certtest.Extension("1.3.6.1.4.1.311.20.2", ber.Append(nil, ber.BMPString, []byte("\x00U\x00s\x00e\x00r"))), "User", 0},
		{"template of version 1 that is no string", certtest.Extension("1.3.6.1.4.1.311.20.2", []byte{5, 0}), "", 0},
		{"template of version 1 that cannot be read", certtest.Extension("1.3.6.1.4.1.311.20.2", []byte{5}), "", 0},
		{"none", certtest.Extension("1.2.3", nil), "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := rules.Read(logon(func(c *certtest.Certificate) { c.Extensions = append(c.Extensions, tt.extension) }).DER())
			require.NoError(t, err)
			assert.Equal(t, rules.Tile{
				Template: tt.template, Major: tt.major, UPN: "alice@example.com",
				NotAfter: time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC),
			}, c.Tile())
		})
	}
	c, err := rules.Read(certtest.Certificate{NotAfter: certtest.UTCTime("x")}.DER())
	require.NoError(t, err)
	assert.Zero(t, c.Tile())
}

func TestTitle(t *testing.T) {
	subject := certtest.Name("C=DE", "O=Example", "CN=Alice")
	tests := []struct {
		name           string
		cert           certtest.Certificate
		want, reversed string
	}{
		{"UPN before e-mail and subject", certtest.Certificate{Subject: subject, Extensions: [][]byte{certtest.SAN(certtest.Email("a@x"), certtest.UPN("b@x"))}}, "b@x", "b@x"},
		{"e-mail before the subject", certtest.Certificate{Subject: subject, Extensions: [][]byte{certtest.SAN(certtest.Email("a@x"))}}, "a@x", "a@x"},
		{"the subject as it is stored, or reversed", certtest.Certificate{Subject: subject}, "C=DE, O=Example, CN=Alice", "CN=Alice, O=Example, C=DE"},
		{"the subject where the names are malformed", certtest.Certificate{Subject: subject, Extensions: [][]byte{certtest.SAN(certtest.UPN("\n"))}}, "C=DE, O=Example, CN=Alice", "CN=Alice, O=Example, C=DE"},
		{"nothing", certtest.Certificate{Subject: certtest.Sequence()}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := rules.Read(tt.cert.DER())
			require.NoError(t, err)
			assert.Equal(t, tt.want, c.Title(rules.Policy{}))
			assert.Equal(t, tt.reversed, c.Title(rules.Policy{ReverseSubject: true}))
		})
	}
}
