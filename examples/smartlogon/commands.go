package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/examples/internal/explain"
	"github.com/smartlogon/smartlogon/examples/internal/signin"
	"github.com/smartlogon/smartlogon/examples/internal/softcard"
)

const rootHelp = `Smartlogon works with the smart cards in this machine's readers: it lists and explains the certificates on them, signs in, changes PINs, and gives keys to SSH and Kerberos.

    smartlogon list           the certificates on the cards
    smartlogon explain        why Windows would offer them or not
    smartlogon doctor         what is wrong, and what to do next
    smartlogon help COMMAND   the flags of a command

The exit status is 0, 1 after an error, and 2 for invalid flags or arguments. Flags can be written with one hyphen or two. Without a terminal, output is neither wrapped nor colored.`

// newRoot returns the program with all its commands.
func newRoot(env *cli.Env) *cli.Command {
	flags := flag.NewFlagSet("smartlogon", flag.ContinueOnError)
	flags.Func("color", "`when` to print colors: auto, always or never; auto obeys NO_COLOR (default auto)", env.SetColor)
	root := &cli.Command{
		Name:    "smartlogon",
		Summary: "sign in with smart cards, and see what is on them",
		Help:    rootHelp,
		Flags:   flags,
		Commands: []*cli.Command{
			newList(env),
			explain.New(env),
			newWatch(env),
			signin.New(env),
			newPIN(env),
			newProvision(env),
			newAgent(env),
			newKinit(env),
			softcard.New(env),
			newDoctor(env),
			newVersion(env),
		},
	}
	root.Commands = append(root.Commands, newMan(env, root), newHelp(env, root))
	return root
}

// newHelp returns the command that prints the help of others.
func newHelp(env *cli.Env, root *cli.Command) *cli.Command {
	run := func(_ context.Context, args []string) error {
		c, path := root, ""
		for _, name := range args {
			i := slices.IndexFunc(c.Commands, func(sub *cli.Command) bool { return sub.Name == name })
			if i < 0 {
				return cli.Usagef("no command %q", name)
			}
			path = strings.TrimSpace(path + " " + c.Name)
			c = c.Commands[i]
		}
		_, err := fmt.Fprint(env.Stdout, env.HelpText(c, path))
		return err
	}
	return &cli.Command{
		Name:    "help",
		Summary: "print the help of a command",
		Help:    "Help prints the help of a command, as in smartlogon help pin change.",
		Files:   "[COMMAND ...]",
		Run:     run,
	}
}
