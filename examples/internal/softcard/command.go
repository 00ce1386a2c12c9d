// Package softcard serves a software smart card to any PC/SC program. It is the
// command softcard.
package softcard

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

const help = `Softcard serves a software smart card to any PC/SC program until it is interrupted.

It listens on a Unix socket, and speaks the protocol of pcscd. Its first line of output is the shell command that makes programs connect to it:

    export PCSCLITE_CSOCK_NAME=/tmp/softcard123/pcscd.comm

After the line "ready", programs find a reader with the card in it. This needs neither root nor pcscd. With -vpcd the card is inserted into a virtual reader of the vsmartcard project instead, and so into a real pcscd; with both -vpcd and -socket, into both.

With -json it prints one object with "socket" when the card can be used.

Kinds of card (-app):

    piv              a PIV card; alice@example.com can sign in with it
    yubikey          a YubiKey in factory state
    yubikey-VERSION  the same with this firmware, as in yubikey-4.3.5
    gids             a card with the GIDS application
    gids-blank       the same, not initialized
    tpm              a Windows virtual smart card
    piv+gids         a card with both applications

The PIN is 123456, the PUK 12345678. The private keys are public. With -cert and -key the card has a certificate and a key of your own in slot 9A, or kxc00 of the GIDS application. From a PKCS #12 file:

    openssl pkcs12 -in alice.p12 -nodes -out alice.pem
    smartlogon softcard -cert alice.pem -key alice.pem`

// New returns the command.
func New(env *cli.Env) *cli.Command {
	flags := flag.NewFlagSet("softcard", flag.ContinueOnError)
	app := flags.String("app", "piv", "`kind` of card: "+strings.Join(kinds(), ", "))
	dir := flags.String("dir", "", "`folder` with the contents of the card")
	certificate := flags.String("cert", "", "PEM `file` with the certificate in slot 9A; needs -key")
	key := flags.String("key", "", "PEM `file` with its private key, which is not encrypted; needs -cert")
	reader := flags.String("reader", "", "`name` of the reader; some programs recognize a card by it")
	socket := flags.String("socket", "", "`path` of the socket; by default in a new folder")
	vpcd := flags.String("vpcd", "", "`address` of a virtual reader of vsmartcard, usually 127.0.0.1:35963")
	trace := flags.Bool("trace", false, "print each command and response with its meaning; PINs and keys are masked")
	asJSON := flags.Bool("json", false, "print an object with the socket in place of the shell command, once the card can be used")
	run := func(ctx context.Context, _ []string) error {
		if *vpcd != "" && *socket == "" && (*reader != "" || *trace) {
			return cli.Usagef("-reader and -trace have no effect with -vpcd alone; add -socket")
		}
		if (*certificate == "") != (*key == "") {
			return cli.Usagef("-cert and -key need each other")
		}
		card, err := newCard(*app, *dir)
		if err == nil && *certificate != "" {
			err = putPEM(card, *app, *certificate, *key)
		}
		if err != nil {
			return err
		}
		readers := cardtest.NewReaders()
		defer readers.Close()
		name := readerName(*reader, *app)
		readers.Plug(name, card)
		if *trace {
			readers.Trace(env.Stdout)
		}

		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		ended := make(chan error, 2)
		serving := 0
		path := ""
		if *socket != "" || *vpcd == "" {
			l, remove, err := listen(*socket)
			if err != nil {
				return err
			}
			defer remove()
			path = l.Addr().String()
			if !*asJSON {
				fmt.Fprintf(env.Stdout, "export PCSCLITE_CSOCK_NAME=%s\n", quote(path))
			}
			go func() { ended <- readers.Serve(l) }()
			serving++
		}
		if *vpcd != "" {
			go func() { ended <- card.ServeVPCD(ctx, *vpcd) }()
			serving++
		}
		if *asJSON {
			cli.PrintJSON(env.Stdout, struct {
				Socket string `json:"socket,omitempty"`
			}{path})
		} else {
			fmt.Fprintln(env.Stdout, "ready")
		}

		select {
		case <-ctx.Done():
		case err = <-ended:
			serving--
		}
		cancel()
		err = errors.Join(err, readers.Close())
		for range serving {
			err = errors.Join(err, <-ended)
		}
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	return &cli.Command{
		Name:    "softcard",
		Summary: "serve a software card to other programs, for tests",
		Help:    help,
		Flags:   flags,
		Run:     run,
	}
}

// listen creates the socket. Every process that can open the socket can use the
// card, so the default is in a new folder that only the user can enter.
func listen(path string) (l net.Listener, remove func(), err error) {
	if path != "" {
		l, err = net.Listen("unix", path)
		return l, func() {}, err
	}
	dir, err := os.MkdirTemp("", "softcard")
	if err != nil {
		return nil, nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	if l, err = net.Listen("unix", filepath.Join(dir, "pcscd.comm")); err != nil {
		remove()
	}
	return l, remove, err
}

// quote quotes a path for a shell, if that is necessary.
func quote(path string) string {
	if strings.IndexFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-+:", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
