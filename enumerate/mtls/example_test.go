package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/enumerate/mtls"
)

// A server requires a certificate, and a software card has one. A program for people
// uses package card/pcsc for the service and package card/prompt for the PIN.
func ExampleSource() {
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	defer service.Close()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s.", r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: cardtest.TestCA().Pool()}
	server.StartTLS()
	defer server.Close()

	source := &mtls.Source{Finder: &enumerate.Finder{Service: service}, PIN: card.FixedPIN(cardtest.PIN)}
	defer source.Close()
	roots := x509.NewCertPool() // of the server; nil for those of the system
	roots.AddCert(server.Certificate())
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, GetClientCertificate: source.Get}}}
	defer client.CloseIdleConnections()

	response, err := client.Get(server.URL)
	if err != nil {
		err = source.Explain(err)
		fmt.Println(err, card.Hint(err))
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Println(string(body), err)
	// Output: Hello alice. <nil>
}
