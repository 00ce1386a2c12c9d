//go:build windows || (cgo && !pcsclite_go)

// Yubikey makes a YubiKey a card to sign in to Windows with, by piv-go, and then
// signs in with it by this library.
//
//	yubikey -soft        # a YubiKey made of software
//	yubikey -overwrite   # the one that is plugged in; slot 9A is overwritten
//
// Step by step: a key in slot 9A, the YubiKey's word that it made the key itself,
// a certificate request, a logon certificate from a small authority, stored on
// the YubiKey; then what Windows would make of it, and a challenge signed. The
// PIN is the one that YubiKeys come with, or that of the variable YUBIKEY_PIN; the
// management key is the one they come with.
package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	pivgo "github.com/go-piv/piv-go/v2/piv"
	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/upn"
)

const (
	user        = "alice@example.com"
	pinVariable = "YUBIKEY_PIN"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "yubikey:", err)
		if hint := card.Hint(err); hint != "" {
			fmt.Fprintln(os.Stderr, hint)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("yubikey", flag.ContinueOnError)
	soft := flags.Bool("soft", false, "use a YubiKey made of software")
	overwrite := flags.Bool("overwrite", false, "overwrite key and certificate in slot 9A of the YubiKey that is plugged in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *soft == *overwrite {
		return errors.New("say -soft, or -overwrite to change a real YubiKey")
	}
	if os.Getenv(pinVariable) == "" {
		os.Setenv(pinVariable, pivgo.DefaultPIN)
	}
	readers, roots, err := open(*soft)
	if err != nil {
		return err
	}
	defer readers.close()
	name, err := provision(roots, stdout)
	if err != nil {
		return err
	}
	return signIn(ctx, readers.service(), name, stdout)
}

// provision does what piv-go is for. While it has the YubiKey open nobody else
// can use it.
func provision(roots *x509.CertPool, stdout io.Writer) (reader string, err error) {
	names, err := pivgo.Cards()
	if err != nil {
		return "", err
	}
	for _, n := range names {
		if strings.Contains(strings.ToLower(n), "yubikey") {
			reader = n
		}
	}
	if reader == "" {
		return "", errors.New("no YubiKey is plugged in")
	}
	yk, err := pivgo.Open(reader)
	if err != nil {
		return "", err
	}
	defer yk.Close()

	// 1. The YubiKey makes a key. The private half never leaves it.
	public, err := yk.GenerateKey(pivgo.DefaultManagementKey, pivgo.SlotAuthentication, pivgo.Key{
		Algorithm:   pivgo.AlgorithmRSA2048,
		PINPolicy:   pivgo.PINPolicyOnce,
		TouchPolicy: pivgo.TouchPolicyNever,
	})
	if err != nil {
		return "", err
	}
	v := yk.Version()
	fmt.Fprintf(stdout, "YubiKey in %q, firmware %d.%d.%d: made an RSA key in slot 9A.\n", reader, v.Major, v.Minor, v.Patch)

	// 2. It attests that: whoever trusts its maker knows that there is no copy.
	if err := checkAttestation(yk, roots, stdout); err != nil {
		return "", err
	}

	// 3. A certificate request proves to the authority that the key is there.
	private, err := yk.PrivateKey(pivgo.SlotAuthentication, public, pivgo.KeyAuth{PIN: os.Getenv(pinVariable)})
	if err != nil {
		return "", err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		return "", err
	}

	// 4. The authority issues a certificate: the user principal name, smart card
	// logon and client authentication.
	certificate, err := issue(request)
	if err != nil {
		return "", err
	}
	if err := yk.SetCertificate(pivgo.DefaultManagementKey, pivgo.SlotAuthentication, certificate); err != nil {
		return "", err
	}
	fmt.Fprintf(stdout, "Certificate for %s stored.\n", user)
	return reader, nil
}

func checkAttestation(yk *pivgo.YubiKey, roots *x509.CertPool, stdout io.Writer) error {
	issuer, err := yk.AttestationCertificate()
	if err != nil {
		return err
	}
	statement, err := yk.Attest(pivgo.SlotAuthentication)
	if err != nil {
		return err
	}
	verifier := pivgo.Verifier{Roots: roots}
	attested, err := verifier.Verify(issuer, statement)
	if err != nil {
		return err
	}
	policies := map[pivgo.PINPolicy]string{pivgo.PINPolicyNever: "never", pivgo.PINPolicyOnce: "once", pivgo.PINPolicyAlways: "always"}
	fmt.Fprintf(stdout, "Attested: serial %d, PIN asked for: %s.\n", attested.Serial, policies[attested.PINPolicy])
	return nil
}

// issue is the work of the authority. This one trusts everybody.
func issue(request []byte) (*x509.Certificate, error) {
	r, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, err
	}
	if err := r.CheckSignature(); err != nil {
		return nil, err
	}
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: holder{public: r.PublicKey}, UPNs: []string{user}})
	return x509.ParseCertificate(der)
}

// A holder of a key is known by its public half.
type holder struct {
	crypto.Signer
	public crypto.PublicKey
}

func (h holder) Public() crypto.PublicKey { return h.public }

// signIn is what this library is for.
func signIn(ctx context.Context, service *card.Service, reader string, stdout io.Writer) error {
	defer service.Close()
	find := enumerate.Finder{Service: service}
	for c, err := range find.All(ctx) {
		if err != nil {
			return err
		}
		if c.Reader != reader || c.Container != "9A" {
			continue
		}
		name, err := upn.SignIn{}.Name(c.Names)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "Windows would show %q and send %q.\n", c.Title(rules.Policy{}), name.Value)
		for _, f := range c.Findings {
			fmt.Fprintf(stdout, "  %-18s %-7s %s\n", f.Rule, f.Verdict, f.Detail())
		}
		key, err := c.Unlock(ctx, prompt.Env(pinVariable))
		if err != nil {
			return err
		}
		defer key.Close()
		const server = "https://example.com"
		sent := challenge.New("sign-in", server)
		answer, err := challenge.Respond(key, c.Raw, sent, server)
		if err != nil {
			return err
		}
		verifier := challenge.Verifier{Roots: cardtest.TestCA().Pool()}
		who, err := verifier.Verify(ctx, sent, answer)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "Challenge signed and verified: %s.\n", who.Name.Value)
		return nil
	}
	return enumerate.ErrNotOffered
}
