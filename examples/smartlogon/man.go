package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

// manDate is the date of the manual pages.
const manDate = "December 1, 2026"

// newMan returns the command that writes the manual pages.
func newMan(env *cli.Env, root *cli.Command) *cli.Command {
	flags := flag.NewFlagSet("man", flag.ContinueOnError)
	dir := flags.String("dir", "", "write all pages into this `folder`, which exists")
	run := func(context.Context, []string) error {
		pages := cli.ManPages(root, "", manDate)
		if *dir == "" {
			_, err := fmt.Fprint(env.Stdout, pages["smartlogon.1"])
			return err
		}
		for name, text := range pages {
			if err := os.WriteFile(filepath.Join(*dir, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	return &cli.Command{
		Name:    "man",
		Summary: "write the manual pages",
		Help: `Man prints the manual page of the program, or writes all pages into a folder.

    smartlogon man | man -l -
    smartlogon man -dir /usr/local/share/man/man1`,
		Flags: flags,
		Run:   run,
	}
}
