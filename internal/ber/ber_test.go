package ber_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

func TestNext(t *testing.T) {
	tests := []struct {
		name  string
		in    string
		tag   ber.Tag
		value string
		ber   string // fault that BER reports
		der   string // fault that DER reports
	}{
		{name: "one byte tag, short length", in: "5303700100", tag: 0x53, value: "700100"},
		{name: "two byte tag", in: "7F490186", tag: 0x7F49, value: "86"},
		{name: "three byte tag", in: "5FC10200", tag: 0x5FC102, value: ""},
		{name: "length in one long byte", in: "0481800000" + hex.EncodeToString(make([]byte, 126)), tag: 0x04, value: hex.EncodeToString(make([]byte, 128))},
		{name: "long form where short fits", in: "04810100", tag: 0x04, value: "00", der: "byte 0: length is not in its shortest form"},
		{name: "leading zero in length", in: "0482000100", tag: 0x04, value: "00", der: "byte 0: length is not in its shortest form"},
		{name: "three length bytes", in: "538300000100", tag: 0x53, value: "00", der: "byte 0: length is not in its shortest form"},
		{name: "indefinite length", in: "30800000", ber: "byte 0: length is indefinite", der: "byte 0: length is indefinite"},
		{name: "five length bytes", in: "3085000000000100", ber: "byte 0: length takes more than four bytes", der: "byte 0: length takes more than four bytes"},
		{name: "length of 4 GiB", in: "3084FFFFFFFF", ber: "byte 0: value is longer than what is left of the data", der: "byte 0: value is longer than what is left of the data"},
		{name: "length cut short", in: "308201", ber: "byte 0: length is cut short", der: "byte 0: length is cut short"},
		{name: "no length", in: "30", ber: "byte 0: length is missing", der: "byte 0: length is missing"},
		{name: "value cut short", in: "300201", ber: "byte 0: value is longer than what is left of the data", der: "byte 0: value is longer than what is left of the data"},
		{name: "tag cut short", in: "5FC1", ber: "byte 0: tag is cut short or longer than three bytes", der: "byte 0: tag is cut short or longer than three bytes"},
		{name: "tag of four bytes", in: "5F81818100", ber: "byte 0: tag is cut short or longer than three bytes", der: "byte 0: tag is cut short or longer than three bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := unhex(t, tt.in)
			for kind, r := range map[string]ber.Reader{"BER": ber.BER(in), "DER": ber.DER(in)} {
				want := tt.ber
				if kind == "DER" {
					want = tt.der
				}
				e, ok := r.Next()
				if want != "" {
					assert.False(t, ok, kind)
					assert.EqualError(t, r.Err(), want, kind)
					assert.Zero(t, e, kind)
					continue
				}
				require.True(t, ok, kind)
				assert.Equal(t, tt.tag, e.Tag, kind)
				assert.Equal(t, unhex(t, tt.value), e.Value, kind)
				assert.Equal(t, in, e.Raw, kind)
				assert.NoError(t, r.Close(), kind)
			}
		})
	}
}

func TestOffsetsCountFromOutermostInput(t *testing.T) {
	r := ber.DER(unhex(t, "0500300504010a0c05"))
	_, ok := r.Take(ber.Null)
	require.True(t, ok)
	seq, ok := r.Take(ber.Sequence)
	require.True(t, ok)
	assert.Equal(t, 2, seq.Offset)
	in := seq.Inside()
	octets, ok := in.Take(ber.OctetString)
	require.True(t, ok)
	assert.Equal(t, 4, octets.Offset)
	assert.Equal(t, 7, in.Offset())
	_, ok = in.Next()
	assert.False(t, ok)
	assert.EqualError(t, in.Err(), "byte 7: value is longer than what is left of the data")
}

func TestTakeKeepsElementWithOtherTag(t *testing.T) {
	r := ber.BER(unhex(t, "710100"))
	_, ok := r.Take(0x70)
	assert.False(t, ok)
	assert.EqualError(t, r.Err(), "byte 0: want tag 70, found 71")

	r = ber.BER(nil)
	_, ok = r.Take(0x70)
	assert.False(t, ok)
	assert.EqualError(t, r.Err(), "byte 0: want tag 70, found the end")
	_, ok = r.Take(0x70)
	assert.False(t, ok, "a fault is permanent")
}

