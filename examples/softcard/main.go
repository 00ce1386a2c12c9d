// Softcard serves a software smart card to any PC/SC program until it is
// interrupted.
//
//	softcard [-app KIND] [-dir FOLDER] [-reader NAME] [-socket PATH] [-vpcd HOST:PORT] [-trace]
//
// It listens on a Unix socket, and speaks the protocol of pcscd. Its first line of
// output is the shell command that makes programs connect to it:
//
//	export PCSCLITE_CSOCK_NAME=/tmp/softcard123/pcscd.comm
//
// After the line "ready", programs find a reader with the card in it. This needs
// neither root nor pcscd. With -vpcd the card is inserted into a virtual reader of
// the vsmartcard project instead, and so into a real pcscd; with both -vpcd and
// -socket, into both.
//
// Kinds of card (-app):
//
//	piv              a PIV card; alice@example.com can sign in with it
//	yubikey          a YubiKey in factory state; the reader's name is a YubiKey's
//	yubikey-VERSION  the same with this firmware, as in yubikey-4.3.5
//	gids             a card with the GIDS application
//	gids-blank       the same, not initialized (gids-tool -X does that)
//	tpm              a Windows virtual smart card
//	piv+gids         a card with both applications
//
// The PIN is 123456, the PUK 12345678. With -dir the contents of the PIV card come
// from a folder in the format of cardtest.Load. The private keys are public.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

func main() {
	cli.Main("softcard", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Stdout)
	}, terminate)
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("softcard", flag.ContinueOnError)
	app := flags.String("app", "piv", "`kind` of card: "+strings.Join(kinds(), ", "))
	dir := flags.String("dir", "", "`folder` with the contents of the card")
	reader := flags.String("reader", "", "`name` of the reader; some programs recognize a card by it")
	socket := flags.String("socket", "", "`path` of the socket; by default in a new folder")
	vpcd := flags.String("vpcd", "", "`address` of a virtual reader of vsmartcard, usually 127.0.0.1:35963")
	trace := flags.Bool("trace", false, "print each command and response with its meaning; PINs and keys are masked")
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	if *vpcd != "" && *socket == "" && (*reader != "" || *trace) {
		return cli.Usagef("-reader and -trace have no effect with -vpcd alone; add -socket")
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
