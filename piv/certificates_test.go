package piv_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
)

// list collects what Certificates yields.
func list(ctx context.Context, p *piv.Card, s piv.Scan) (listed []piv.Slot, errs []error) {
	for cert, err := range p.Certificates(ctx, s) {
		if err != nil {
			errs = append(errs, err)
		} else {
			listed = append(listed, cert.Slot)
		}
	}
	return listed, errs
}

// anyCertificate returns a certificate.
var anyCertificate = sync.OnceValue(func() []byte { return certificateFor(cardtest.Key(cardtest.P256, 0), "any@example.com") })

// withCertificates stores a certificate in each slot.
func withCertificates(soft *cardtest.Card, in ...piv.Slot) *cardtest.Card {
	for _, s := range in {
		soft.Put(container(s), nil, anyCertificate())
	}
	return soft
}

// withKeyHistory stores a key history that announces n retired certificates.
func withKeyHistory(soft *cardtest.Card, n byte) *cardtest.Card {
	return soft.PutObject(tagKeyHistory, join(tlv(0xC1, n), tlv(0xC2, 0), tlv(0xFE)))
}

func TestScan(t *testing.T) {
	primary := slots()[:4]
	retired := piv.Retired
	plus := func(more ...piv.Slot) []piv.Slot { return append(slots()[:4:4], more...) }
	all := func(c *cardtest.Card) *cardtest.Card { return withCertificates(c, slots()...) }
	const silent = "no key history"
	for _, test := range []struct {
		name  string
		card  *cardtest.Card
		scan  piv.Scan
		want  []piv.Slot
		costs int // exchanges
	}{
		{"usual, an empty card", cardtest.PIV(), piv.ScanUsual, nil, 6},
		{"usual, an empty card with empty objects", cardtest.PIV(cardtest.PIVEmptyObjects), piv.ScanUsual, nil, 6},
		{"usual, the primary slots", withCertificates(cardtest.PIV(), primary...), piv.ScanUsual, primary, 6},
		{"usual, two primary slots", withCertificates(cardtest.PIV(), primary[0], primary[3]), piv.ScanUsual, []piv.Slot{0x9A, 0x9E}, 6},
		{"usual, all slots announced", all(cardtest.PIV()), piv.ScanUsual, slots(), 26},
		{"usual, three at the front", withCertificates(cardtest.PIV(), plus(retired(1), retired(2), retired(3))...), piv.ScanUsual, plus(retired(1), retired(2), retired(3)), 9},
		{"usual, two with gaps", withCertificates(cardtest.PIV(), plus(retired(3), retired(7))...), piv.ScanUsual, plus(retired(3), retired(7)), 13},
		{"usual, one and it is the last", withCertificates(cardtest.PIV(), plus(retired(20))...), piv.ScanUsual, plus(retired(20)), 26},
		{"usual, more announced than stored", withKeyHistory(withCertificates(cardtest.PIV(), plus(retired(2))...), 5), piv.ScanUsual, plus(retired(2)), 26},
		{"usual, fewer announced than stored", withKeyHistory(all(cardtest.PIV()), 2), piv.ScanUsual, plus(retired(1), retired(2)), 8},
		{"usual, none announced", withKeyHistory(all(cardtest.PIV()), 0), piv.ScanUsual, primary, 6},
		{"usual, a malformed history", all(cardtest.PIV()).PutObject(tagKeyHistory, tlv(0xC1, 99)), piv.ScanUsual, slots(), 26},
		{"usual, " + silent, all(cardtest.PIV()).PutObject(tagKeyHistory, nil), piv.ScanUsual, primary, 6},
		{"usual, " + silent + ", a YubiKey", all(yubikey("5.7.1")), piv.ScanUsual, slots(), 26},
		{"usual, a YubiKey with a history", withKeyHistory(all(yubikey("5.4.3")), 1), piv.ScanUsual, plus(retired(1)), 7},
		{"usual, contactless", all(cardtest.PIV(cardtest.PIVContactless)), piv.ScanUsual, []piv.Slot{0x9E}, 6},
		{"usual, an empty YubiKey", yubikey("5.7.1"), piv.ScanUsual, nil, 26},
		{"primary", all(cardtest.PIV()), piv.ScanPrimary, primary, 5},
		{"primary, a YubiKey", all(yubikey("5.7.1")), piv.ScanPrimary, primary, 5},
		{"all, nothing announced", all(cardtest.PIV()).PutObject(tagKeyHistory, nil), piv.ScanAll, slots(), 25},
		{"all, fewer announced than stored", withKeyHistory(all(cardtest.PIV()), 1), piv.ScanAll, slots(), 25},
		{"all, an empty card", cardtest.PIV(), piv.ScanAll, nil, 25},
	} {
		t.Run(test.name, func(t *testing.T) {
			listed, errs := list(t.Context(), open(t, test.card), test.scan)
			if test.name == "usual, contactless" {
				require.Len(t, errs, 3, "one for each slot")
				assert.ErrorIs(t, errs[0], card.StatusNotPermitted)
				assert.ErrorContains(t, errs[0], "9A (PIV Authentication)")
			} else {
				require.Empty(t, errs)
			}
			assert.Equal(t, test.want, listed)
			assert.Equal(t, test.costs, test.card.Exchanges().Commands)
			assert.Zero(t, test.card.Writes())
			assert.Zero(t, test.card.Spent())
		})
	}
}

