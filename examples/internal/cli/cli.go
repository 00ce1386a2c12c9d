// Package cli has what the example programs share: parsing of flags, the exit
// status, and escaping of output. Names in readers, cards and certificates are
// untrusted: printed as they are, they could control the user's terminal.
package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/smartlogon/smartlogon/card"
)

// Main runs a program with a context that ends at the first interrupt or other
// named signal; a second one ends the process at once. The exit status is 0 without
// an error, 2 for a UsageError and 1 for another error.
func Main(name string, run func(ctx context.Context) error, signals ...os.Signal) {
	ctx, stop := signal.NotifyContext(context.Background(), append(signals, os.Interrupt)...)
	context.AfterFunc(ctx, stop)
	os.Exit(report(os.Stderr, width(os.Stderr), name, run(ctx)))
}

// report prints an error with its hint, wrapped to the columns of a terminal, and returns
// the exit status.
func report(w io.Writer, columns int, name string, err error) (status int) {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(w, Wrap(name+": "+Message(err), columns, 2))
	if hint := card.Hint(err); hint != "" {
		fmt.Fprintln(w, Wrap(Escape(hint), columns, 2))
	}
	var usage *UsageError
	if errors.As(err, &usage) {
		fmt.Fprintf(w, "Run %s -h for help.\n", cmp.Or(usage.Command, name))
		return 2
	}
	return 1
}

// A UsageError reports invalid flags or arguments.
type UsageError struct {
	Command string // whose help to read; empty for the program
	Text    string
}

func (e *UsageError) Error() string { return e.Text }

// Usagef returns a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Text: fmt.Sprintf(format, args...)}
}

// Parse parses the flags of a program that takes no arguments. Its error is a
// *UsageError, or flag.ErrHelp after it has printed the help.
func Parse(flags *flag.FlagSet, args []string) error {
	if err := ParseFiles(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return Usagef("unexpected argument %q", flags.Arg(0))
	}
	return nil
}

// ParseFiles parses the flags of a program that takes file names as arguments.
func ParseFiles(flags *flag.FlagSet, args []string) error {
	output := flags.Output()
	flags.SetOutput(io.Discard) // report prints the error
	err := flags.Parse(args)
	flags.SetOutput(output)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.Usage()
	case err != nil:
		return Usagef("%v", err)
	}
	return err
}
