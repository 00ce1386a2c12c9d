//go:build windows || (cgo && !pcsclite_go)

// Yubikey prepares a YubiKey for signing in to Windows with piv-go, and then signs
// in with it through this module.
//
//	yubikey -soft                       # a software YubiKey
//	yubikey -overwrite                  # the connected YubiKey; slot 9A is overwritten
//	yubikey -overwrite -reader "NAME"   # the YubiKey in this reader, if there are several
//
// It generates a key in slot 9A, verifies the YubiKey's attestation of the key,
// creates a certificate request, has a test authority issue a certificate, and
// stores it on the YubiKey. Then it judges the certificate by Windows' rules and
// signs a challenge. The PIN is read from the variable YUBIKEY_PIN, or is the
// factory setting; the management key is the factory setting.
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

	pivgo "github.com/go-piv/piv-go/v2/piv"
	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
	"github.com/smartlogon/smartlogon/upn"
)

const (
	user        = "alice@example.com"
	pinVariable = "YUBIKEY_PIN"
)

func main() {
	cli.Main("yubikey", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], os.Stdout)
	})
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("yubikey", flag.ContinueOnError)
	soft := flags.Bool("soft", false, "use a software YubiKey")
	overwrite := flags.Bool("overwrite", false, "overwrite the key and the certificate in slot 9A of the connected YubiKey")
	reader := flags.String("reader", "", "`name` of the YubiKey's reader; required with -overwrite if several are connected")
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	switch {
	case *soft == *overwrite:
		return cli.Usagef("exactly one of -soft and -overwrite is required")
	case *reader != "" && *soft:
		return cli.Usagef("-reader needs -overwrite")
	}
	if os.Getenv(pinVariable) == "" {
		os.Setenv(pinVariable, pivgo.DefaultPIN)
	}
	readers, roots, err := open(*soft)
	if err != nil {
		return err
	}
	defer readers.close()
	name, err := provision(*reader, roots, stdout)
	if err != nil {
		return err
	}
	return signIn(ctx, readers.service(), name, stdout)
}

// provision writes a key and a certificate with piv-go, and returns the name of the
// YubiKey's reader. piv-go opens the YubiKey exclusively, so it is closed again
// before this module uses it.
func provision(readerFlag string, roots *x509.CertPool, stdout io.Writer) (reader string, err error) {
	readers, err := pivgo.Cards()
	if err != nil {
		return "", err
	}
	if reader, err = chooseReader(readers, readerFlag); err != nil {
		return "", err
	}
	yk, err := pivgo.Open(reader)
	if err != nil {
		return "", err
	}
	defer yk.Close()

	// 1. A key pair, generated on the YubiKey. The private key cannot be exported.
	public, err := yk.GenerateKey(pivgo.DefaultManagementKey, pivgo.SlotAuthentication, pivgo.Key{
		Algorithm:   pivgo.AlgorithmRSA2048,
		PINPolicy:   pivgo.PINPolicyOnce,
		TouchPolicy: pivgo.TouchPolicyNever,
	})
	if err != nil {
		return "", err
	}
	v := yk.Version()
	fmt.Fprintf(stdout, "YubiKey in %q, firmware %d.%d.%d: generated an RSA key in slot 9A.\n", reader, v.Major, v.Minor, v.Patch)

	// 2. The attestation: a certificate from Yubico's authority stating that the key
	// was generated on this YubiKey.
	if err := checkAttestation(yk, roots, stdout); err != nil {
		return "", err
	}

	// 3. A certificate request, which proves possession of the private key.
	private, err := yk.PrivateKey(pivgo.SlotAuthentication, public, pivgo.KeyAuth{PIN: os.Getenv(pinVariable)})
	if err != nil {
		return "", err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		return "", err
	}

	// 4. A certificate with the user principal name and the extended key usages smart
	// card logon and client authentication.
	certificate, err := issue(request)
	if err != nil {
		return "", err
	}
	if err := yk.SetCertificate(pivgo.DefaultManagementKey, pivgo.SlotAuthentication, certificate); err != nil {
		return "", err
	}
	fmt.Fprintf(stdout, "Stored a certificate for %s.\n", user)
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
	fmt.Fprintf(stdout, "Attested: serial %d, PIN policy: %s.\n", attested.Serial, policies[attested.PINPolicy])
	return nil
}

// issue does the part of the certificate authority. A real one would verify the
// identity of the user here.
func issue(request []byte) (*x509.Certificate, error) {
	r, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, err
	}
	if err := r.CheckSignature(); err != nil {
		return nil, err
	}
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: publicKey{public: r.PublicKey}, UPNs: []string{user}})
	return x509.ParseCertificate(der)
}

// publicKey is a crypto.Signer that cannot sign: the certificate authority of the
// tests takes the subject's key as a Signer, and uses only its public key.
type publicKey struct {
	crypto.Signer
	public crypto.PublicKey
}

func (k publicKey) Public() crypto.PublicKey { return k.public }

// signIn signs a challenge with the new key, and verifies the answer. An error of the
// list can be about another reader, so it counts only without the credential.
func signIn(ctx context.Context, service *card.Service, reader string, stdout io.Writer) error {
	defer service.Close()
	finder := enumerate.Finder{Service: service}
	listErr := enumerate.ErrNotOffered
	for c, err := range finder.All(ctx) {
		if err != nil {
			listErr = errors.Join(listErr, err)
			continue
		}
		if c.Reader != reader || c.Container != "9A" {
			continue
		}
		name, err := upn.SignIn{}.Name(c.Names)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "Windows would show %q and send %q.\n", c.Title(), name.Value)
		for _, f := range c.Findings {
			fmt.Fprintf(stdout, "  %-18s %-7s %s\n", f.Rule, f.Verdict, f.Detail())
		}
		key, err := c.Unlock(ctx, prompt.Env(pinVariable))
		if err != nil {
			return err
		}
		defer key.Close()
		const server = "https://example.com"
		issued := challenge.New("sign-in", server)
		answer, err := challenge.Respond(key, c.Raw, issued, server)
		if err != nil {
			return err
		}
		verifier := challenge.Verifier{Roots: cardtest.TestCA().Pool(), Revoked: challenge.NoRevocation}
		statement, err := verifier.Verify(ctx, issued, answer)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "Challenge signed and verified: %q.\n", statement.Name.Value)
		return nil
	}
	return listErr
}