func TestListWithMalformedCertificates(t *testing.T) {
	soft := withKeyHistory(withCertificates(cardtest.PIV(), 0x9A, 0x9D, piv.Retired(1), piv.Retired(3)), 3)
	soft.PutObject(0x5FC10A, tlv(0x70, 0x31, 0)).PutObject(0x5FC10E, []byte{0x70})
	listed, errs := list(t.Context(), open(t, soft), piv.ScanUsual)
	assert.Equal(t, []piv.Slot{0x9A, 0x9D, piv.Retired(1), piv.Retired(3)}, listed)
	require.Len(t, errs, 2)
	for i, name := range []string{"9C (Digital Signature)", "83 (Retired Key Management 2)"} {
		assert.ErrorIs(t, errs[i], card.ErrMalformed)
		assert.ErrorContains(t, errs[i], name)
	}
}

func TestFirstCertificateAfterTwoExchanges(t *testing.T) {
	soft := withCertificates(cardtest.PIV(), slots()...)
	p := open(t, soft)
	var sent []string
	ctx := card.WithTrace(t.Context(), &card.Trace{Command: func(_ string, c card.Command, _ []byte, _ time.Duration) {
		sent = append(sent, fmt.Sprintf("%02X %X", c.INS, c.Data))
	}})
	for cert, err := range p.Certificates(ctx, piv.ScanUsual) {
		require.NoError(t, err)
		assert.Equal(t, piv.Authentication, cert.Slot)
		break
	}
	_, err := p.CCC(t.Context())
	assert.NoError(t, err, "breaking off ends the transaction")
	require.Greater(t, len(sent), 1) // the list is read ahead
	assert.Equal(t, []string{"A4 A00000030800001000", "CB 5C035FC105"}, sent[:2])
}

func TestListAfterReset(t *testing.T) {
	for n := 1; n <= 8; n++ {
		soft := withCertificates(cardtest.PIV(), slots()[:6]...)
		readers := cardtest.NewReaders(soft)
		readers.Fault(reader, n, cardtest.Fault{What: cardtest.OtherReset, When: cardtest.After})
		listed, errs := list(t.Context(), openIn(t, readers), piv.ScanUsual)
		assert.Empty(t, errs)
		assert.Equal(t, slots()[:6], listed, "reset at command %d", n)
	}
}

func TestListOfRemovedCard(t *testing.T) {
	for n := 1; n <= 7; n++ {
		readers := cardtest.NewReaders(withCertificates(cardtest.PIV(), slots()[:5]...))
		readers.Fault(reader, n, cardtest.Fault{What: cardtest.Removal})
		listed, errs := list(t.Context(), openIn(t, readers), piv.ScanUsual)
		assert.LessOrEqual(t, len(listed), n)
		require.Len(t, errs, 1)
		assert.ErrorIs(t, errs[0], card.ErrRemoved)
	}
}

func TestListWithCanceledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	listed, errs := list(ctx, open(t, withCertificates(cardtest.PIV(), slots()...)), piv.ScanUsual)
	assert.Empty(t, listed)
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], context.Canceled)
}

// An error status for one object does not end the list.
func TestListWithErrorStatus(t *testing.T) {
	for n := 2; n <= 5; n++ {
		readers := cardtest.NewReaders(withCertificates(cardtest.PIV(cardtest.ShortLengths), slots()[:4]...))
		readers.Fault(reader, n, cardtest.Fault{What: cardtest.WrongStatus, Status: 0x6581})
		listed, errs := list(t.Context(), openIn(t, readers), piv.ScanPrimary)
		require.LessOrEqual(t, len(errs), 1)
		assert.Equal(t, 4, len(listed)+len(errs))
		for _, err := range errs {
			assert.True(t, errors.Is(err, card.Status(0x6581)))
		}
	}
}
