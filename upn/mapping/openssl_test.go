package mapping_test

import (
	"encoding/pem"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/internal/vectors"
	"github.com/smartlogon/smartlogon/upn/mapping"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var update = flag.Bool("update", false, "rewrite the files in testdata, with openssl")

// rareCertificates have fields that are rare in real ones.
func rareCertificates(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"serial-zero":          spec{serial: unhex(t, "00")}.make(t),
		"serial-leading-zero":  spec{serial: unhex(t, "00f0e1d2c3")}.make(t),
		"serial-trailing-zero": spec{serial: unhex(t, "0100")}.make(t),
		"serial-negative":      spec{serial: unhex(t, "80c1")}.make(t),
		"serial-minus-one":     spec{serial: unhex(t, "ff")}.make(t),
		"serial-negative-ff":   spec{serial: unhex(t, "ff7f01")}.make(t),
		"serial-20-bytes":      spec{serial: unhex(t, "7f0405060708090a0b0c0d0e0f10111213141516")}.make(t),
		"key-identifier":       spec{extensions: [][]byte{ski(keyID)}}.make(t),
		"several-attributes": spec{subject: dn{
			{{oid: country, value: "US", tag: cbasn1.PrintableString}},
			{{oid: cn, value: "JANE DOE"}, {oid: number, value: "7"}, {oid: uid, value: "47001003151020"}},
		}}.make(t),
		"comma":              spec{issuer: rdns(org, "Contoso, Inc.", cn, "CA, 1"), subject: rdns(cn, "Doe, Jane")}.make(t),
		"quotes":             spec{subject: rdns(cn, `Jane "J" Doe`, ou, `"`)}.make(t),
		"special-characters": spec{subject: rdns(cn, "a+b", cn, "a=b", cn, "a;b", cn, "a<b>c", cn, "#1")}.make(t),
		"plus-between-words": spec{subject: rdns(cn, "black + white")}.make(t),
		"backslash":          spec{subject: rdns(cn, `a\b`, ou, `c\`)}.make(t),
		"blanks":             spec{subject: rdns(cn, " a", ou, "b ", org, "c  d")}.make(t),
		"empty-value":        spec{subject: rdns(cn, "", ou, "a")}.make(t),
		"non-ascii":          spec{issuer: rdns(org, "Størmåk æøå"), subject: rdns(cn, "Jürgen Żółć 山田 😀")}.make(t),
		"bmp-string":         spec{subject: dn{{{oid: cn, value: "\x00J\x00\xFC\x5C\x71", tag: 30}}}}.make(t),
		"t61-string":         spec{subject: dn{{{oid: cn, value: "J\xFCrgen", tag: cbasn1.T61String}}}}.make(t),
		"unknown-type":       spec{subject: rdns("1.2.3.4", "x", "2.5.4.97", "y", uid, "z")}.make(t),
		"state-and-email":    spec{subject: rdns(state, "WA", email, "a@b.example", dc, "com")}.make(t),
		"every-type": spec{subject: rdns(cn, "a", "2.5.4.4", "b", number, "c", country, "US", "2.5.4.7", "d", state, "e", "2.5.4.9", "f",
			org, "g", ou, "h", "2.5.4.12", "i", "2.5.4.13", "j", "2.5.4.17", "k", "2.5.4.18", "l", "2.5.4.20", "m", "2.5.4.24", "n",
			"2.5.4.42", "o", "2.5.4.43", "p", "2.5.4.46", "q", email, "r", dc, "s")}.make(t),
	}
}

// preferred returns the preferred mappings in the form of spell.sh: kind, tab,
// mapping.
func preferred(t testing.TB, der []byte) []string {
	t.Helper()
	list, _ := mapping.Of(der, mapping.Entra)
	var lines []string
	for _, s := range list {
		if s.Preferred && s.Kind != mapping.PrincipalName && s.Kind != mapping.RFC822 {
			lines = append(lines, s.Kind.String()+"\t"+s.String())
		}
	}
	slices.Sort(lines)
	return lines
}

// runSpell returns the lines that spell.sh prints for PEM files, by file name.
func runSpell(t testing.TB, files ...string) map[string][]string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "sh", append([]string{"testdata/spell.sh"}, files...)...).Output()
	require.NoError(t, err)
	return parseSpell(t, string(output))
}

func parseSpell(t testing.TB, text string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		require.True(t, ok, line)
		name = strings.TrimSuffix(name, ".pem")
		all[name] = append(all[name], rest)
		slices.Sort(all[name])
	}
	return all
}

func needOpenSSL(t testing.TB) {
	t.Helper()
	for _, program := range []string{"openssl", "sh", "awk", "od", "base64"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: mappings are not compared with openssl", program)
		}
	}
}

func TestPreferredMatchesRecordedOpenSSL(t *testing.T) {
	text, err := os.ReadFile("testdata/openssl.txt")
	require.NoError(t, err)
	want := parseSpell(t, string(text))
	all := rareCertificates(t)
	assert.Len(t, want, len(all))
	for name, der := range all {
		assert.Equal(t, want[name], preferred(t, der), name)
	}
}

func TestRecordedOpenSSLIsCurrent(t *testing.T) {
	needOpenSSL(t)
	dir := t.TempDir()
	var files []string
	for name, der := range rareCertificates(t) {
		file := filepath.Join(dir, name+".pem")
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
		files = append(files, file)
	}
	slices.Sort(files)
	got := runSpell(t, files...)
	var text strings.Builder
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".pem")
		for _, line := range got[strings.TrimSuffix(file, ".pem")] {
			text.WriteString(name + "\t" + line + "\n")
		}
	}
	if *update {
		require.NoError(t, os.WriteFile("testdata/openssl.txt", []byte(text.String()), 0o644))
	}
	want, err := os.ReadFile("testdata/openssl.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), text.String())
}

// TestPreferredMatchesOpenSSL compares the mappings of third-party certificates.
func TestPreferredMatchesOpenSSL(t *testing.T) {
	t.Parallel() // most of the work is done by openssl
	root := vectors.Dir(t)
	needOpenSSL(t)
	var files []string
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "certs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".pem" {
			files = append(files, path)
		}
		return err
	}))
	got := runSpell(t, files...)
	compared := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		block, _ := pem.Decode(text)
		want := got[strings.TrimSuffix(file, ".pem")]
		if block == nil || want == nil {
			continue // not read by openssl either
		}
		got := preferred(t, block.Bytes)
		if _, err := mapping.Of(block.Bytes, mapping.Entra); err != nil {
			// The package may refuse a field that openssl prints.
			want = slices.DeleteFunc(want, func(s string) bool { return !slices.Contains(got, s) })
			require.NotContains(t, err.Error(), "\n")
		}
		assert.Equal(t, want, got, filepath.Base(file))
		compared++
	}
	assert.GreaterOrEqual(t, compared, 20, "certificates compared")
	t.Logf("compared the mappings of %d certificates", compared)
}

// TestExampleCertificate checks the certificate of the examples.
func TestExampleCertificate(t *testing.T) {
	der := spec{
		serial:     unhex(t, "48efa06ba8127299499b069f133441b2"),
		extensions: [][]byte{san(upnName("bob@contoso.com")), ski(keyID)},
	}.make(t)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if *update {
		require.NoError(t, os.WriteFile("testdata/bob.pem", text, 0o644))
	}
	want, err := os.ReadFile("testdata/bob.pem")
	require.NoError(t, err)
	assert.Equal(t, string(want), string(text))
}
