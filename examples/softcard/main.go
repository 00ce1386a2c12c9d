// Softcard serves a software smart card to any PC/SC program until it is
// interrupted.
//
//	softcard [-app KIND] [-dir FOLDER] [-cert FILE -key FILE] [-reader NAME] [-socket PATH] [-vpcd HOST:PORT] [-trace]
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
// from a folder in the format of cardtest.Load; the private keys are public. With -cert
// and -key, the certificate and the key in slot 9A, or in kxc00 of GIDS, come from PEM
// files.
package main

import (
	"context"
	"os"

	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/examples/internal/softcard"
)

func main() {
	cli.Main("softcard", func(ctx context.Context) error {
		return softcard.New(cli.System()).Execute(ctx, os.Args[1:])
	}, cli.Terminate)
}
