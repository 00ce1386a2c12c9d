package challenge_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNew(t *testing.T) {
	a, b := challenge.New("sign-in", origin), challenge.New("sign-in", origin)
	assert.NotEqual(t, a.Nonce, b.Nonce)
	assert.WithinDuration(t, time.Now(), a.Time, 2*time.Second)
	assert.Zero(t, a.Time.Nanosecond())
	assert.Equal(t, "sign-in", a.Purpose)
	assert.Equal(t, origin, a.Audience)
	assert.Empty(t, a.Exporter)
}

func TestTextRoundTrip(t *testing.T) {
	long := challenge.New(strings.Repeat("p", 128), strings.Repeat("a", 512))
	foreign := challenge.New("вход", "https://пример.example/§")
	bound := challenge.New("sign-in", origin)
	bound.Bound = true
	for _, want := range []challenge.Challenge{challenge.New("sign-in", origin), long, foreign, bound} {
		text, err := want.MarshalText()
		require.NoError(t, err)
		assert.Regexp(t, `^[A-Za-z0-9._-]+$`, string(text))
		assert.LessOrEqual(t, len(text), 919)
		var got challenge.Challenge
		require.NoError(t, got.UnmarshalText(text))
		assert.Equal(t, want, got)
	}
	text, err := long.MarshalText()
	require.NoError(t, err)
	assert.Len(t, text, 919, "the length that the comment states")
}

func TestTextHasNoExporter(t *testing.T) {
	c := challenge.New("sign-in", origin)
	c.Exporter = []byte("0123456789abcdef0123456789abcdef")
	text, err := c.MarshalText()
	require.NoError(t, err)
	var got challenge.Challenge
	require.NoError(t, got.UnmarshalText(text))
	assert.True(t, got.Bound)
	assert.Empty(t, got.Exporter)
	assert.Equal(t, c.Nonce, got.Nonce)
}

func TestChallengeInJSON(t *testing.T) {
	c := challenge.New("sign-in", origin)
	b, err := json.Marshal(map[string]challenge.Challenge{"challenge": c})
	require.NoError(t, err)
	var got map[string]challenge.Challenge
	require.NoError(t, json.Unmarshal(b, &got))
	assert.Equal(t, c, got["challenge"])
}

func TestUnfitChallengesHaveNoText(t *testing.T) {
	good := challenge.New("sign-in", origin)
	tests := []struct {
		name string
		edit func(*challenge.Challenge)
		want string
	}{
		{"zero value", func(c *challenge.Challenge) { *c = challenge.Challenge{} }, "purpose is empty"},
		{"no audience", func(c *challenge.Challenge) { c.Audience = "" }, "audience is empty"},
		{"no nonce", func(c *challenge.Challenge) { clear(c.Nonce[:]) }, "challenge has no nonce"},
		{"no time", func(c *challenge.Challenge) { c.Time = time.Time{} }, "challenge has no time between 1970 and 9999"},
		{"time after 9999", func(c *challenge.Challenge) { c.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "challenge has no time between 1970 and 9999"},
		{"long purpose", func(c *challenge.Challenge) { c.Purpose = strings.Repeat("p", 129) }, "purpose has 129 bytes, more than 128"},
		{"long audience", func(c *challenge.Challenge) { c.Audience = strings.Repeat("p", 513) }, "audience has 513 bytes, more than 512"},
		{"purpose of two lines", func(c *challenge.Challenge) { c.Purpose = "a\nb" }, `purpose has a control character, '\n', at byte 1`},
		{"purpose turned around", func(c *challenge.Challenge) { c.Purpose = "\u202Eb" }, `purpose has a control character, '\u202e', at byte 0`},
		{"audience not UTF-8", func(c *challenge.Challenge) { c.Audience = "\xFF" }, "audience is not UTF-8"},
		{"long exporter", func(c *challenge.Challenge) { c.Exporter = make([]byte, 256) }, "TLS exporter has 256 bytes, more than 255"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.edit(&c)
			text, err := c.MarshalText()
			assert.EqualError(t, err, "challenge: "+tt.want)
			assert.Nil(t, text)
		})
	}
}

// plain is the content of a valid text, in hexadecimal.
var plain = "01" + strings.Repeat("00", 31) + // nonce
	"000000006955B900" + // 2026-01-01
	"00" + // not bound
	"0001" + "70" + // p
	"0001" + "61" // a

func text(t testing.TB, content string) string {
	t.Helper()
	b, err := hex.DecodeString(content)
	require.NoError(t, err)
	return "slc1." + base64.RawURLEncoding.EncodeToString(b)
}

func TestTextHasOneSpelling(t *testing.T) {
	good := text(t, plain)
	var c challenge.Challenge
	require.NoError(t, c.UnmarshalText([]byte(good)))

	// The last character of 47 encoded bytes has two bits that must be zero.
	last := good[len(good)-1]
	require.Contains(t, "AEIMQUYcgkosw048", string(last))
	loose := good[:len(good)-1] + string(last+1)

	tests := []struct{ name, text, want string }{
		{"empty", "", `does not begin with "slc1."`},
		{"another version", "slc2." + good[5:], `does not begin with "slc1."`},
		{"prefix in capitals", "SLC1." + good[5:], `does not begin with "slc1."`},
		{"prefix alone", "slc1.", "is cut short or goes on after its last field"},
		{"blank in front", " " + good, `does not begin with "slc1."`},
		{"line end behind", good + "\n", "is not base64url without padding"},
		{"line end inside", good[:20] + "\r\n" + good[20:], "is not base64url without padding"},
		{"padding", good + "==", "is not base64url without padding"},
		{"loose bits", loose, "is not base64url without padding"},
		{"standard alphabet", good[:10] + "+" + good[11:], "is not base64url without padding"},
		{"NUL", good + "\x00", "is not base64url without padding"},
		{"cut short", text(t, plain[:len(plain)-2]), "is cut short or goes on after its last field"},
		{"cut in a length", text(t, plain[:len(plain)-4]), "is cut short or goes on after its last field"},
		{"cut in the time", text(t, plain[:64+8]), "is cut short or goes on after its last field"},
		{"goes on", text(t, plain+"00"), "is cut short or goes on after its last field"},
		{"flag of 2", text(t, plain[:80]+"02"+plain[82:]), "connection flag is 2"},
		{"time of 0", text(t, plain[:64]+"0000000000000000"+plain[80:]), "challenge has no time between 1970 and 9999"},
		{"time after 9999", text(t, plain[:64]+"0000003AFFF44180"+plain[80:]), "time is after the year 9999"},
		{"time that is negative as int64", text(t, plain[:64]+"8000000000000000"+plain[80:]), "time is after the year 9999"},
		{"nonce of zeros", text(t, "00"+plain[2:]), "challenge has no nonce"},
		{"no purpose", text(t, plain[:82]+"0000"+"000161"), "purpose is empty"},
		{"purpose of a NUL", text(t, plain[:82]+"000100"+"000161"), `purpose has a control character, '\x00', at byte 0`},
		{"too long", "slc1." + strings.Repeat("A", 915), "920 characters, more than 919"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := challenge.New("kept", "kept")
			c := before
			assert.EqualError(t, c.UnmarshalText([]byte(tt.text)), "challenge: text: "+tt.want)
			assert.Equal(t, before, c)
		})
	}
}
