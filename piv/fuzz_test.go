package piv_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/inflate"
	"github.com/smartlogon/smartlogon/piv"
)

// assertMalformed checks the error of a decoder of data from the card.
func assertMalformed(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, card.ErrMalformed) && !errors.Is(err, piv.ErrNotFound) {
		t.Fatalf("neither malformed nor missing: %v", err)
	}
}

// An unwrapped object survives a round trip.
func FuzzUnwrap(f *testing.F) {
	f.Fuzz(func(t *testing.T, whole []byte, ownTag bool) {
		tag, outer := piv.Object(0x5FC105), ber.Tag(0x53)
		if ownTag {
			tag, outer = 0x7E, 0x7E
		}
		content, err := piv.Unwrap(whole, tag)
		if err != nil {
			assertMalformed(t, err)
			assert.Nil(t, content)
			return
		}
		assert.NotEmpty(t, content)
		again, err := piv.Unwrap(ber.Append(nil, outer, content), tag)
		require.NoError(t, err)
		assert.Equal(t, content, again)
	})
}

// A decoded certificate is one element of bounded length, and survives a round trip.
func FuzzCertificate(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		der, err := piv.DecodeCertificate(content)
		if err != nil {
			assertMalformed(t, err)
			assert.Nil(t, der)
			return
		}
		assert.LessOrEqual(t, len(der), max(len(content), inflate.MaxSize))
		r := ber.BER(der)
		_, ok := r.Take(ber.Sequence)
		assert.True(t, ok)
		require.NoError(t, r.Close())
		again, err := piv.DecodeCertificate(tlv(0x70, der...))
		require.NoError(t, err)
		assert.Equal(t, der, again)
	})
}

// An application with an identifier that begins as PIV's is not another.
func FuzzProperties(f *testing.F) {
	f.Fuzz(func(t *testing.T, answer []byte) {
		other := piv.IsOther(answer)
		template, ok, _ := ber.Find(answer, 0x61)
		id, named, _ := ber.Find(template, 0x4F)
		if !ok || !named || len(id) == 0 {
			assert.False(t, other, "no identifier")
			return
		}
		if bytes.HasPrefix(fullAID, id) || bytes.HasPrefix(id, fullAID[:9]) {
			assert.False(t, other)
		}
		if id[0] < 0xA0 {
			assert.False(t, other, "no registered identifier")
		} else if id[0] > 0xA0 {
			assert.True(t, other)
		}
	})
}

// Discovery object, key history, CHUID and CCC survive a round trip.
func FuzzDiscovery(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		d, err := piv.DecodeDiscovery(content)
		if err != nil {
			assertMalformed(t, err)
			assert.Nil(t, d)
			return
		}
		if d.PIN() == piv.GlobalPIN {
			assert.NotZero(t, d.Policy&0x2000, "the global PIN needs its bit")
		} else {
			assert.Equal(t, piv.ApplicationPIN, d.PIN())
		}
		again, err := piv.DecodeDiscovery(join(optional(0x4F, d.AID), tlv(0x5F2F, byte(d.Policy>>8), byte(d.Policy))))
		require.NoError(t, err)
		assert.Equal(t, d, again)
	})
}

// optional returns an element, nothing for a nil value.
func optional(tag ber.Tag, value []byte) []byte {
	if value == nil {
		return nil
	}
	return tlv(tag, value...)
}

func FuzzKeyHistory(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		h, err := piv.DecodeKeyHistory(content)
		if err != nil {
			assertMalformed(t, err)
			assert.Nil(t, h)
			return
		}
		assert.True(t, h.OnCard >= 0 && h.OnCard <= 20)
		assert.True(t, h.OffCard >= 0 && h.OffCard <= 20)
		assert.LessOrEqual(t, len(h.URL), 118)
		again, err := piv.DecodeKeyHistory(join(tlv(0xC1, byte(h.OnCard)), tlv(0xC2, byte(h.OffCard)), tlv(0xF3, []byte(h.URL)...)))
		require.NoError(t, err)
		assert.Equal(t, h, again)
	})
}

func FuzzCHUID(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		h, err := piv.DecodeCHUID(content)
		if err != nil {
			assertMalformed(t, err)
			assert.Nil(t, h)
			return
		}
		assert.Contains(t, []int{0, 25}, len(h.FASCN))
		assert.Contains(t, []int{0, 8}, len(h.Expires))
		assert.Contains(t, []int{0, 16}, len(h.CardholderUUID))
		written := join(optional(0x30, h.FASCN), tlv(0x34, h.GUID[:]...), optional(0x36, h.CardholderUUID), optional(0x3E, h.Signature), tlv(0xFE))
		if h.Expires != "" {
			written = append(written, tlv(0x35, []byte(h.Expires)...)...)
		}
		again, err := piv.DecodeCHUID(written)
		require.NoError(t, err)
		assert.Equal(t, h, again)
	})
}

func FuzzCCC(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := piv.DecodeCCC(content)
		if err != nil {
			assertMalformed(t, err)
			assert.Nil(t, c)
			return
		}
		again, err := piv.DecodeCCC(join(optional(0xF0, c.CardIdentifier), tlv(0xF5, c.DataModel)))
		require.NoError(t, err)
		assert.Equal(t, c, again)
	})
}
