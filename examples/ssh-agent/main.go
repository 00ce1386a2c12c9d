// Ssh-agent is an SSH agent with the keys on the smart cards in this machine's readers.
//
// Start it in a terminal, where the PIN is asked for. Its first line of output is the
// command that makes the programs in another terminal use it:
//
//	export SSH_AUTH_SOCK='/tmp/ssh-agent123/agent'
//	ssh-add -L                  # the keys, as lines for authorized_keys
//	ssh alice@server.example
//	ssh-add -L | head -n 1 >key.pub
//	git -c gpg.format=ssh -c user.signingKey=key.pub commit -S
//
// It runs until it is interrupted. With -pin-env the PIN is read from a variable. After
// the time of -t it is asked for again. With -c each use of a key is confirmed by the
// program that SSH_ASKPASS names, as OpenSSH's agent does for ssh-add -c.
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
	"syscall"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/sshagent"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

func main() {
	log.SetOutput(io.Discard) // of package agent: see sshagent.Agent.Log
	cli.Main("ssh-agent", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], pcsc.System(nil), os.Stdout, os.Stderr)
	}, syscall.SIGTERM)
}

// run serves the keys on the cards of service until ctx ends, and closes service.
func run(ctx context.Context, args []string, service *card.Service, stdout, stderr io.Writer) error {
	defer service.Close()
	flags := flag.NewFlagSet("ssh-agent", flag.ContinueOnError)
	lifetime := flags.Duration("t", 0, "ask for the PIN again after this `time`, such as 10m")
	confirm := flags.Bool("c", false, "confirm each use of a key with the program that SSH_ASKPASS names")
	pinVariable := flags.String("pin-env", "", "read the PIN from this environment `variable`")
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	keys := &sshagent.Agent{
		Finder:   &enumerate.Finder{Service: service},
		PIN:      prompt.Terminal(os.Stdin),
		Lifetime: *lifetime,
		Log: func(err error) {
			fmt.Fprintln(stderr, cli.ErrorText(err))
			if hint := card.Hint(err); hint != "" {
				fmt.Fprintln(stderr, cli.Escape(hint))
			}
		},
	}
	defer keys.Close()
	if *pinVariable != "" {
		keys.PIN = prompt.Env(*pinVariable)
	}
	if *confirm {
		keys.Confirm = askToConfirm
	}

	// Every user who can open the socket can use the keys. Only this one can enter
	// the folder.
	folder, err := os.MkdirTemp("", "ssh-agent")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	listener, err := net.Listen("unix", filepath.Join(folder, "agent"))
	if err != nil {
		return err
	}
	path := strings.ReplaceAll(listener.Addr().String(), "'", `'\''`)
	fmt.Fprintf(stdout, "export SSH_AUTH_SOCK='%s'\n", path)
	return keys.Serve(ctx, listener)
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
