package cli

import (
	"context"
	"flag"
	"io"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/pcsc"
)

// An Env is what a Command uses of its process.
type Env struct {
	Stdin          *os.File
	Stdout, Stderr io.Writer

	// Service returns a service for the readers, which the caller closes.
	Service func() *card.Service

	Width int  // columns of Stdout; 0 means that lines are not wrapped
	Color bool // whether Stdout shows colors

	ShowProgress bool // whether Stderr is a terminal that shows progress lines
}

// System returns the Env of this process with the readers of this machine.
func System() *Env {
	return &Env{
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Service: func() *card.Service { return pcsc.System(nil) },
	}
}

// A Command is a program, or a command of the program smartlogon.
type Command struct {
	Name    string
	Summary string // what it does, in a few words
	Help    string // paragraphs and indented examples, as in a package comment
	Files   string // the arguments in the usage line; empty if it takes none

	Flags *flag.FlagSet // nil if it has none
	Run   func(ctx context.Context, args []string) error

	Commands []*Command // in place of Run
}

// Execute parses the arguments of a Command and runs it.
func (c *Command) Execute(ctx context.Context, args []string) error {
	flags := c.Flags
	if flags == nil {
		flags = flag.NewFlagSet(c.Name, flag.ContinueOnError)
	}
	parse := Parse
	if c.Files != "" {
		parse = ParseFiles
	}
	if err := parse(flags, args); err != nil {
		return err
	}
	return c.Run(ctx, flags.Args())
}
