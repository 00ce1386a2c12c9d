package enumerate_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/vectors"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// finder finds on readers with these cards; nil is an empty reader.
func finder(t *testing.T, cards ...*cardtest.Card) *enumerate.Finder {
	t.Helper()
	return finderOf(t, cardtest.NewReaders(cards...), nil)
}

func finderOf(t *testing.T, readers *cardtest.Readers, o *card.Options) *enumerate.Finder {
	t.Helper()
	service := card.NewService(readers.Driver(), o)
	t.Cleanup(func() {
		require.NoError(t, service.Close())
		require.NoError(t, readers.Close())
	})
	return &enumerate.Finder{Service: service}
}

// all sorts what a Finder yields.
func all(t *testing.T, f *enumerate.Finder) (found []*enumerate.Credential, errs []error) {
	t.Helper()
	for c, err := range f.All(t.Context()) {
		if err != nil {
			assert.Nil(t, c)
			errs = append(errs, err)
		} else {
			found = append(found, c)
		}
	}
	return found, errs
}

// issue makes a key and a certificate of the test CA.
func put(c *cardtest.Card, container string, l cardtest.Leaf) *cardtest.Card {
	key, certificate := cardtest.TestCA().Issue(l)
	return c.Put(container, key, certificate)
}

func TestCredentialSaysWhatIsOnTheCard(t *testing.T) {
	c := put(cardtest.Logon("alice@example.com"), "9C", cardtest.Leaf{Key: cardtest.Key(cardtest.P256, 0), Emails: []string{"a@example.com"}})
	found, errs := all(t, finder(t, c))
	require.Empty(t, errs)
	require.Len(t, found, 2)

	first := found[0]
	assert.Equal(t, "Software Reader 00", first.Reader)
	assert.Equal(t, enumerate.PIV, first.Application)
	assert.Equal(t, "9A", first.Container)
	assert.True(t, first.Default)
	assert.Equal(t, rules.KeySpec{Kind: rules.KeyExchange, Assumed: "PIV slot 9A"}, first.KeySpec)
	assert.Equal(t, upn.Names{UPNs: []string{"alice@example.com"}}, first.Names)
	assert.True(t, first.Findings.Offered())
	assert.Equal(t, "alice@example.com", first.Title())
	parsed, err := first.X509()
	require.NoError(t, err)
	assert.Equal(t, first.Raw, parsed.Raw)

	second := found[1]
	assert.Equal(t, "9C", second.Container)
	assert.False(t, second.Default)
	assert.Equal(t, rules.KeySpec{Kind: rules.Signature, Assumed: "PIV slot 9C"}, second.KeySpec)
	assert.Equal(t, upn.Names{Emails: []string{"a@example.com"}}, second.Names)
	assert.False(t, second.Findings.Offered())
	assert.True(t, second.Check(rules.Policy{AllowSignatureOnlyKeys: true, EnumerateECCCerts: true}, time.Now()).Offered())
}

func TestFinderJudgesByItsPolicyAndClock(t *testing.T) {
	f := finder(t, cardtest.Logon("alice@example.com"))
	f.Now = func() time.Time { return time.Now().AddDate(20, 0, 0) }
	tiles, err := f.Offered(t.Context())
	assert.ErrorIs(t, err, enumerate.ErrNotOffered)
	assert.Empty(t, tiles, "long expired")
	f.Policy.AllowTimeInvalidCertificates = true
	tiles, err = f.Offered(t.Context())
	require.NoError(t, err)
	assert.Len(t, tiles, 1)
}

func TestOfferedIsInWindowsOrder(t *testing.T) {
	first := cardtest.PIV()
	put(first, "9E", cardtest.Leaf{UPNs: []string{"three@example.com"}, Template: "Three"})
	put(first, "9D", cardtest.Leaf{UPNs: []string{"two@example.com"}, Template: "Two"})
	put(first, "9A", cardtest.Leaf{UPNs: []string{"one@example.com"}, Template: "One"})
	tiles, err := finder(t, first, nil, cardtest.Logon("four@example.com")).Offered(t.Context())
	require.NoError(t, err)
	var titles []string
	for _, c := range tiles {
		titles = append(titles, c.TitleUnder(rules.Policy{}))
	}
	require.Len(t, titles, 4)
	assert.Equal(t, "one@example.com", titles[0])
	assert.ElementsMatch(t, []string{"one@example.com", "two@example.com", "three@example.com", "four@example.com"}, titles)
}

