package explain

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/internal/leak"
	"github.com/smartlogon/smartlogon/upn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { leak.Main(m) }

var update = flag.Bool("update", false, "rewrite the files of expected output")

// explainOn runs the program with the readers of a service.
func explainOn(t *testing.T, s *card.Service, args ...string) (string, error) {
	t.Helper()
	defer s.Close()
	var out bytes.Buffer
	env := &cli.Env{Stdout: &out, Service: func() *card.Service { return s }}
	err := New(env).Execute(t.Context(), args)
	return out.String(), err
}

// explain runs the program without readers.
func explain(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return explainOn(t, cardtest.NewService(), args...)
}

// An object is a line of output with -json: a certificate or a fault.
type object struct {
	Source, Error, Remedy, Tile, Container string
	Subject, NotBefore, NotAfter           string
	UPN, RFC822, KeyUsage, EKU             []string
	Offered                                bool
	SignInName, SignInNameSource           string
	Findings                               []struct{ Rule, Verdict, Detail string }
	PoliciesNeeded                         []string
	Requirements                           []struct{ Name, Profile, Verdict, Detail string }
	Matrix                                 map[string]map[string]struct{ Name, Source, Sentence string }
	Mappings                               map[string]map[string][]string
	SID, OtherSID, NotMapped               string
}

// objects parses the output of -json.
func objects(t *testing.T, out string) (list []object) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
		if line == "" {
			continue
		}
		var o object
		require.NoError(t, json.Unmarshal([]byte(line), &o), line)
		list = append(list, o)
	}
	return list
}

const at = "2026-01-01T00:00:00Z"

