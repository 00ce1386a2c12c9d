package cli

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/prompt"
	"golang.org/x/term"
)

// CheckReader returns a UsageError if a name that the user gave, unless it is empty, is
// not that of a reader. Errors of the service are left to the next call.
func CheckReader(ctx context.Context, service *card.Service, name string) error {
	readers, err := service.Readers(ctx)
	if name == "" || err != nil {
		return nil
	}
	names := make([]string, len(readers))
	for i, r := range readers {
		if r.Name == name {
			return nil
		}
		names[i] = fmt.Sprintf("%q", r.Name)
	}
	if len(names) == 0 {
		return Usagef("no reader %q: there is none", name)
	}
	return Usagef("no reader %q: there are %s", name, strings.Join(names, ", "))
}

// PINFlags defines the flags that say where a PIN comes from. The result returns the
// PINFunc after they are parsed.
func PINFlags(flags *flag.FlagSet) func(*Env) card.PINFunc {
	variable := flags.String("pin-env", "", "read the PIN from this environment `variable`")
	program := flags.String("pinentry", "", "ask for the PIN with this pinentry `program`")
	return func(env *Env) card.PINFunc {
		switch {
		case *variable != "":
			return prompt.Env(*variable)
		case *program != "":
			return prompt.Pinentry(*program)
		case env.Stdin != nil && term.IsTerminal(int(env.Stdin.Fd())):
			return prompt.Terminal(env.Stdin)
		}
		return prompt.TTY() // the standard input is data
	}
}
