package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/sshagent"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

const agentHelp = `Ssh-agent is an SSH agent with the keys on the cards in this machine's readers. It runs until it is interrupted, and asks for the PIN where it was started.

Its first line of output is the command that makes the programs in another terminal use it:

    export SSH_AUTH_SOCK='/tmp/ssh-agent123/agent'
    ssh-add -L                  # the keys, as lines for authorized_keys
    ssh alice@server.example

With -json that line is an object with "socket".`

// newAgent returns the command ssh-agent.
func newAgent(env *cli.Env) *cli.Command {
	flags := flag.NewFlagSet("ssh-agent", flag.ContinueOnError)
	lifetime := flags.Duration("t", 0, "ask for the PIN again after this `time`, such as 10m")
	confirm := flags.Bool("c", false, "confirm each use of a key with the program that SSH_ASKPASS names")
	asJSON := flags.Bool("json", false, "print JSON")
	ask := cli.PINFlags(flags)
	run := func(ctx context.Context, _ []string) error {
		log.SetOutput(io.Discard) // of package agent: see sshagent.Agent.Log
		service := env.Service()
		defer service.Close()
		keys := &sshagent.Agent{
			Finder:   &enumerate.Finder{Service: service},
			PIN:      ask(env),
			Lifetime: *lifetime,
			Log:      func(err error) { printError(env.Stderr, err) },
		}
		defer keys.Close()
		if *confirm {
			keys.Confirm = askToConfirm
		}
		return serveAgent(ctx, env, keys, *asJSON)
	}
	return &cli.Command{
		Name:    "ssh-agent",
		Summary: "serve the keys on the cards to SSH programs",
		Help:    agentHelp,
		Flags:   flags,
		Run:     run,
	}
}

// serveAgent serves an agent on a socket in a folder that only this user can enter:
// every user who can open the socket can use the keys.
func serveAgent(ctx context.Context, env *cli.Env, keys *sshagent.Agent, asJSON bool) error {
	folder, err := os.MkdirTemp("", "ssh-agent")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "agent")
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if asJSON {
		cli.PrintJSON(env.Stdout, struct {
			Socket string `json:"socket"`
		}{path})
	} else {
		fmt.Fprintf(env.Stdout, "export SSH_AUTH_SOCK='%s'\n", strings.ReplaceAll(path, "'", `'\''`))
	}
	return keys.Serve(ctx, listener)
}

func printError(w io.Writer, err error) {
	fmt.Fprintln(w, cli.Message(err))
	if hint := card.Hint(err); hint != "" {
		fmt.Fprintln(w, cli.Escape(hint))
	}
}

// askToConfirm runs the program that SSH_ASKPASS names, which exits with 0 if the user
// agrees.
func askToConfirm(ctx context.Context, use sshagent.Use) error {
	program := os.Getenv("SSH_ASKPASS")
	if program == "" {
		return errors.New("SSH_ASKPASS names no program")
	}
	question := exec.CommandContext(ctx, program, use.String())
	question.Env = append(os.Environ(), "SSH_ASKPASS_PROMPT=confirm")
	return question.Run()
}
