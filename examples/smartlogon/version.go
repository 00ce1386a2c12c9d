package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

// A version is the JSON object of the command version.
type version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	System  string `json:"system"`
	CGO     bool   `json:"cgo"` // whether the system's PC/SC library is linked
}

// readVersion returns the version of this program.
func readVersion() version {
	v := version{Version: "unknown", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "CGO_ENABLED" {
				v.CGO = s.Value == "1"
			}
		}
	}
	return v
}

// newVersion returns the command version.
func newVersion(env *cli.Env) *cli.Command {
	flags := flag.NewFlagSet("version", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print JSON")
	run := func(context.Context, []string) error {
		v := readVersion()
		if *asJSON {
			return cli.PrintJSON(env.Stdout, v)
		}
		_, err := fmt.Fprintf(env.Stdout, "smartlogon %s (%s, %s)\n", v.Version, v.Go, v.System)
		return err
	}
	return &cli.Command{
		Name:    "version",
		Summary: "print the version of the program",
		Help:    `Version prints the version of the program, of Go, and the system that it was built for. With -json it prints an object with "version", "go", "system", and "cgo", whether the PC/SC library of the system is linked.`,
		Flags:   flags,
		Run:     run,
	}
}
