package piv_test

import (
	"crypto/sha1"
	"encoding/binary"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/piv"
)

const (
	tagContainerMap = 0x5FFF10
	tagRoots        = 0x5FFF11
)

// record encodes an entry of the container map.
func record(k piv.Container) []byte {
	b := make([]byte, 80, 107)
	for i, u := range utf16.Encode([]rune(k.Name)) {
		binary.LittleEndian.PutUint16(b[2*i:], u)
	}
	var flags byte
	if k.Valid {
		flags |= 1
	}
	if k.Default {
		flags |= 2
	}
	b = append(b, byte(k.Slot), k.KeySpec, byte(k.Bits), byte(k.Bits>>8), flags, 0x80, 0)
	return append(b, k.Fingerprint[:]...)
}

func TestContainers(t *testing.T) {
	want := []piv.Container{
		{Name: "alice's key Ω \U0001F511", Slot: 0x9A, KeySpec: 1, Bits: 2048, Valid: true, Default: true, Fingerprint: sha1.Sum([]byte("a"))},
		{},
		{Name: "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMN", Slot: 0x82, KeySpec: 2, Bits: 384, Valid: true},
	}
	soft := yubikey("5.4.3").PutObject(tagContainerMap, tlv(0x81, join(record(want[0]), record(want[1]), record(want[2]))...))
	got, err := open(t, soft).Containers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, got)

	_, err = open(t, cardtest.PIV()).Containers(t.Context())
	assert.ErrorIs(t, err, piv.ErrNotFound)
}

func TestMalformedContainers(t *testing.T) {
	for name, content := range map[string][]byte{
		"half an entry":   tlv(0x81, make([]byte, 150)...),
		"no map":          tlv(0x82, make([]byte, 107)...),
		"a truncated map": {0x81, 0x6B, 0x00},
	} {
		_, err := open(t, yubikey("5.4.3").PutObject(tagContainerMap, content)).Containers(t.Context())
		assert.ErrorIs(t, err, card.ErrMalformed, name)
		assert.ErrorContains(t, err, "object 5FFF10", name)
		_, err = open(t, yubikey("5.4.3").PutObject(tagContainerMap, content)).FindContainer(t.Context(), "x")
		assert.ErrorIs(t, err, card.ErrMalformed, name)
	}
}

func TestRoots(t *testing.T) {
	for _, test := range []struct {
		name  string
		parts [][]byte
		want  string
		err   error
	}{
		{"one part", [][]byte{tlv(0x82, 'a')}, "a", nil},
		{"three parts", [][]byte{tlv(0x83, 'a'), tlv(0x83, 'b'), tlv(0x82, 'c')}, "abc", nil},
		{"another part after the last", [][]byte{tlv(0x82, 'a'), tlv(0x82, 'b')}, "a", nil},
		{"none", nil, "", piv.ErrNotFound},
		{"no last part", [][]byte{tlv(0x83, 'a')}, "", piv.ErrNotFound},
		{"six parts", [][]byte{tlv(0x83, 'a'), tlv(0x83, 'b'), tlv(0x83, 'c'), tlv(0x83, 'd'), tlv(0x83, 'e'), tlv(0x82, 'f')}, "", card.ErrMalformed},
		{"another tag", [][]byte{tlv(0x81, 'a')}, "", card.ErrMalformed},
		{"no element", [][]byte{{0x82}}, "", card.ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			soft := yubikey("5.4.3")
			for i, part := range test.parts {
				soft.PutObject(tagRoots+uint32(i), part)
			}
			got, err := open(t, soft).Roots(t.Context())
			assert.ErrorIs(t, err, test.err)
			assert.Equal(t, test.want, string(got))
		})
	}
}

func TestContainerName(t *testing.T) {
	guid := [16]byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0x00}
	assert.Equal(t, "44332211-6655-8877-99aa-bbccdd5fc105", piv.ContainerName(guid, piv.Authentication))
	assert.Equal(t, "44332211-6655-8877-99aa-bbccdd5fc120", piv.ContainerName(guid, piv.Retired(20)))
	assert.Empty(t, piv.ContainerName(guid, 0x9B))
	names := map[string]bool{}
	for _, s := range slots() {
		names[piv.ContainerName(guid, s)] = true
	}
	assert.Len(t, names, 24)
}

func TestFindContainer(t *testing.T) {
	guid := [16]byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0x00}
	chuid := tlv(0x34, guid[:]...)
	soft := yubikey("5.4.3").PutObject(tagCHUID, chuid).PutObject(tagContainerMap, tlv(0x81, join(
		record(piv.Container{Name: "Alice", Slot: 0x9C, Valid: true}),
		record(piv.Container{Name: "gone", Slot: 0x9A}),
		record(piv.Container{Name: "nowhere", Slot: 0x9B, Valid: true}),
	)...))
	for _, test := range []struct {
		name string
		card *cardtest.Card
		want piv.Slot
		err  error
	}{
		{"ALICE", soft, piv.Signature, nil},
		{"gone", soft, 0, piv.ErrNotFound},
		{"nowhere", soft, 0, piv.ErrNotFound},
		{"44332211-6655-8877-99AA-bbccdd5fc10b", soft, piv.KeyManagement, nil},
		{"44332211-6655-8877-99aa-bbccdd5fc10d", cardtest.PIV().PutObject(tagCHUID, chuid), piv.Retired(1), nil},
		{"54332211-6655-8877-99aa-bbccdd5fc10d", cardtest.PIV().PutObject(tagCHUID, chuid), 0, piv.ErrNotFound},
		{"x", cardtest.PIV().PutObject(tagCHUID, nil), 0, piv.ErrNotFound},
		{"x", cardtest.PIV(cardtest.PIVMissing), 0, piv.ErrNotPIV},
	} {
		got, err := open(t, test.card).FindContainer(t.Context(), test.name)
		assert.ErrorIs(t, err, test.err, test.name)
		assert.Equal(t, test.want, got, test.name)
	}
}

func FuzzContainers(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		list, err := piv.DecodeContainers(content)
		if err != nil {
			assertMalformed(t, err)
			assert.Nil(t, list)
			return
		}
		assert.LessOrEqual(t, 107*len(list), len(content))
		var written []byte
		for _, k := range list {
			assert.LessOrEqual(t, len(utf16.Encode([]rune(k.Name))), 40)
			written = append(written, record(k)...)
		}
		again, err := piv.DecodeContainers(tlv(0x81, written...))
		require.NoError(t, err)
		assert.Equal(t, list, again)
	})
}

func FuzzRoots(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		part, last, err := piv.DecodeRoots(content)
		if err != nil {
			assertMalformed(t, err)
			assert.Nil(t, part)
			return
		}
		tag := ber.Tag(0x83)
		if last {
			tag = 0x82
		}
		again, lastAgain, err := piv.DecodeRoots(tlv(tag, part...))
		require.NoError(t, err)
		assert.Equal(t, part, again)
		assert.Equal(t, last, lastAgain)
	})
}