// ruleCertificates returns the names of the files in which each certificate is about
// one rule.
func ruleCertificates(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../../enumerate/rules/testdata/*.pem")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

func TestOutput(t *testing.T) {
	dir := "../../../enumerate/rules/testdata/"
	for name, args := range map[string][]string{
		"good.txt":  {dir + "upn-UPN.pem"},
		"good.json": {"-json", dir + "upn-UPN.pem"},
		"bad.txt":   {dir + "upn-only-an-address-in-the-subject.pem"},
		"bad.json":  {"-json", dir + "upn-only-an-address-in-the-subject.pem"},
	} {
		out, err := explain(t, append([]string{"-at", at}, args...)...)
		require.NoError(t, err)
		file := filepath.Join("testdata", name)
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(out), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, string(want), out, name)
	}
}

func TestEveryRule(t *testing.T) {
	out, err := explain(t, append([]string{"-json", "-at", at}, ruleCertificates(t)...)...)
	require.NoError(t, err)
	verdicts := map[string]map[string]bool{}
	for _, o := range objects(t, out) {
		assert.Empty(t, o.Error)
		assert.Len(t, o.Findings, 6)
		assert.NotEmpty(t, o.Requirements)
		failed := ""
		for _, f := range o.Findings {
			if verdicts[f.Rule] == nil {
				verdicts[f.Rule] = map[string]bool{}
			}
			verdicts[f.Rule][f.Verdict] = true
			assert.NotEmpty(t, f.Detail)
			if f.Verdict == "failed" || f.Verdict == "unknown" {
				failed += " " + f.Rule
			}
		}
		assert.Equal(t, failed == "", o.Offered, "%s:%s", o.Source, failed)
		if o.Offered {
			assert.Empty(t, o.PoliciesNeeded)
		}
	}
	assert.Len(t, verdicts, 6)
}

func TestPoliciesNeeded(t *testing.T) {
	file := "../../../enumerate/rules/testdata/eku-no-extended-key-usage.pem"
	out, err := explain(t, "-json", "-at", at, file)
	require.NoError(t, err)
	o := objects(t, out)[0]
	assert.False(t, o.Offered)
	require.Equal(t, []string{"AllowCertificatesWithNoEKU"}, o.PoliciesNeeded)
	out, err = explain(t, "-json", "-at", at, "-policy", o.PoliciesNeeded[0]+"=1", file)
	require.NoError(t, err)
	assert.True(t, objects(t, out)[0].Offered)

	out, err = explain(t, "-at", at, file)
	require.NoError(t, err)
	assert.Contains(t, out, "unless by policy: AllowCertificatesWithNoEKU.")
	out, err = explain(t, "-at", at, "../../../enumerate/rules/testdata/key-usage-no-digitalSignature.pem")
	require.NoError(t, err)
	assert.Contains(t, out, "no policy changes that")
}

func TestSituationFlags(t *testing.T) {
	file := "../../../enumerate/rules/testdata/upn-UPN.pem"
	out, err := explain(t, "-json", "-at", at, "-ad-upn", "ad@example.com", "-cached-upn", "cached@example.com", file)
	require.NoError(t, err)
	o := objects(t, out)[0]
	assert.Equal(t, o.UPN[0], o.Matrix["joined"]["first"].Name)
	assert.Equal(t, o.UPN[0], o.Matrix["joined"]["subsequent"].Name)
	assert.Equal(t, "ad@example.com", o.Matrix["hybrid"]["first"].Name)
	assert.Equal(t, "cached@example.com", o.Matrix["hybrid"]["subsequent"].Name)
	for _, cells := range o.Matrix {
		for _, c := range cells {
			assert.NotEmpty(t, c.Sentence)
		}
	}

	out, err = explain(t, "-json", "-at", at, "-hint", "hint@example.com", file)
	require.NoError(t, err)
	o = objects(t, out)[0]
	assert.Equal(t, "hint@example.com", o.SignInName)
	assert.Equal(t, string(upn.FromHint), o.SignInNameSource)

	out, err = explain(t, "-json", "-at", at, "-revision", "2025", "-hint", `EXAMPLE\alice`, file)
	if err == nil {
		assert.Equal(t, "refused", objects(t, out)[0].SignInNameSource)
	}
	_, err = explain(t, "-revision", "1999", file)
	assert.Error(t, err)
}

func TestLegacyRequirements(t *testing.T) {
	out, err := explain(t, "-json", "-legacy", "-at", at, "../../../enumerate/rules/testdata/upn-no-name.pem")
	require.NoError(t, err)
	for _, r := range objects(t, out)[0].Requirements {
		assert.Equal(t, rules.Legacy.String(), r.Profile)
	}
}

// issue writes a certificate to a file, and returns the name of the file.
func issue(t *testing.T, l cardtest.Leaf) string {
	t.Helper()
	_, der := cardtest.TestCA().Issue(l)
	file := filepath.Join(t.TempDir(), "certificate.der")
	require.NoError(t, os.WriteFile(file, der, 0o600))
	return file
}

func TestAccounts(t *testing.T) {
	file := issue(t, cardtest.Leaf{UPNs: []string{"alice@example.com"}, SID: "S-1-5-21-1-2-3-1105"})
	out, err := explain(t, "-json", file)
	require.NoError(t, err)
	o := objects(t, out)[0]
	assert.Equal(t, "S-1-5-21-1-2-3-1105", o.SID)
	assert.Empty(t, o.OtherSID)
	assert.Equal(t, []string{"X509:<PN>alice@example.com"}, o.Mappings["entra"]["PN"])
	assert.Equal(t, []string{"X509:<I>O=cardtest,CN=Test CA<SID>S-1-5-21-1-2-3-1105"}, o.Mappings["ad"]["ISID"])
	for directory, kinds := range map[string][]string{
		"entra": {"PN", "RFC822", "IS", "S", "SKI", "SHA1PUKEY", "ISR"},
		"ad":    {"IS", "S", "ISR", "SKI", "SHA1PUKEY", "RFC822", "ISID"},
	} {
		assert.Len(t, o.Mappings[directory], len(kinds))
		for _, k := range kinds {
			assert.NotNil(t, o.Mappings[directory][k], "%s %s", directory, k)
		}
	}
	out, err = explain(t, file)
	require.NoError(t, err)
	assert.Contains(t, out, `AD     "X509:<I>O=cardtest,CN=Test CA<SID>S-1-5-21-1-2-3-1105" (strong)`)
}

func TestConflictingSIDs(t *testing.T) {
	file := issue(t, cardtest.Leaf{
		SID:  "S-1-5-21-1-2-3-1105",
		URIs: []string{"tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1106"},
	})
	out, err := explain(t, "-json", file)
	require.NoError(t, err)
	o := objects(t, out)[0]
	assert.Equal(t, "S-1-5-21-1-2-3-1105", o.SID)
	assert.Equal(t, "S-1-5-21-1-2-3-1106", o.OtherSID)
	assert.Empty(t, o.NotMapped)
	out, err = explain(t, file)
	require.NoError(t, err)
	assert.Contains(t, out, `second SID "S-1-5-21-1-2-3-1106"`)
	assert.Contains(t, out, `<SID>S-1-5-21-1-2-3-1105" (strong)`)
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice@example.com"}})
	good := write("good.der", string(der))
	for name, bad := range map[string]string{
		"not DER":   write("bad.der", "hello"),
		"empty":     write("empty.der", ""),
		"cut off":   write("cut.der", string(der[:len(der)-1])),
		"other PEM": write("key.pem", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"),
		"missing":   filepath.Join(dir, "not"),
		"folder":    dir,
	} {
		out, err := explain(t, "-json", bad, good)
		assert.ErrorIs(t, err, errUnreadable, name)
		list := objects(t, out)
		require.Len(t, list, 2, name)
		assert.NotEmpty(t, list[0].Error, name)
		assert.Equal(t, bad, list[0].Source, name)
		assert.True(t, list[1].Offered, "%s: the next file is read", name)
	}
	large := write("large.der", "")
	require.NoError(t, os.Truncate(large, cli.MaxFile+1))
	_, err := explain(t, large)
	assert.ErrorIs(t, err, errUnreadable)
}

func TestPEMBundle(t *testing.T) {
	file := filepath.Join(t.TempDir(), "two.pem")
	var text []byte
	for _, f := range ruleCertificates(t)[:2] {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		text = append(text, b...)
	}
	require.NoError(t, os.WriteFile(file, text, 0o600))
	out, err := explain(t, "-json", file)
	require.NoError(t, err)
	list := objects(t, out)
	require.Len(t, list, 2)
	assert.Equal(t, file, list[0].Source)
	assert.Equal(t, file+" (certificate 2)", list[1].Source)
}

func TestInvalidFlags(t *testing.T) {
	var usage *cli.UsageError
	for _, args := range [][]string{
		{"-policy", "Nonsense=1"}, {"-at", "yesterday"}, {"-no-such-flag"}, {"-revision", "1999"}, {"-ad-upn", "alice"},
	} {
		_, err := explain(t, args...)
		assert.ErrorAs(t, err, &usage, "%v", args)
	}
}

// A USB device chooses the name of its reader, and a card the names on it.
func TestOutputIsEscaped(t *testing.T) {
	const name = "Reader\x1b[2J\u009b31m"
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"alice\x1b[2J@example.com"}})
	for _, c := range []*cardtest.Card{
		nil,
		cardtest.PIV().Put("9A", nil, der),
		cardtest.TPM().Put("kxc00", nil, der),
		cardtest.TPM(cardtest.RetriesLeft(1)).Put("kxc00", nil, der),
		cardtest.PIV(cardtest.PIVMissing),
	} {
		readers := cardtest.NewReaders()
		readers.Plug(name, nil)
		if c != nil {
			readers.Insert(name, c)
		}
		for _, args := range [][]string{nil, {"-json"}} {
			out, err := explainOn(t, readers.Service(), args...)
			require.NoError(t, err)
			assert.NotContains(t, out, "\x1b")
			assert.NotContains(t, out, "\u009b")
			if args == nil {
				assert.Contains(t, out, `Reader\x1b[2J\u009b31m: `)
			} else {
				assert.NotEmpty(t, objects(t, out))
				assert.Regexp(t, `Reader(\\u001b|\\\\x1b)\[2J(\\u009b|\\\\u009b)31m`, out) // in a name or in a quoted error
			}
		}
		readers.Close()
	}
	file := filepath.Join(t.TempDir(), "\x1b[2J.pem")
	out, err := explain(t, file)
	assert.ErrorIs(t, err, errUnreadable)
	assert.NotContains(t, out, "\x1b")
}