func TestDuplicatesAreFilteredByThePolicyOnly(t *testing.T) {
	c := put(cardtest.PIV(), "9A", cardtest.Leaf{UPNs: []string{"a@example.com"}, Template: "1.3.6.1.4.1.311.21.8.1"})
	put(c, "9D", cardtest.Leaf{UPNs: []string{"a@example.com"}, Template: "1.3.6.1.4.1.311.21.8.1", NotAfter: time.Now().AddDate(3, 0, 0)})
	f := finder(t, c)
	tiles, err := f.Offered(t.Context())
	require.NoError(t, err)
	assert.Len(t, tiles, 2)
	f.Policy.FilterDuplicateCerts = true
	tiles, err = f.Offered(t.Context())
	require.NoError(t, err)
	require.Len(t, tiles, 1)
	assert.Equal(t, "9A", tiles[0].Container, "the default container's")
}

func TestOneUnreadableCardNeverHidesTheOthers(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.Logon("a@example.com"), cardtest.Logon("b@example.com"), cardtest.Logon("c@example.com"))
	readers.Fault("Software Reader 01", 1, cardtest.Fault{What: cardtest.NoResponse, Times: -1})
	f := finderOf(t, readers, nil)
	found, errs := all(t, f)
	assert.Len(t, found, 2)
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], card.ErrNoResponse)
	assert.ErrorContains(t, errs[0], `"Software Reader 01"`)

	tiles, err := f.Offered(t.Context())
	assert.Len(t, tiles, 2)
	assert.ErrorIs(t, err, card.ErrNoResponse)
}

func TestOneUnreadableCertificateHidesNoOther(t *testing.T) {
	c := put(cardtest.Logon("a@example.com"), "9D", cardtest.Leaf{UPNs: []string{"b@example.com"}})
	c.PutObject(0x5FC10A, []byte{0x70, 0x82, 0xFF, 0xFF, 0x30}) // longer than it is
	found, errs := all(t, finder(t, c))
	assert.Len(t, found, 2)
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], card.ErrMalformed)
	assert.ErrorContains(t, errs[0], "9C")
	assert.ErrorContains(t, errs[0], "Software Reader 00")
}

func TestCertificateThatIsNoneIsAFinding(t *testing.T) {
	c := cardtest.PIV().Put("9A", nil, []byte{0x30, 3, 2, 1, 1})
	f := finder(t, c)
	found, errs := all(t, f)
	assert.Empty(t, errs)
	require.Len(t, found, 1)
	assert.Error(t, found[0].Findings.Err())
	assert.Error(t, found[0].Names.Err)
	assert.Empty(t, found[0].TitleUnder(rules.Policy{}))
	_, err := found[0].X509()
	assert.Error(t, err)
	_, err = found[0].Unlock(t.Context(), nobody(t))
	assert.Error(t, err)
	tiles, err := f.Offered(t.Context())
	assert.ErrorIs(t, err, enumerate.ErrNotOffered)
	assert.Empty(t, tiles)
}

// The five ways to have nothing, each with its own error and remedy.
func TestFiveWaysToHaveNothing(t *testing.T) {
	stopped := cardtest.NewReaders(cardtest.Logon("a@example.com"))
	stopped.Stop()
	busy := cardtest.NewReaders(cardtest.Logon("a@example.com"))
	busy.Fault("Software Reader 00", 1, cardtest.Fault{What: cardtest.Busy, Times: -1})
	cases := []struct {
		name    string
		readers *cardtest.Readers
		want    error
	}{
		{"no service", stopped, card.ErrNoService},
		{"no reader", cardtest.NewReaders(), card.ErrNoReader},
		{"no card", cardtest.NewReaders(nil, nil), card.ErrNoCard},
		{"unsupported card", cardtest.NewReaders(foreign()), enumerate.ErrNoApplication},
		{"reader busy", busy, card.ErrBusy},
	}
	remedies := map[string]string{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found, errs := all(t, finderOf(t, c.readers, &card.Options{BusyTimeout: 20 * time.Millisecond}))
			assert.Empty(t, found)
			require.Len(t, errs, 1)
			assert.ErrorIs(t, errs[0], c.want)
			for _, other := range cases {
				if other.want != c.want {
					assert.NotErrorIs(t, errs[0], other.want)
				}
			}
			hint := card.Hint(errs[0])
			assert.NotEmpty(t, hint)
			assert.Empty(t, remedies[hint], "the same remedy")
			remedies[hint] = c.name
		})
	}
	assert.Len(t, remedies, len(cases))
}

