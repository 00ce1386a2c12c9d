// Pivadmin gives a PIV card what a person needs to sign in to Windows: a key, a
// certificate and the objects that Windows looks at. It uses package piv alone,
// so it works with cards of every vendor.
//
//	pivadmin                        # a software card, nothing needed
//	pivadmin -pcsc -reader "NAME"   # a card in a reader of this machine
//
// It replaces the key and the certificate in slot 9A. The management key comes
// from the variable that -key-env names, in hexadecimal; without it, it is the one
// that cards come with. The certificate is issued by an authority that everybody
// has: good enough to see how it goes, and for nothing else.
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
	"os/signal"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/piv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "pivadmin:", err)
		if hint := card.Hint(err); hint != "" {
			fmt.Fprintln(os.Stderr, hint)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("pivadmin", flag.ContinueOnError)
	system := flags.Bool("pcsc", false, "use this machine's readers, not a software card")
	reader := flags.String("reader", "", "the reader with the card; with -pcsc it must be named")
	user := flags.String("upn", "alice@example.com", "user principal name in the certificate")
	keyEnv := flags.String("key-env", "", "`variable` with the management key, hexadecimal")
	if err := flags.Parse(args); err != nil {
		return err
	}

	// 1. The card. Nobody's card is changed by mistake: a reader of the machine
	// has to be named.
	service := cardtest.NewService(cardtest.PIV())
	name := "Software Reader 00"
	if *system {
		service.Close()
		service, name = pcsc.System(nil), *reader
		if name == "" {
			return errors.New("name the reader with -reader; the program explain lists them")
		}
	}
	defer service.Close()
	c, err := service.Card(ctx, name)
	if err != nil {
		return err
	}

	// 2. Its administrator. The key is proved in each call, so a wrong one shows
	// at the first, before anything is changed.
	key, err := managementKey(*keyEnv)
	if err != nil {
		return err
	}
	defer key.Destroy()
	admin := piv.New(c).Admin(key)
	if err := admin.Check(ctx); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Card in %q: the management key is right.\n", name)

	// 3. A key that the card makes itself, and that never leaves it.
	public, err := admin.Generate(ctx, piv.Authentication, piv.RSA2048, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "It made an RSA key of 2048 bits in slot 9A.")

	// 4. A certificate for it, as an authority would issue.
	_, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: holder{public: public}, UPNs: []string{*user}})
	if err := admin.PutCertificate(ctx, piv.Authentication, certificate); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Certificate of %d bytes for %q stored.\n", len(certificate), *user)

	// 5. The name of the card. Windows takes it for another card when this changes.
	if err := identify(ctx, piv.New(c), admin); err != nil {
		return err
	}

	// 6. And this is what Windows would make of it.
	return show(ctx, service, name, stdout)
}

// managementKey is the key of a variable, or the one that cards come with. Its
// length says which algorithm it is for.
func managementKey(variable string) (piv.ManagementKey, error) {
	key := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3)
	if variable != "" {
		var err error
		if key, err = hex.DecodeString(os.Getenv(variable)); err != nil || len(key) == 0 {
			return piv.ManagementKey{}, fmt.Errorf("variable %s holds no hexadecimal key", variable)
		}
	}
	algorithm := piv.TripleDES
	switch len(key) {
	case 16:
		algorithm = piv.AES128
	case 32:
		algorithm = piv.AES256
	}
	return piv.NewManagementKey(algorithm, key)
}

// identify gives the card a unique identifier, unless it has one.
func identify(ctx context.Context, c *piv.Card, admin *piv.Admin) error {
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

// show lists what is on the card now.
func show(ctx context.Context, service *card.Service, reader string, stdout io.Writer) error {
	find := enumerate.Finder{Service: service}
	for c, err := range find.All(ctx) {
		if err != nil {
			return err
		}
		if c.Reader == reader {
			fmt.Fprintf(stdout, "%s: tile %q, offered: %t\n", c.Container, c.Title(rules.Policy{}), c.Findings.Offered())
		}
	}
	return nil
}

// A holder of a key is known by its public half; the card keeps the other.
type holder struct {
	crypto.Signer
	public crypto.PublicKey
}

func (h holder) Public() crypto.PublicKey { return h.public }
