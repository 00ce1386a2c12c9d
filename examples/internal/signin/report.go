package signin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

// A report is the result of the program, printed as text or as JSON.
type report struct {
	Tiles      []tile   `json:"tiles"`
	Unread     string   `json:"unread,omitempty"` // errors of other cards
	Chosen     int      `json:"chosen"`           // index in Tiles
	Name       string   `json:"signInName"`
	Source     string   `json:"signInNameSource"`
	Sentence   string   `json:"sentence"` // of the sign-in document, the reason for the name
	Answer     int      `json:"answerBytes"`
	Verified   bool     `json:"verified"`
	NotChecked []string `json:"notChecked,omitempty"`
}

// A tile is what the sign-in screen of Windows shows of a credential, and where
// the credential is.
type tile struct {
	Title     string `json:"title"`
	Issuer    string `json:"issuer"`
	Reader    string `json:"reader"`
	Container string `json:"container"`
}

func newReport(credentials []*enumerate.Credential, chosen *enumerate.Credential, listErr error, p rules.Policy) *report {
	r := &report{}
	for i, c := range credentials {
		t := tile{Title: c.Title(), Reader: c.Reader, Container: c.Container}
		if cert, err := rules.Read(c.Raw); err == nil {
			t.Issuer = cert.Issuer()
		}
		r.Tiles = append(r.Tiles, t)
		if c == chosen {
			r.Chosen = i
		}
	}
	if listErr != nil {
		r.Unread = cli.ErrorText(listErr)
	}
	return r
}

func (r *report) print(w io.Writer, columns int, asJSON bool) error {
	if asJSON {
		var text bytes.Buffer
		out := json.NewEncoder(&text)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		if err := out.Encode(r); err != nil {
			return err
		}
		_, err := w.Write(cli.EscapeJSON(text.Bytes()))
		return err
	}
	line := func(hang int, format string, args ...any) {
		fmt.Fprintln(w, cli.Wrap(fmt.Sprintf(format, args...), columns, hang))
	}
	line(2, "Credentials offered for sign-in:")
	for i, t := range r.Tiles {
		mark := " "
		if i == r.Chosen {
			mark = "*"
		}
		line(4, "%s %s", mark, cli.Escape(t.Title))
		line(8, "    issued by %q", t.Issuer)
		line(8, "    in %q, container %s", t.Reader, cli.Escape(t.Container))
	}
	if r.Unread != "" {
		line(2, "Not readable: %s", r.Unread)
	}
	line(2, "Challenge signed: answer of %d bytes.", r.Answer)
	if r.Verified {
		line(2, "Answer verified: signature, issuer and Windows' rules.")
	} else {
		line(2, "Signature verified with the certificate.")
	}
	for _, check := range r.NotChecked {
		line(2, "Not checked: %s.", check)
	}
	line(2, "Name to send: %s", cli.Escape(r.Name))
	line(2, "Source: %s (%s)", r.Source, r.Sentence)
	return nil
}
