package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/piv"
)

const provisionHelp = `Provision prepares a PIV card for signing in to Windows: it generates a key, stores a certificate for it, and writes the objects that Windows reads. It administers the card by SP 800-73 only, so it is not limited to one vendor's.

It writes to slot 9A, and refuses a card on which that slot is in use unless -overwrite is set. The management key is read, in hexadecimal, from the variable that -key-env names; the default is the factory setting of most cards. A key of 24 bytes is for 3DES, or for AES-192 with -aes, as on a new YubiKey from firmware 5.7 on.

The certificate is for tests only: the private key of the authority that issues it is public.

With -json it prints the certificates on the card as list does.

    smartlogon provision -softcard
    smartlogon provision -reader NAME -upn alice@example.com`

// provisionOptions holds the values of the flags of provision.
type provisionOptions struct {
	software, overwrite bool
	reader, user        string
	keyVariable         string
	aes, json           bool
}

// newProvision returns the command provision.
func newProvision(env *cli.Env) *cli.Command {
	var o provisionOptions
	flags := flag.NewFlagSet("provision", flag.ContinueOnError)
	flags.BoolVar(&o.software, "softcard", false, "use a new software card instead of this machine's readers")
	flags.StringVar(&o.reader, "reader", "", "`name` of the reader with the card")
	flags.BoolVar(&o.overwrite, "overwrite", false, "overwrite the key and the certificate in slot 9A")
	flags.StringVar(&o.user, "upn", "alice@example.com", "user principal `name` in the certificate")
	flags.StringVar(&o.keyVariable, "key-env", "", "read the management key, hexadecimal, from this environment `variable`")
	flags.BoolVar(&o.aes, "aes", false, "a management key of 24 bytes is for AES-192, not for 3DES")
	flags.BoolVar(&o.json, "json", false, "print the certificates on the card as JSON, one object per line")
	run := func(ctx context.Context, _ []string) error {
		switch {
		case o.software && (o.reader != "" || o.overwrite || o.aes):
			return cli.Usagef("-reader, -overwrite and -aes have no effect with -softcard")
		case o.software:
			o.reader = "Software Reader 00"
			return provision(ctx, cardtest.NewService(cardtest.PIV()), o, env)
		case o.reader == "":
			return cli.Usagef("-reader is missing (smartlogon list prints the readers)")
		}
		return provision(ctx, env.Service(), o, env)
	}
	return &cli.Command{
		Name:    "provision",
		Summary: "put a key and a certificate for tests on a PIV card",
		Help:    provisionHelp,
		Flags:   flags,
		Run:     run,
	}
}

// provision prepares the card in a reader of service, and closes service.
func provision(ctx context.Context, service *card.Service, o provisionOptions, env *cli.Env) error {
	steps := env.Stdout
	if o.json {
		steps = io.Discard
	}
	defer service.Close()

	if err := cli.CheckReader(ctx, service, o.reader); err != nil {
		return err
	}

	// 1. The card. What is in slot 9A would be lost.
	c, err := service.Card(ctx, o.reader)
	if err != nil {
		return err
	}
	if !o.overwrite {
		if err := checkEmpty(ctx, piv.New(c)); err != nil {
			return err
		}
	}

	// 2. The management key. Each call authenticates with it; Check fails on a
	// wrong key before anything is written.
	key, err := managementKey(o.keyVariable, o.aes)
	if err != nil {
		return err
	}
	defer key.Destroy()
	admin := piv.New(c).Admin(key)
	if err := admin.Check(ctx); err != nil {
		return err
	}
	fmt.Fprintf(steps, "Card in %q: management key accepted.\n", o.reader)

	// 3. A key pair, generated on the card. The private key cannot be exported.
	stop := env.Progress("Generating a key on the card")
	public, err := admin.Generate(ctx, piv.Authentication, piv.RSA2048, nil)
	stop()
	if err != nil {
		return err
	}
	fmt.Fprintln(steps, "Generated an RSA-2048 key in slot 9A.")

	// 4. A certificate for the key, with what Windows requires for sign-in.
	_, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: publicKey{public: public}, UPNs: []string{o.user}})
	if err := admin.PutCertificate(ctx, piv.Authentication, certificate); err != nil {
		return err
	}
	fmt.Fprintf(steps, "Stored a certificate of %d bytes for %q.\n", len(certificate), o.user)

	// 5. The card's identifier (CHUID). Windows caches cards by it, so an existing
	// one is kept.
	if err := ensureCHUID(ctx, piv.New(c), admin); err != nil {
		return err
	}

	// 6. The credentials on the card, judged by Windows' rules.
	return showCredentials(ctx, service, o, env.Stdout)
}

// managementKey reads the management key from a variable; without one it returns
// the default key (SP 800-73-4 leaves it to the vendor; most use this one). The
// length of the key selects the algorithm, and aes that of a key of 24 bytes.
func managementKey(variable string, aes bool) (piv.ManagementKey, error) {
	key := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3)
	if variable != "" {
		var err error
		if key, err = hex.DecodeString(os.Getenv(variable)); err != nil || len(key) == 0 {
			return piv.ManagementKey{}, fmt.Errorf("variable %s: not a hexadecimal key", variable)
		}
	}
	algorithm := piv.TripleDES
	switch n := len(key); {
	case aes && n != 24:
		return piv.ManagementKey{}, cli.Usagef("-aes is for a management key of 24 bytes, not of %d", n)
	case aes:
		algorithm = piv.AES192
	case n == 16:
		algorithm = piv.AES128
	case n == 32:
		algorithm = piv.AES256
	}
	return piv.NewManagementKey(algorithm, key)
}

// ensureCHUID writes a CHUID with a random GUID, unless the card has one.
func ensureCHUID(ctx context.Context, c *piv.Card, admin *piv.Admin) error {
	if _, err := c.CHUID(ctx); !errors.Is(err, piv.ErrNotFound) {
		return err
	}
	chuid := piv.CHUID{Expires: time.Now().AddDate(10, 0, 0).Format("20060102")}
	rand.Read(chuid.GUID[:]) // never fails
	content, err := chuid.MarshalBinary()
	if err != nil {
		return err
	}
	return admin.PutObject(ctx, piv.ObjectCHUID, content)
}

// showCredentials prints the credentials in a reader. An error can be about another reader, so
// it counts only if there are none.
func showCredentials(ctx context.Context, service *card.Service, o provisionOptions, stdout io.Writer) error {
	finder := enumerate.Finder{Service: service}
	listErr := enumerate.ErrNotOffered
	shown := false
	for c, err := range finder.All(ctx) {
		switch {
		case err != nil:
			listErr = errors.Join(listErr, err)
		case c.Reader == o.reader && o.json:
			shown = true
			if err := cli.PrintJSON(stdout, newListed(c)); err != nil {
				return err
			}
		case c.Reader == o.reader:
			shown = true
			fmt.Fprintf(stdout, "%s: tile %q, offered: %t\n", cli.Escape(c.Container), c.Title(), c.Findings.Offered())
		}
	}
	if !shown {
		return listErr
	}
	return nil
}

// publicKey is a crypto.Signer that cannot sign: the certificate authority of the
// tests takes the subject's key as a Signer, and uses only its public key.
type publicKey struct {
	crypto.Signer
	public crypto.PublicKey
}

func (k publicKey) Public() crypto.PublicKey { return k.public }
