package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/smartlogon/smartlogon/examples/internal/cli"
	urfave "github.com/urfave/cli/v3"
)

// run parses the arguments and runs the command that they name.
func run(ctx context.Context, env *cli.Env, args []string) error {
	root := convert(env, newRoot(env), "")
	root.EnableShellCompletion = true
	root.Writer, root.ErrWriter = env.Stdout, env.Stderr
	root.ExitErrHandler = func(context.Context, *urfave.Command, error) {} // cli.Main reports errors
	root.ConfigureShellCompletionCommand = func(c *urfave.Command) {
		c.OnUsageError = usageError
		c.Flags = []urfave.Flag{newHelpFlag()}
		c.Action = func(_ context.Context, c *urfave.Command) error {
			if c.Bool(helpFlag) {
				_, err := fmt.Fprint(env.Stdout, c.Description)
				return err
			}
			return &cli.UsageError{Command: c.FullName(), Text: "name a shell: bash, zsh, fish or pwsh"}
		}
	}
	return root.Run(ctx, append([]string{root.Name}, args...))
}

const helpFlag = "help"

// urfave/cli prints help from templates of its own, so its flag is replaced.
func init() { urfave.HelpFlag = nil }

// newHelpFlag returns the flag that prints help.
func newHelpFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: helpFlag, Aliases: []string{"h"}, Usage: "print help", Local: true, HideDefault: true}
}

// convert returns a command as urfave/cli has it.
func convert(env *cli.Env, c *cli.Command, path string) *urfave.Command {
	full := strings.TrimSpace(path + " " + c.Name)
	u := &urfave.Command{
		Name:         c.Name,
		Usage:        c.Summary,
		HideHelp:     true,
		Flags:        []urfave.Flag{newHelpFlag()},
		OnUsageError: usageError,
	}
	if c.Flags != nil {
		c.Flags.VisitAll(func(f *flag.Flag) { u.Flags = append(u.Flags, convertFlag(f)) })
	}
	for _, sub := range c.Commands {
		u.Commands = append(u.Commands, convert(env, sub, full))
	}
	u.Action = func(ctx context.Context, u *urfave.Command) error {
		args := u.Args().Slice()
		switch {
		case u.Bool(helpFlag):
			_, err := fmt.Fprint(env.Stdout, env.HelpText(c, path))
			return err
		case c.Run == nil:
			return noCommand(u, args)
		case c.Files == "" && len(args) > 0:
			return &cli.UsageError{Command: full, Text: fmt.Sprintf("unexpected argument %q", args[0])}
		}
		err := c.Run(ctx, args)
		var usage *cli.UsageError
		if errors.As(err, &usage) {
			usage.Command = full
		}
		return err
	}
	return u
}

// convertFlag returns a flag as urfave/cli has it. It sets the original.
func convertFlag(f *flag.Flag) urfave.Flag {
	_, usage := flag.UnquoteUsage(f)
	if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
		return &urfave.BoolFlag{Name: f.Name, Usage: usage, Validator: func(on bool) error {
			return f.Value.Set(strconv.FormatBool(on))
		}}
	}
	return &urfave.StringFlag{Name: f.Name, Usage: usage, Validator: f.Value.Set}
}

// usageError converts an error of urfave/cli.
func usageError(_ context.Context, c *urfave.Command, err error, _ bool) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		text = fmt.Sprintf("no flag -%s", name)
		if like := urfave.SuggestFlag(c.Flags, name, false); like != "" {
			text += fmt.Sprintf("; did you mean -%s?", strings.TrimLeft(like, "-"))
		}
	}
	return &cli.UsageError{Command: c.FullName(), Text: text}
}

// noCommand returns the error for a missing or unknown command.
func noCommand(c *urfave.Command, args []string) error {
	if len(args) == 0 {
		return &cli.UsageError{Command: c.FullName(), Text: "name a command"}
	}
	text := fmt.Sprintf("no command %q", args[0])
	if like := urfave.SuggestCommand(c.Commands, args[0]); like != "" {
		text += fmt.Sprintf("; did you mean %q?", like)
	}
	return &cli.UsageError{Command: c.FullName(), Text: text}
}
