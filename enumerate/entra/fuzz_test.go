package entra_test

import (
	"encoding/json"
	"html"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/entra"
)

// FuzzInputs asserts that values of a page occur in it, and that an input before them
// changes none.
func FuzzInputs(f *testing.F) {
	f.Add([]byte(`<form><input type="hidden" name="ctx" value="a&amp;b"/><INPUT name=flowtoken value='x>y'></form>`))
	f.Add([]byte(`<input name=a value=`))
	f.Add([]byte(`<input ==== name="" "'>`))
	f.Fuzz(func(t *testing.T, page []byte) {
		inputs := entra.ReadInputs(page)
		text := html.UnescapeString(string(page))
		for name, value := range inputs {
			if !strings.Contains(text, html.UnescapeString(value)) && !strings.Contains(html.UnescapeString(text), html.UnescapeString(value)) {
				t.Fatalf("%q has the value %q", name, value)
			}
		}
		after := entra.ReadInputs(append([]byte(`<input name="first" value="1">`), page...))
		if after["first"] != "1" {
			t.Fatalf("the first input is %q", after["first"])
		}
		for name, value := range inputs {
			if name != "first" && len(inputs) < 200 && after[name] != value {
				t.Fatalf("%q was %q and is %q", name, value, after[name])
			}
		}
	})
}

// FuzzConfig asserts that the values of a page are read back from a page that is made
// of them.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`<script>$Config={"sCtx":"a","sFT":"b"};</script>`))
	f.Add([]byte(`$Config={"sCtx":1};`))
	f.Fuzz(func(t *testing.T, page []byte) {
		context, flow, ok := entra.ReadConfig(page)
		if !ok {
			return
		}
		b, err := json.Marshal(map[string]string{"sCtx": context, "sFT": flow})
		if err != nil {
			t.Fatal(err)
		}
		again, flowAgain, ok := entra.ReadConfig(append([]byte("$Config="), b...))
		if !ok || again != context || flowAgain != flow {
			t.Fatalf("%q, %q", again, flowAgain)
		}
	})
}

// FuzzToken asserts that an ID token has three parts and that expiry is not negative.
func FuzzToken(f *testing.F) {
	f.Add(idToken(map[string]any{"aud": "a"}), []byte(`{"expires_in":"3600"}`))
	f.Add("a.b", []byte(`{"expires_in":1e300}`))
	f.Fuzz(func(t *testing.T, token string, body []byte) {
		if claims, err := entra.ParsePayload(token); err == nil && (claims == nil && !strings.Contains(token, ".") || strings.Count(token, ".") != 2) {
			t.Fatalf("%q", token)
		}
		if tokens, err := entra.ParseTokens(body); err == nil && (tokens.Expires < 0 || tokens.Expires > 101*365*24*time.Hour) {
			t.Fatalf("expires in %v", tokens.Expires)
		}
	})
}

// FuzzJWE asserts that only a text that was encrypted with the key is opened.
func FuzzJWE(f *testing.F) {
	f.Add("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("....")
	f.Fuzz(func(t *testing.T, text string) {
		if plain, err := entra.OpenJWE(text, []byte("a key of 32 bytes for the tests.")); err == nil {
			t.Fatalf("%q opens to %q", text, plain)
		}
	})
}
