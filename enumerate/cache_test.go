package enumerate_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// chuid is a CHUID without a signature (SP 800-73-4 part 1, table 9).
func chuid(guid byte) []byte {
	content := append([]byte{0x30, 25}, make([]byte, 25)...)
	content = append(content, 0x34, 16)
	for range 16 {
		content = append(content, guid)
	}
	content = append(content, 0x35, 8)
	content = append(content, "20991231"...)
	return append(content, 0x3E, 0, 0xFE, 0)
}

func caching(t *testing.T, readers *cardtest.Readers) *enumerate.Finder {
	f := finderOn(t, readers, nil)
	f.Cache = true
	return f
}

// exchanges returns the exchanges that f takes.
func exchanges(c *cardtest.Card, f func()) int {
	before := c.Exchanges().Commands
	f()
	return c.Exchanges().Commands - before
}

func containers(t *testing.T, f *enumerate.Finder) (names []string) {
	t.Helper()
	credentials, errs := all(t, f)
	require.Empty(t, errs)
	for _, c := range credentials {
		names = append(names, c.Container)
	}
	return names
}

func TestCacheTakesTwoExchanges(t *testing.T) {
	for name, test := range map[string]struct {
		card        *cardtest.Card
		first, more int
	}{
		"PIV":                      {fullCard(4).PutObject(0x5FC102, chuid(1)), 9, 2},
		"PIV, 24 certificates":     {fullCard(24).PutObject(0x5FC102, chuid(1)), 29, 2},
		"YubiKey":                  {fill(cardtest.YubiKey("5.4.3")).PutObject(0x5FC102, chuid(1)), 29, 2},
		"YubiKey without CHUID":    {fill(cardtest.YubiKey("5.4.3")), 30, 3},
		"PIV, T=0":                 {fill(cardtest.PIV(cardtest.T0)).PutObject(0x5FC102, chuid(1)), 36, 4},
		"no identity":              {fullCard(4).PutObject(0x5FC102, nil), 9, 8},
		"without any certificates": {cardtest.PIV().PutObject(0x5FC102, chuid(1)), 9, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := caching(t, cardtest.NewReaders(test.card))
			var before []string
			assert.LessOrEqual(t, exchanges(test.card, func() { before = containers(t, f) }), test.first)
			for range 3 {
				n := exchanges(test.card, func() { assert.Equal(t, before, containers(t, f)) })
				assert.LessOrEqual(t, n, test.more)
			}
		})
	}
}

// TestCacheStaysWithItsCard exchanges cards in each way that a reader can.
func TestCacheStaysWithItsCard(t *testing.T) {
	const reader = "Software Reader 00"
	one := func() *cardtest.Card { return quickCard().PutObject(0x5FC102, chuid(1)) }
	two := put(cardtest.PIV(), "9C", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 1)}).PutObject(0x5FC102, chuid(2))
	for name, exchange := range map[string]func(*cardtest.Readers){
		"inserted":            func(r *cardtest.Readers) { r.Remove(reader); r.Insert(reader, two) },
		"replaced":            func(r *cardtest.Readers) { r.Replace(reader, two) },
		"plugged in":          func(r *cardtest.Readers) { r.Unplug(reader); r.Plug(reader, two) },
		"replaced at SELECT":  func(r *cardtest.Readers) { r.Fault(reader, 1, cardtest.Fault{What: cardtest.Replacement, Card: two}) },
		"replaced at CHUID":   func(r *cardtest.Readers) { r.Fault(reader, 2, cardtest.Fault{What: cardtest.Replacement, Card: two}) },
		"replaced and reset":  func(r *cardtest.Readers) { r.Replace(reader, two); r.Reset(reader) },
		"the service stopped": func(r *cardtest.Readers) { r.Stop(); r.Replace(reader, two); r.Start() },
	} {
		t.Run(name, func(t *testing.T) {
			readers := cardtest.NewReaders(one())
			f := caching(t, readers)
			require.Equal(t, []string{"9A"}, containers(t, f))
			require.Equal(t, []string{"9A"}, containers(t, f))
			exchange(readers)
			for c, err := range f.All(t.Context()) {
				if err == nil {
					assert.Equal(t, "9C", c.Container)
				}
			}
			assert.Equal(t, []string{"9C"}, containers(t, f))
			readers.Remove(reader)
		})
	}
}

// A certificate that another program wrote is seen once Unlock fails.
func TestCacheEndsWithOutdatedCertificate(t *testing.T) {
	soft := quickCard().PutObject(0x5FC102, chuid(1))
	f := caching(t, cardtest.NewReaders(soft))
	old := only(t, f)
	put(soft, "9A", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 1), UPNs: []string{"bob@example.com"}})
	assert.Equal(t, old.Raw, only(t, f).Raw, "outdated, as documented")

	_, err := old.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.ErrorIs(t, err, card.ErrChanged)
	assert.Zero(t, soft.PINs())
	now := only(t, f)
	assert.Equal(t, []string{"bob@example.com"}, now.Names.UPNs)
	key, err := now.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	require.NoError(t, key.Close())
}

// A listing that lacks a certificate is not kept.
func TestCacheOfCompleteListingsOnly(t *testing.T) {
	soft := fullCard(4).PutObject(0x5FC102, chuid(1)).PutObject(0x5FC10A, []byte{0x70, 2, 0x30, 1})
	f := caching(t, cardtest.NewReaders(soft))
	for range 2 {
		credentials, errs := all(t, f)
		assert.Len(t, credentials, 3)
		assert.Len(t, errs, 1)
	}
	put(soft, "9C", usualLeaf(1))
	assert.Len(t, containers(t, f), 4)

	for range f.All(t.Context()) {
		break // from a cache
	}
	assert.Len(t, containers(t, f), 4)
}

// TestPrimarySlotsOnly lists what Windows offers of a YubiKey, on which all slots are
// read otherwise.
func TestPrimarySlotsOnly(t *testing.T) {
	soft := fill(cardtest.YubiKey("5.4.3"))
	f := finder(t, soft)
	f.Scan = piv.ScanPrimary
	n := exchanges(soft, func() { assert.Equal(t, []string{"9A", "9C", "9D", "9E"}, containers(t, f)) })
	assert.LessOrEqual(t, n, 6)
	assert.LessOrEqual(t, exchanges(soft, func() { containers(t, f) }), 5)
}