// foreign is a card with an application that nobody knows, and no other.
func foreign() *cardtest.Card {
	return cardtest.PIV(cardtest.PIVMissing, cardtest.NewNeighbor([]byte{0xF0, 1, 2, 3, 4, 5}, "999999"))
}

func TestEndedContextEndsTheSearch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := finder(t, cardtest.Logon("a@example.com"))
	_, err := f.Offered(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	for c, err := range f.All(ctx) {
		assert.Nil(t, c)
		assert.ErrorIs(t, err, context.Canceled)
	}
}

func TestBreakingOffLetsGoOfEveryCard(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.Logon("a@example.com"), cardtest.Logon("b@example.com"))
	f := finderOf(t, readers, nil)
	for c, err := range f.All(t.Context()) {
		require.NoError(t, err)
		require.NotNil(t, c)
		break
	}
	other := readers.Driver()
	defer other.Close()
	for _, name := range readers.Names() {
		k, err := other.Connect(t.Context(), name)
		require.NoError(t, err)
		assert.NoError(t, k.Begin(t.Context()))
		assert.NoError(t, k.End(false))
		assert.NoError(t, k.Close(false))
	}
}

func TestNothingIsWrittenByListingAndSigning(t *testing.T) {
	c := cardtest.Logon("alice@example.com", cardtest.ReadOnly)
	f := finder(t, c)
	tiles, err := f.Offered(t.Context())
	require.NoError(t, err)
	require.Len(t, tiles, 1)
	key, err := tiles[0].Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
	require.NoError(t, err)
	assertSigns(t, key, tiles[0])
	require.NoError(t, key.Close())
	assert.Zero(t, c.Writes())
}

// The cards that GSA publishes for tests of PIV, in the software card.
func TestPublishedCards(t *testing.T) {
	expected := vectors.ExpectedNames(t)
	signed := 0
	for _, dir := range vectors.Cards(t) {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			var description struct {
				Objects []struct {
					KeyReference string `json:"key_reference"`
					File, P12    string
					Certificate  bool
					Matches      bool `json:"p12_key_matches_certificate"`
				}
			}
			vectors.Read(t, "piv-cards/"+name+"/card.json", &description)
			type content struct {
				der   []byte
				names vectors.Names
				key   bool
			}
			want := map[string]content{}
			for _, o := range description.Objects {
				if !o.Certificate {
					continue
				}
				der, err := vectors.DER(filepath.Join(dir, o.File))
				require.NoError(t, err)
				n, ok := expected["piv-cards/"+name+"/"+o.File]
				require.True(t, ok)
				want[o.KeyReference] = content{der, n, o.P12 != "" && o.Matches}
			}
			require.NotEmpty(t, want)

			soft, err := cardtest.Load(dir)
			require.NoError(t, err)
			found, errs := all(t, finder(t, soft))
			require.Empty(t, errs)
			assert.Len(t, found, len(want))
			for _, c := range found {
				it, ok := want[lower(c.Container)]
				require.True(t, ok, c.Container)
				assert.Equal(t, it.der, c.Raw)
				assert.Equal(t, it.names, vectors.Names{UPNs: c.Names.UPNs, Emails: c.Names.Emails})
				if !it.key || c.Container == "9D" || c.Container[0] == '8' {
					continue // keys that decrypt are not for answers
				}
				key, err := c.Unlock(t.Context(), card.FixedPIN(cardtest.PIN))
				require.NoError(t, err, c.Container)
				assertSigns(t, key, c)
				require.NoError(t, key.Close())
				signed++
			}
			assert.Zero(t, soft.Spent())
		})
	}
	assert.NotZero(t, signed)
	t.Logf("%d certificates signed for", signed)
}

func lower(container string) string {
	b := []byte(container)
	for i, c := range b {
		if 'A' <= c && c <= 'F' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

func TestScanIsPassedOn(t *testing.T) {
	c := put(cardtest.Logon("alice@example.com"), "95", cardtest.Leaf{UPNs: []string{"old@example.com"}})
	f := finder(t, c)
	f.Scan = piv.ScanPrimary
	found, errs := all(t, f)
	assert.Empty(t, errs)
	assert.Len(t, found, 1)
	f.Scan = piv.ScanAll
	found, errs = all(t, f)
	assert.Empty(t, errs)
	require.Len(t, found, 2)
	assert.Equal(t, "95", found[1].Container)
}

func TestErrorsSayHint(t *testing.T) {
	assert.NotEmpty(t, card.Hint(errors.Join(errors.New("x"), enumerate.ErrNoApplication)))
	assert.NotEmpty(t, enumerate.ErrNoApplication.Error())
}
