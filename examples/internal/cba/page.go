package cba

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
)

//go:embed page
var files embed.FS

var pages = template.Must(template.ParseFS(files, "page/*.html"))

// pageData has what pages show. Names are of users and certificates, so untrusted:
// html/template escapes them, and the pages isolate their direction.
type pageData struct {
	Tenant, Name, Action       string
	Context, Flow, Certificate string
	Subject, Issuer            string
	Code                       string
	Claims                     claims
	Config                     template.HTML
}

// config returns the values that programs read from a page, in the form that Entra
// ID's pages have them in a script. Here it is a comment, as the pages have no
// scripts. JSON has no '<' and '>', so the comment does not end early.
func config(values map[string]string) template.HTML {
	b, err := json.Marshal(values)
	if err != nil {
		panic("cba: " + err.Error())
	}
	return template.HTML("<!--\n$Config=" + string(b) + ";\n-->")
}

func render(w http.ResponseWriter, status int, name string, data pageData) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name+".html", data); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func style(w http.ResponseWriter, r *http.Request) {
	css, err := files.ReadFile("page/style.css")
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = w.Write(css)
}

// MultiFactor reports whether the sign-in counts as multi-factor authentication.
func (c claims) MultiFactor() bool { return strings.Contains(strings.Join(c.AMR, " "), "mfa") }

// Methods returns the amr claim for people.
func (c claims) Methods() string { return strings.Join(c.AMR, ", ") }
