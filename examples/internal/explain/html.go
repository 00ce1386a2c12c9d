package explain

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"os"
	"time"

	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/upn/mapping"
)

var (
	//go:embed page/page.html
	pageText string
	//go:embed page/style.css
	style string
	//go:embed page/copy.js
	script string
)

// page escapes control characters, too. A string that contains one has no button: the
// copy would differ from what the page shows.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"esc": func(v any) string {
		s, ok := v.(string)
		if !ok {
			s = string(v.(rules.Rule))
		}
		return cli.Escape(s)
	},
	"copies": func(s string) bool { return cli.Escape(s) == s },
}).Parse(pageText))

// An htmlPrinter collects the results for one page.
type htmlPrinter struct {
	Notes, Problems []htmlNote
	Certificates    []htmlCertificate

	At, Policy            string
	Style                 template.CSS
	Script                template.JS
	StyleHash, ScriptHash string
}

type htmlNote struct{ Source, Text, Remedy string }

type htmlCertificate struct {
	*explanation
	Never    bool
	Names    []htmlName
	Mappings []htmlMappings
}

type htmlName struct{ Where, Name, Reason string }

type htmlMappings struct {
	Directory string
	Strings   []htmlMapping
}

type htmlMapping struct{ Text string }

func (p *htmlPrinter) note(source, text string) {
	p.Notes = append(p.Notes, htmlNote{source, text, ""})
}

func (p *htmlPrinter) problem(source string, err error, remedy string) {
	p.Problems = append(p.Problems, htmlNote{source, err.Error(), remedy})
}

func (p *htmlPrinter) certificate(x *explanation) {
	c := htmlCertificate{explanation: x, Never: x.neverOffered}
	for _, cell := range cellsOf(x.Matrix) {
		c.Names = append(c.Names, htmlName{cell.where, cell.name.Value, cell.name.Sentence()})
	}
	entra := htmlMappings{Directory: "Entra ID: certificateUserIds"}
	for _, k := range entraKinds {
		entra.add(x.Mappings.Entra[k.String()])
	}
	strong := htmlMappings{Directory: "Active Directory: altSecurityIdentities, strong"}
	weak := htmlMappings{Directory: "Active Directory: altSecurityIdentities, weak"}
	for _, k := range adKinds {
		if mapping.Kind.Strong(k) {
			strong.add(x.Mappings.AD[k.String()])
		} else {
			weak.add(x.Mappings.AD[k.String()])
		}
	}
	for _, m := range []htmlMappings{entra, strong, weak} {
		if m.Strings != nil {
			c.Mappings = append(c.Mappings, m)
		}
	}
	p.Certificates = append(p.Certificates, c)
}

func (m *htmlMappings) add(list []string) {
	for _, s := range list {
		m.Strings = append(m.Strings, htmlMapping{s})
	}
}

// render returns the page.
func (p *htmlPrinter) render(e *explainer) ([]byte, error) {
	p.At, p.Policy = e.at.UTC().Format(time.RFC3339), e.policy.String()
	p.Style, p.Script = template.CSS(style), template.JS(script)
	p.StyleHash, p.ScriptHash = hash(style), hash(script)
	var b bytes.Buffer
	err := page.Execute(&b, p)
	return b.Bytes(), err
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// writeHTML runs f, which prints to e.out, and writes the page into a file.
func (e *explainer) writeHTML(ctx context.Context, file string, f func(context.Context) error) error {
	p := &htmlPrinter{}
	e.out = p
	err := f(ctx)
	if ctx.Err() != nil {
		return err
	}
	text, renderErr := p.render(e)
	if renderErr != nil {
		return renderErr
	}
	return errors.Join(err, os.WriteFile(file, text, 0o600))
}
