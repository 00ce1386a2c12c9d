package entra

import (
	"bytes"
	"encoding/json"
	"html"
	"strings"
)

// pageConfig has the values that pages of the login host give to their scripts.
type pageConfig struct {
	Context   string `json:"sCtx"`
	Flow      string `json:"sFT"`
	Canary    string `json:"canary"`
	SessionID string `json:"sessionId"`
	Message   string `json:"strMainMessage"`
	Exception string `json:"strServiceExceptionMessage"`
	ErrorText string `json:"sErrTxt"`
}

// readConfig reads the object that a page assigns to $Config.
func readConfig(page []byte) (c pageConfig, ok bool) {
	_, rest, found := bytes.Cut(page, []byte("$Config="))
	if !found {
		return c, false
	}
	err := json.NewDecoder(bytes.NewReader(rest)).Decode(&c)
	return c, err == nil
}

// maxInputs is how many input elements of a page are read.
const maxInputs = 256

// readInputs returns the values of the input elements of a page by their names. Of
// several with one name, the first counts.
func readInputs(page []byte) map[string]string {
	inputs := make(map[string]string)
	rest := string(page)
	for range maxInputs {
		i := indexFold(rest, "<input")
		if i < 0 {
			break
		}
		var attributes map[string]string
		attributes, rest = readAttributes(rest[i+len("<input"):])
		name := attributes["name"]
		if _, taken := inputs[name]; name != "" && !taken {
			inputs[name] = attributes["value"]
		}
	}
	return inputs
}

// indexFold is strings.Index without regard to the case of ASCII letters. sub is in
// lower case and begins with '<'.
func indexFold(s, sub string) int {
	for from := 0; ; {
		i := strings.IndexByte(s[from:], sub[0])
		if i < 0 || from+i+len(sub) > len(s) {
			return -1
		}
		from += i
		if strings.EqualFold(s[from:from+len(sub)], sub) {
			return from
		}
		from++
	}
}

const space = " \t\r\n\f/"

// readAttributes reads the attributes of a tag and returns what follows the tag
// (HTML, 13.2.5.32 to 13.2.5.39).
func readAttributes(s string) (attributes map[string]string, rest string) {
	attributes = make(map[string]string)
	for {
		s = strings.TrimLeft(s, space)
		if s == "" {
			return attributes, ""
		}
		if s[0] == '>' {
			return attributes, s[1:]
		}
		end := strings.IndexAny(s[1:], space+"=>") + 1
		if end == 0 {
			return attributes, ""
		}
		name := strings.ToLower(s[:end])
		s = strings.TrimLeft(s[end:], space)
		value := ""
		if strings.HasPrefix(s, "=") {
			s = strings.TrimLeft(s[1:], space)
			switch {
			case s == "":
			case s[0] == '"' || s[0] == '\'':
				var closed bool
				if value, s, closed = strings.Cut(s[1:], s[:1]); !closed {
					return attributes, ""
				}
			default:
				end := strings.IndexAny(s, " \t\r\n\f>")
				if end < 0 {
					return attributes, ""
				}
				value, s = s[:end], s[end:]
			}
		}
		if _, taken := attributes[name]; !taken {
			attributes[name] = html.UnescapeString(value)
		}
	}
}
