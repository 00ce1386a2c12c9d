package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCompletions(t *testing.T) {
	readers := cardtest.NewReaders()
	defer readers.Close()
	for _, test := range []struct{ args, want []string }{
		{[]string{"pin"}, []string{"status:", "change:", "unblock:"}},
		{[]string{"list", "-"}, []string{"-json:print JSON", "-reader:print only the card in the reader of this name"}},
	} {
		out, err := smartlogon(t, readers, append(test.args, "--generate-shell-completion")...)
		require.NoError(t, err)
		for _, want := range test.want {
			assert.Contains(t, out, want, "%q", test.args)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "pwsh"} {
		out, err := smartlogon(t, readers, "completion", shell)
		require.NoError(t, err)
		assert.Contains(t, out, "generate-shell-completion", shell)
	}
	out, err := smartlogon(t, readers, "completion", "-h")
	require.NoError(t, err)
	assert.Contains(t, out, "smartlogon completion bash")
}

// TestCompletionInShells loads each script into its shell and completes "smartlogon p".
func TestCompletionInShells(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "smartlogon")); err != nil {
		t.Skip("no symbolic links: ", err)
	}
	for shell, script := range map[string]string{
		"bash": `_get_comp_words_by_ref() { :; }
			source <(smartlogon completion bash) || exit 1
			COMP_WORDS=(smartlogon p) COMP_CWORD=1; __smartlogon_bash_autocomplete; printf '%s\n' "${COMPREPLY[@]}"`,
		"zsh": `autoload -Uz compinit && compinit -u -d "$ZDOTDIR/dump" || exit 1
			source <(smartlogon completion zsh) || exit 1
			echo "${_comps[smartlogon]}"; smartlogon --generate-shell-completion`,
		"fish": `smartlogon completion fish | source; or exit 1
			complete -C 'smartlogon p'`,
		"pwsh": `smartlogon completion pwsh | Out-String | Invoke-Expression; smartlogon --generate-shell-completion`,
	} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip(shell, " is not installed")
			}
			cmd := exec.CommandContext(t.Context(), shell, "-c", script)
			cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
				"SMARTLOGON_TEST_READERS=none", "HOME="+t.TempDir(), "ZDOTDIR="+t.TempDir())
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			words := strings.FieldsFunc(string(out), func(r rune) bool { return strings.ContainsRune("\n\t: ", r) })
			assert.Contains(t, words, "pin")
			assert.Contains(t, words, "provision")
		})
	}
}
