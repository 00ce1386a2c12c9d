package rules

import (
	"cmp"
	"slices"
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/upn"
)

// A Tile is what decides where a certificate stands among those that are
// offered, and whether another one hides it.
type Tile struct {
	Card    string // tells cards apart; certificates of two cards never hide each other
	Default bool   // it is in the default container of its card

	Template string    // object identifier of its template, or its name; empty: none
	Major    int64     // major version of the template
	UPN      string    // the first; empty: none
	NotAfter time.Time // zero: cannot be read
}

// Tile has what the certificate says of its tile. Card and Default are for the
// caller to fill in.
func (c *Certificate) Tile() Tile {
	t := Tile{NotAfter: c.NotAfter().Time()}
	if len(c.names.UPNs) > 0 {
		t.UPN = c.names.UPNs[0]
	}
	t.Template, t.Major = c.template()
	return t
}

// Extensions in which a Windows CA names the template of a certificate, as they
// stand in it.
const (
	oidTemplate     = "\x2B\x06\x01\x04\x01\x82\x37\x15\x07" // 1.3.6.1.4.1.311.21.7: of version 2 and later
	oidTemplateName = "\x2B\x06\x01\x04\x01\x82\x37\x14\x02" // 1.3.6.1.4.1.311.20.2: of version 1
)

// template returns the template of the certificate and its major version. There
// is none where its extension cannot be read.
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

// Title is the one text of a tile: the UPN, else the e-mail address, else the
// subject. With ReverseSubject the subject, and nothing else, is shown in reverse
// of the order in which it is stored. It is empty for a certificate with an empty
// subject and no name.
func (c *Certificate) Title(p Policy) string {
	switch {
	case len(c.names.UPNs) > 0:
		return c.names.UPNs[0]
	case len(c.names.Emails) > 0:
		return c.names.Emails[0]
	}
	return cert.Display(c.fields.Subject, p.ReverseSubject)
}

// Arrange puts what is offered into the order of its tiles: cards as they come,
// of each the default container first, and otherwise as given.
//
// With FilterDuplicateCerts, one of several certificates of a card is left that
// are from the same template with the same major version, for the same UPN: the
// one of the default container, which older Windows would use, else the one that
// expires last, else the first. The filter comes after AllowTimeInvalidCertificates,
// so items must already be those that are offered.
func Arrange[T any](items []T, tile func(T) Tile, p Policy) []T {
	type entry struct {
		item T
		tile Tile
		card int
	}
	cards := make(map[string]int)
	var shown []entry
	for _, item := range items {
		e := entry{item: item, tile: tile(item)}
		card, ok := cards[e.tile.Card]
		if !ok {
			card = len(cards)
			cards[e.tile.Card] = card
		}
		e.card = card
		if p.FilterDuplicateCerts {
			same := func(other entry) bool { return e.tile.same(other.tile) }
			if i := slices.IndexFunc(shown, same); i >= 0 {
				if !e.tile.hides(shown[i].tile) {
					continue
				}
				shown = slices.Delete(shown, i, i+1)
			}
		}
		shown = append(shown, e)
	}
	rank := func(e entry) int {
		if e.tile.Default {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(shown, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.card, b.card), cmp.Compare(rank(a), rank(b)))
	})
	list := make([]T, len(shown))
	for i, e := range shown {
		list[i] = e.item
	}
	return list
}

// same is what the policy text calls the same certificate.
func (t Tile) same(other Tile) bool {
	return t.Card == other.Card && t.Template != "" && t.Template == other.Template && t.Major == other.Major &&
		t.UPN != "" && upn.Equal(t.UPN, other.UPN)
}

// hides reports whether t is shown instead of one that is the same and came
// before it.
func (t Tile) hides(earlier Tile) bool {
	if t.Default != earlier.Default {
		return t.Default
	}
	return t.NotAfter.After(earlier.NotAfter)
}
