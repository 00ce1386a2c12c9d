package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text        string
		width, hang int
		want        string
	}{
		{"one two three", 0, 0, "one two three"},
		{"one two three", 13, 0, "one two three"},
		{"one two three", 12, 0, "one two\nthree"},
		{"one two three", 7, 0, "one two\nthree"},
		{"one two three", 6, 0, "one\ntwo\nthree"},
		{"abcdefghij", 4, 0, "abcd\nefgh\nij"},
		{"a abcdefghij", 4, 0, "a\nabcd\nefgh\nij"},
		{"Usage: one two three", 15, 7, "Usage: one two\n       three"},
		{"    -> a longer text here", 15, 7, "    -> a longer\n       text\n       here"},
		{"山田 山田 山田", 5, 0, "山田 山田\n山田"},
		{"     ", 2, 0, ""},
	} {
		assert.Equal(t, test.want, Wrap(test.text, test.width, test.hang), "%q", test.text)
	}
}

// A card can have a name of a megabyte.
func TestWrapOfLongText(t *testing.T) {
	text := strings.Repeat("a", 1<<20)
	assert.Equal(t, text, strings.ReplaceAll(Wrap(text, 8, 0), "\n", ""))
}

// FuzzWrap checks that no line is too long, and that only spaces are left out.
func FuzzWrap(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string, width, hang int) {
		if width > 1000 || hang > 1000 || strings.ContainsAny(text, "\n") || !utf8.ValidString(text) {
			t.Skip("not the input of Wrap")
		}
		wrapped := Wrap(text, width, hang)
		assert.Equal(t, strings.ReplaceAll(text, " ", ""), strings.NewReplacer(" ", "", "\n", "").Replace(wrapped))
		for line := range strings.SplitSeq(wrapped, "\n") {
			if width > 0 {
				assert.LessOrEqual(t, utf8.RuneCountInString(line), width, "%q", wrapped)
			}
		}
	})
}

func TestTable(t *testing.T) {
	rows := [][]Cell{
		{{Text: "alice@example.com"}, {Text: "offered", Color: Green}, {Text: "a reader with a long name 00"}},
		{{Text: "bob\x1b[2J"}, {Text: "no", Color: Yellow}, {Text: "x"}},
	}
	header := []string{"NAME", "SIGN-IN", "READER"}
	for _, test := range []struct {
		env  Env
		want string
	}{
		{Env{}, `
NAME               SIGN-IN  READER
alice@example.com  offered  a reader with a long name 00
bob\x1b[2J         no       x
`},
		{Env{Width: 40}, `
NAME            SIGN-IN  READER
alice@example.  offered  a reader with a
com                      long name 00
bob\x1b[2J      no       x
`},
	} {
		var out bytes.Buffer
		test.env.Table(&out, header, rows)
		assert.Equal(t, test.want[1:], out.String())
	}
	for width := range 100 {
		env := Env{Width: width}
		var out bytes.Buffer
		env.Table(&out, header, rows)
		for line := range strings.Lines(out.String()) {
			if width >= 3*minColumn+2*columnGap {
				assert.LessOrEqual(t, utf8.RuneCountInString(line)-1, width)
			}
		}
	}
}

// Without color the text is the same.
func TestColor(t *testing.T) {
	rows := [][]Cell{{{Text: "offered", Color: Green}}}
	var plain, colored bytes.Buffer
	(&Env{}).Table(&plain, []string{"SIGN-IN"}, rows)
	(&Env{Color: true}).Table(&colored, []string{"SIGN-IN"}, rows)
	assert.Equal(t, "\x1b[1mSIGN-IN\x1b[0m\n\x1b[32moffered\x1b[0m\n", colored.String())
	for _, code := range []string{"\x1b[1m", "\x1b[32m", "\x1b[0m"} {
		colored = *bytes.NewBufferString(strings.ReplaceAll(colored.String(), code, ""))
	}
	assert.Equal(t, plain.String(), colored.String())

	env := &Env{}
	assert.NoError(t, env.SetColor("always"))
	assert.True(t, env.Color)
	assert.NoError(t, env.SetColor("auto"))
	assert.True(t, env.Color)
	assert.NoError(t, env.SetColor("never"))
	assert.False(t, env.Color)
	assert.Error(t, env.SetColor("blue"))
}
