// Smartlogon works with the smart cards in this machine's readers: it lists and explains
// the certificates on them, signs in, changes PINs, and gives keys to SSH and Kerberos.
//
//	smartlogon list                # the certificates on the cards
//	smartlogon explain             # why Windows would offer them or not
//	smartlogon doctor              # what is wrong, and what to do next
//	smartlogon help COMMAND
//
// The exit status is 0, 1 after an error, and 2 for invalid flags or arguments.
//
// The commands are parsed by github.com/urfave/cli: it links no other module, takes the
// flags of package flag (-json), suggests names, and has completion for four shells. The
// commands themselves define their flags with package flag, so each can be a program of
// its own, too.
package main

import (
	"context"
	"os"

	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"golang.org/x/term"
)

func main() {
	cli.Main("smartlogon", func(ctx context.Context) error {
		return run(ctx, processEnv(), os.Args[1:])
	}, cli.Terminate)
}

// processEnv returns the Env of this process, fitted to its terminal.
func processEnv() *cli.Env {
	env := cli.System()
	env.FitTerminal(os.Stdout)
	env.ShowProgress = term.IsTerminal(int(os.Stderr.Fd()))
	return env
}
