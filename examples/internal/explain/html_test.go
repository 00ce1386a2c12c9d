package explain

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// explainHTML returns the page for files, or for the cards of a service.
func explainHTML(t *testing.T, args ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	out, err := explain(t, append([]string{"-html", file, "-at", at}, args...)...)
	assert.Empty(t, out)
	text, readErr := os.ReadFile(file)
	require.NoError(t, readErr)
	info, readErr := os.Stat(file)
	require.NoError(t, readErr)
	assert.True(t, runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0)
	return string(text), err
}

func TestHTML(t *testing.T) {
	good, bad := "../../../enumerate/rules/testdata/upn-UPN.pem", "../../../enumerate/rules/testdata/eku-no-extended-key-usage.pem"
	text, err := explainHTML(t, good, bad, "missing.pem")
	assert.ErrorIs(t, err, errUnreadable)
	for _, want := range []string{
		"Windows would offer it.", "Windows would not offer it</span>, unless by policy: AllowCertificatesWithNoEKU.",
		`<span class="verdict failed">failed</span>`, `<span class="verdict passed">passed</span>`,
		"hybrid joined, first sign-in", `data-copy="X509:&lt;PN&gt;alice@example.com"`,
		"missing.pem: open missing.pem", "Checked for 2026-01-01T00:00:00Z",
	} {
		assert.Contains(t, text, want)
	}
	assert.Len(t, regexp.MustCompile(`<section>`).FindAllString(text, -1), 2)
	assert.NotContains(t, text, "ZgotmplZ", "a value that html/template refused")
	for _, external := range []string{"http://", "src=", "href="} {
		assert.NotContains(t, text, external)
	}
}

func TestHTMLOfCards(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.html")
	service := newService(cardtest.NewReaders(cardtest.Logon("alice@example.com"), nil), nil)
	_, err := explainOn(t, service, "-html", file)
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(text), "PIN retries left: 3")
	assert.Contains(t, string(text), "Insert a card.")
	assert.Contains(t, string(text), "Software Reader 00: PIV 9A")
}

// A certificate can contain markup, and characters that reorder text.
func TestHTMLIsEscaped(t *testing.T) {
	const hostile = "\"'><script>alert(1)</script>\x1b\u202e&{{.}}@example.com"
	file := issue(t, cardtest.Leaf{UPNs: []string{hostile}, Emails: []string{"<b>@example.com"}})
	text, err := explainHTML(t, file)
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(text, "<script"), "only the script of the page")
	assert.NotContains(t, text, "<b>")
	assert.NotContains(t, text, "\x1b")
	assert.NotContains(t, text, "\u202e")
	assert.NotContains(t, text, `data-copy="X509:&lt;PN&gt;&#34;`, "a copy would differ from what the page shows")
	assert.Contains(t, text, `\u202e`)

	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	elements := map[string]int{}
	for {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		if start, ok := token.(xml.StartElement); ok {
			elements[start.Name.Local]++
		}
	}
	assert.Equal(t, 1, elements["section"])
	assert.Zero(t, elements["b"])
}

func TestInvalidHTMLFlags(t *testing.T) {
	var usage *cli.UsageError
	_, err := explain(t, "-html", "x", "-json")
	assert.ErrorAs(t, err, &usage)
	_, err = explain(t, "-html", filepath.Join(t.TempDir(), "missing", "x.html"), issue(t, cardtest.Leaf{}))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestHTMLInChromium opens the page in Chromium, whose policy for scripts and styles
// must accept those of the page. Pictures go to the folder that SCREENSHOTS names:
// light, dark, and 400 pixels wide.
func TestHTMLInChromium(t *testing.T) {
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		t.Skip("SCREENSHOTS names no folder")
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	text, err := explainHTML(t, "../../../enumerate/rules/testdata/upn-UPN.pem", "../../../enumerate/rules/testdata/eku-no-extended-key-usage.pem")
	require.NoError(t, err)
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	open := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), browser, append([]string{"--headless", "--no-sandbox", "--disable-gpu",
			"--hide-scrollbars", "--enable-logging=stderr", "--user-data-dir=" + filepath.Join(dir, "profile")}, append(args, "file://"+file)...)...)
		cmd.Env = append(os.Environ(), "HOME="+dir)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	dom := open("--dump-dom")
	assert.Contains(t, dom, "Windows would offer it.")
	assert.NotContains(t, dom, "Content Security Policy directive", "a refusal is logged")
	open("--window-size=1000,1600", "--screenshot="+filepath.Join(folder, "explain-light.png"))
	open("--window-size=1000,1600", "--blink-settings=preferredColorScheme=0", "--screenshot="+filepath.Join(folder, "explain-dark.png"))
	open("--window-size=400,1600", "--screenshot="+filepath.Join(folder, "explain-narrow.png"))
}
