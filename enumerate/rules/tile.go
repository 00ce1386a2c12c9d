package rules

import (
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

// A Tile has what decides on the place of a certificate among those that are
// offered, and on whether another one hides it.
type Tile struct {
	Card    string // identifies the card; a certificate hides only those on its card
	Default bool   // it is in the default container of its card

	Template string    // object identifier or name of its template; empty: none
	Major    int64     // major version of the template
	UPN      string    // the first one; empty: none
	NotAfter time.Time // zero: malformed
}

// Tile returns the tile of the certificate. Card and Default are left to the
// caller.
func (c *Certificate) Tile() Tile {
	t := Tile{NotAfter: c.NotAfter().Time()}
	if len(c.names.UPNs) > 0 {
		t.UPN = c.names.UPNs[0]
	}
	t.Template, t.Major = c.template()
	return t
}

// Extensions in which a Windows CA names the template, as contents of an OBJECT
// IDENTIFIER.
const (
	oidTemplate     = "\x2B\x06\x01\x04\x01\x82\x37\x15\x07" // 1.3.6.1.4.1.311.21.7: of version 2 and later
	oidTemplateName = "\x2B\x06\x01\x04\x01\x82\x37\x14\x02" // 1.3.6.1.4.1.311.20.2: of version 1
)

// template returns the template of the certificate and its major version, or
// nothing where the extension is malformed.
func (c *Certificate) template() (name string, major int64) {
	if x, ok, err := c.fields.Extension(oidTemplate); ok && err == nil {
		r := x.Value.Inside()
		list, _ := r.Take(ber.Sequence)
		in := list.Inside()
		oid, _ := in.Take(ber.OID)
		var version ber.Element // optional, like the minor version after it
		if in.Peek() == ber.Integer {
			version, _ = in.Next()
		}
		if r.Close() != nil || in.Err() != nil || len(version.Value) > 8 {
			return "", 0
		}
		for i, b := range version.Value {
			if i == 0 {
				major = int64(int8(b)) // two's complement
				continue
			}
			major = major<<8 | int64(b)
		}
		return cert.DottedOID(oid.Value), major
	}
	if x, ok, err := c.fields.Extension(oidTemplateName); ok && err == nil {
		r := x.Value.Inside()
		if e, ok := r.Next(); ok && r.Close() == nil {
			text, _ := cert.Attribute{Value: e}.Text()
			return text, 0
		}
	}
	return "", 0
}

// Title returns the text of the tile: the first UPN, else the first e-mail address,
// else the subject, in reverse order with ReverseSubject. It is empty for a
// certificate without a name and with an empty subject.
func (c *Certificate) Title(p Policy) string {
	switch {
	case len(c.names.UPNs) > 0:
		return c.names.UPNs[0]
	case len(c.names.Emails) > 0:
		return c.names.Emails[0]
	}
	return cert.Display(c.fields.Subject, p.ReverseSubject)
}

// Arrange returns the items in the order of their tiles: cards in the order in
// which they first occur, of each card the default container first, the others as
// they come. The items must be those that are offered.
//
// With FilterDuplicateCerts it keeps one of several certificates on a card that
// have the same template, major version and UPN: the one in the default
// container, which older versions of Windows use, else the one that expires last,
// else the first.
func Arrange[T any](items []T, tile func(T) Tile, p Policy) []T {
	type entry struct {
		tile   Tile
		place  int // card and rank within it
		hidden bool
	}
	entries := make([]entry, len(items))
	cards := make(map[string]int)
	shown := make(map[sameTile]int) // index into entries
	for i, item := range items {
		e := &entries[i]
		e.tile = tile(item)
		card, ok := cards[e.tile.Card]
		if !ok {
			card = len(cards)
			cards[e.tile.Card] = card
		}
		if e.place = 2 * card; !e.tile.Default {
			e.place++
		}
		if !p.FilterDuplicateCerts || e.tile.Template == "" || e.tile.UPN == "" {
			continue
		}
		same := e.tile.same()
		earlier, ok := shown[same]
		switch {
		case !ok:
		case e.tile.hides(entries[earlier].tile):
			entries[earlier].hidden = true
		default:
			e.hidden = true
			continue
		}
		shown[same] = i
	}
	next := make([]int, 2*len(cards)+1) // index in list of the next item of each place
	for _, e := range entries {
		if !e.hidden {
			next[e.place+1]++
		}
	}
	for place := range len(next) - 1 {
		next[place+1] += next[place]
	}
	list := make([]T, next[len(next)-1])
	for i, e := range entries {
		if !e.hidden {
			list[next[e.place]] = items[i]
			next[e.place]++
		}
	}
	return list
}

// A sameTile is what two tiles have in common that the policy takes for the same
// certificate.
type sameTile struct {
	card, template string
	major          int64
	upn            string
}

func (t Tile) same() sameTile {
	return sameTile{t.Card, t.Template, t.Major, lower(t.UPN)}
}

// lower folds the case of names that [upn.Equal] compares.
func lower(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, name)
}

// hides reports whether t is shown instead of an earlier one that is the same.
func (t Tile) hides(earlier Tile) bool {
	if t.Default != earlier.Default {
		return t.Default
	}
	return t.NotAfter.After(earlier.NotAfter)
}
