// Softcard is a smart card made of software that any PC/SC program takes for a
// real one, until it is interrupted.
//
//	softcard [-app piv] [-dir CARDFOLDER] [-reader NAME] [-socket PATH] [-vpcd HOST:PORT] [-trace]
//
// It serves a reader with the card on a unix socket, in the protocol of pcscd.
// Its first line is what a shell runs to make programs look there:
//
//	export PCSCLITE_CSOCK_NAME=/tmp/softcard123/pcscd.comm
//
// and when it says "ready", they find the card. No root and no daemon is needed.
// With -vpcd it plugs the card into a virtual reader of the vsmartcard project,
// and so into a real pcscd, instead; with -socket, too, into both.
//
// The card is a PIV card with which alice@example.com can sign in; its PIN is
// 123456, its PUK 12345678. With -dir its contents come from a folder, see
// cardtest.Load. It guards nothing: its keys are public. With -app yubikey it is
// a YubiKey as from the factory, in a reader with a YubiKey's name. With -app gids
// it has the GIDS application of virtual smart cards instead, with -app tpm it is
// such a card, with -app gids-blank one that nobody has set up (gids-tool -X does),
// and with -app piv+gids it has both applications.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/smartlogon/smartlogon/card/cardtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, terminate)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "softcard:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("softcard", flag.ContinueOnError)
	app := flags.String("app", "piv", "kind of the card: "+strings.Join(kinds(), ", "))
	dir := flags.String("dir", "", "`folder` with the contents of the card")
	reader := flags.String("reader", "", "`name` of the reader; some programs look for their maker's")
	socket := flags.String("socket", "", "`path` of the socket; without it one is made in a new folder")
	vpcd := flags.String("vpcd", "", "`address` of a virtual reader, mostly 127.0.0.1:35963")
	trace := flags.Bool("trace", false, "print each command and answer with its meaning, PINs and keys masked")
	if err := flags.Parse(args); err != nil {
		return err
	}
	card, err := newCard(*app, *dir)
	if err != nil {
		return err
	}
	readers := cardtest.NewReaders()
	defer readers.Close()
	name := readerName(*reader, *app)
	readers.Plug(name, card)
	if *trace {
		readers.Trace(stdout)
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	serving := 0
	if *socket != "" || *vpcd == "" {
		l, remove, err := listen(*socket)
		if err != nil {
			return err
		}
		defer remove()
		fmt.Fprintf(stdout, "export PCSCLITE_CSOCK_NAME=%s\n", quote(l.Addr().String()))
		go func() { ended <- readers.Serve(l) }()
		serving++
	}
	if *vpcd != "" {
		go func() { ended <- card.ServeVPCD(ctx, *vpcd) }()
		serving++
	}
	fmt.Fprintln(stdout, "ready")

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

// listen makes the socket where programs will look. Whoever can open it can use
// the card, so the folder that it makes is the user's own.
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

// quote makes a path safe for a shell, if it is not.
func quote(path string) string {
	if strings.IndexFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-+:", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
