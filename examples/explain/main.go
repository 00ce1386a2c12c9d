// Explain prints, for each certificate, whether Windows would offer it for sign-in,
// which rules decide that, and which user name Windows would send.
//
//	explain [-json] [-at RFC3339] [-policy NAME=1,...] [-trace FILE [-unmasked]] [-html FILE] [FILE ...]
//
// It reads certificates in PEM, DER and PKCS #7 files, also in bare base64 and UTF-16,
// of at most 16 MiB each. Of other files, such as PKCS #12, it prints what they are
// and how to get the certificate.
//
// Without files it reads the cards in this machine's readers. It also reports
// faults of the PC/SC service, the readers and the cards, each with a remedy. It
// does not ask for a PIN and spends no PIN try.
//
// -trace writes the commands and responses to a file, for a report about a card.
// Certificates, card identifiers, serial numbers and what else identifies a user or a
// card are left out, unless -unmasked is set. The answer to reset stays.
//
// -html writes the results into one page for a browser, without references to other
// files.
//
// The user name depends on the device and on what it knows of the user: set
// -hint, -ad-upn, -cached-upn and -revision accordingly. -legacy checks the
// certificate requirements of Windows before Vista.
//
// With -json each certificate is one object on a line of its own, and so is each
// fault, with "source", "error" and, if there is one, "remedy". The exit status is
// 1 if a file or a part of it could not be read, 2 for invalid flags, and 0 otherwise,
// also if no certificate is offered.
package main

import (
	"context"
	"os"

	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/examples/internal/explain"
)

func main() {
	cli.Main("explain", func(ctx context.Context) error {
		return explain.New(cli.System()).Execute(ctx, os.Args[1:])
	})
}
