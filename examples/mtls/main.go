// Mtls gets a page from an HTTPS server that requests a client certificate, with a
// smart card in this machine's readers.
//
//	mtls https://example.com/
//	mtls -roots server-ca.pem -issuers card-cas.pem https://localhost:8443/
//
// The certificate is one that Windows would offer for signing in and that an authority
// named by the server has issued. With -any it may also have an elliptic curve key, or
// be for client authentication without smart card logon. If the server names a root and
// not the authority of the card's certificate, -issuers completes the chain.
//
// The PIN is asked for at the terminal, or read from a variable (-pin-env), and only if
// the server requests a certificate. The page goes to standard output.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/mtls"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

func main() {
	cli.Main("mtls", func(ctx context.Context) error {
		return run(ctx, os.Args[1:], pcsc.System(nil), os.Stdout, os.Stderr)
	})
}

// run gets the page with a card of service, and closes service.
func run(ctx context.Context, args []string, service *card.Service, stdout, stderr io.Writer) error {
	defer service.Close()
	flags := flag.NewFlagSet("mtls", flag.ContinueOnError)
	roots := flags.String("roots", "", "PEM `file` with the authorities of the server; by default those of the system")
	issuers := flags.String("issuers", "", "PEM `file` with the intermediate authorities of the card's certificate")
	all := flags.Bool("any", false, "offer elliptic curve keys, and certificates that are not for smart card logon")
	pinVariable := flags.String("pin-env", "", "read the PIN from this environment `variable`")
	if err := cli.ParseFiles(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return cli.Usagef("want one URL")
	}
	ask := prompt.Terminal(os.Stdin)
	if *pinVariable != "" {
		ask = prompt.Env(*pinVariable)
	}
	policy, err := rules.System()
	if err != nil {
		return err
	}
	policy.EnumerateECCCerts = policy.EnumerateECCCerts || *all
	policy.AllowCertificatesWithNoEKU = policy.AllowCertificatesWithNoEKU || *all

	// The source is the certificate of the client. It lives as long as the client.
	source := &mtls.Source{Finder: &enumerate.Finder{Service: service, Policy: policy}, PIN: ask}
	defer source.Close()
	if source.Issuers, err = certificates(*issuers); err != nil {
		return err
	}
	config := &tls.Config{GetClientCertificate: source.Get}
	trusted, err := certificates(*roots)
	if err != nil {
		return err
	}
	for _, root := range trusted {
		if config.RootCAs == nil {
			config.RootCAs = x509.NewCertPool()
		}
		config.RootCAs.AddCert(root)
	}
	// This transport does not limit the handshake, in which the user is asked.
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, flags.Arg(0), nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return source.Explain(err) // with the error of the card
	}
	defer response.Body.Close()
	fmt.Fprintln(stderr, cli.Escape(response.Proto+" "+response.Status))
	_, err = io.Copy(stdout, response.Body)
	return source.Explain(err)
}

// certificates reads a PEM file; no name is no certificate.
func certificates(name string) (list []*x509.Certificate, err error) {
	if name == "" {
		return nil, nil
	}
	text, err := cli.ReadFile(name)
	for block, rest := pem.Decode(text); err == nil && block != nil; block, rest = pem.Decode(rest) {
		var c *x509.Certificate
		c, err = x509.ParseCertificate(block.Bytes)
		list = append(list, c)
	}
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s: no certificate", name)
	}
	return list, err
}