func TestPeek(t *testing.T) {
	r := ber.BER(unhex(t, "7F6100"))
	assert.Equal(t, ber.Tag(0x7F61), r.Peek())
	assert.True(t, r.More())
	_, ok := r.Next()
	assert.True(t, ok)
	assert.Zero(t, r.Peek())
}

func TestCloseRefusesRemainingInput(t *testing.T) {
	r := ber.DER(unhex(t, "0500FF"))
	_, ok := r.Next()
	require.True(t, ok)
	assert.EqualError(t, r.Close(), "byte 2: data after the last element")
}

func TestFind(t *testing.T) {
	value, ok, err := ber.Find(unhex(t, "7003AABBCC710101FE00"), 0x71)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, []byte{1}, value)

	_, ok, err = ber.Find(unhex(t, "7003AABBCC"), 0x71)
	assert.NoError(t, err)
	assert.False(t, ok)

	_, ok, err = ber.Find(unhex(t, "7003AABB"), 0x71)
	assert.EqualError(t, err, "byte 0: value is longer than what is left of the data")
	assert.False(t, ok)
}

func TestAppend(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 24} {
		for _, tag := range []ber.Tag{0x53, 0x7F49, 0x5FC105} {
			value := bytes.Repeat([]byte{0xA5}, n)
			r := ber.DER(ber.Append(nil, tag, value))
			e, ok := r.Next()
			require.True(t, ok)
			assert.Equal(t, tag, e.Tag)
			assert.True(t, bytes.Equal(value, e.Value))
			assert.NoError(t, r.Close())
		}
	}
}

func TestConstructed(t *testing.T) {
	assert.True(t, ber.Sequence.Constructed())
	assert.True(t, ber.Tag(0x7F49).Constructed())
	assert.False(t, ber.Tag(0x5FC102).Constructed())
	assert.False(t, ber.UTF8String.Constructed())
}

func BenchmarkNext(b *testing.B) {
	in := ber.Append(nil, 0x53, ber.Append(ber.Append(nil, 0x70, make([]byte, 1500)), 0x71, []byte{0}))
	b.ReportAllocs()
	for b.Loop() {
		r := ber.BER(in)
		e, _ := r.Next()
		in := e.Inside()
		for in.More() {
			in.Next()
		}
	}
}

// FuzzReader checks for any input that elements tile it in order, and that DER
// accepts exactly one encoding of an element.
func FuzzReader(f *testing.F) {
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, r := range []ber.Reader{ber.BER(in), ber.DER(in)} {
			at := 0
			for {
				e, ok := r.Next()
				if !ok {
					break
				}
				if e.Offset != at || !bytes.Equal(e.Raw, in[at:at+len(e.Raw)]) || !bytes.HasSuffix(e.Raw, e.Value) {
					t.Fatalf("element at %d does not tile the input", at)
				}
				at += len(e.Raw)
			}
			if (r.Err() == nil) != (at == len(in)) {
				t.Fatalf("stopped at %d of %d with %v", at, len(in), r.Err())
			}
		}
		for _, tag := range []ber.Tag{ber.Sequence, ber.OID, 0x5FC102, peek(in)} {
			checkTakes(t, ber.BER(in), tag)
			checkTakes(t, ber.DER(in), tag)
		}
		r := ber.DER(in)
		if e, ok := r.Next(); ok && !bytes.Equal(ber.Append(nil, e.Tag, e.Value), e.Raw) {
			t.Fatalf("%x has two encodings", e.Raw)
		}
	})
}

func peek(in []byte) ber.Tag {
	r := ber.BER(in)
	return r.Peek()
}

// checkTakes checks that Take, Enter and TakeValue agree with each other and with
// Next.
func checkTakes(t *testing.T, r ber.Reader, tag ber.Tag) {
	t.Helper()
	next, take, enter, value := r, r, r, r
	want, wantOK := next.Next()
	e, ok := take.Take(tag)
	if ok != (wantOK && want.Tag == tag) {
		t.Fatalf("Take(%v) = %v of an element with tag %v", tag, ok, want.Tag)
	}
	inside, entered := enter.Enter(tag)
	v, read := value.TakeValue(tag)
	require.Equal(t, ok, entered)
	require.Equal(t, ok, read)
	require.Equal(t, take, enter)
	require.Equal(t, take, value)
	if ok {
		require.Equal(t, want, e)
		require.Equal(t, next, take)
		require.Equal(t, e.Inside(), inside)
		require.Equal(t, e.Value, v)
	} else if !wantOK && next.Err() != nil {
		require.Equal(t, next.Err(), take.Err())
	}
}
