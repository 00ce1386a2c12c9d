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

func (r *report) print(w io.Writer, asJSON bool) error {
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
	fmt.Fprintln(w, "Credentials offered for sign-in:")
	for i, t := range r.Tiles {
		mark := " "
		if i == r.Chosen {
			mark = "*"
		}
		fmt.Fprintf(w, "%s %s\n    issued by %q\n    in %q, container %s\n",
			mark, cli.Escape(t.Title), t.Issuer, t.Reader, cli.Escape(t.Container))
	}
	if r.Unread != "" {
		fmt.Fprintf(w, "Not readable: %s\n", r.Unread)
	}
	fmt.Fprintf(w, "Challenge signed: answer of %d bytes.\n", r.Answer)
	if r.Verified {
		fmt.Fprintln(w, "Answer verified: signature, issuer and Windows' rules.")
	} else {
		fmt.Fprintln(w, "Signature verified with the certificate.")
	}
	for _, check := range r.NotChecked {
		fmt.Fprintf(w, "Not checked: %s.\n", check)
	}
	fmt.Fprintf(w, "Name to send: %s\nSource: %s (%s)\n", cli.Escape(r.Name), r.Source, r.Sentence)
	return nil
}
