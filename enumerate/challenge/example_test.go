package challenge_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"strings"
	"sync"

	"github.com/smartlogon/smartlogon/enumerate/challenge"
	"github.com/smartlogon/smartlogon/enumerate/rules"
	"github.com/smartlogon/smartlogon/internal/testkeys"
)

// A server with two handlers. GET makes a challenge and keeps it in the session. POST
// removes it from the session and verifies the answer.
func ExampleVerifier() {
	const audience = "https://example.com"
	verifier := &challenge.Verifier{Roots: exampleRoots(), Revoked: challenge.NoRevocation}

	var sessions sync.Map // cookie value to challenge.Challenge
	handler := http.NewServeMux()
	handler.HandleFunc("GET /sign-in", func(w http.ResponseWriter, r *http.Request) {
		c := challenge.New("sign-in", audience)
		text, err := c.MarshalText()
		if err != nil {
			http.Error(w, "error", http.StatusInternalServerError)
			return
		}
		session := fmt.Sprintf("%x", c.Nonce[:16]) // a real server has sessions
		sessions.Store(session, c)
		http.SetCookie(w, &http.Cookie{Name: "session", Value: session, HttpOnly: true})
		w.Write(text)
	})
	handler.HandleFunc("POST /sign-in", func(w http.ResponseWriter, r *http.Request) {
		var c challenge.Challenge // the zero value is refused
		if cookie, err := r.Cookie("session"); err == nil {
			if kept, ok := sessions.LoadAndDelete(cookie.Value); ok { // used once
				c = kept.(challenge.Challenge)
			}
		}
		answer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, challenge.MaxResponse))
		if err != nil {
			http.Error(w, "too long", http.StatusRequestEntityTooLarge)
			return
		}
		id, err := verifier.Verify(r.Context(), c, answer)
		if refused := (*challenge.Refusal)(nil); errors.As(err, &refused) {
			fmt.Println("log:", refused.Reason)
			http.Error(w, "no", http.StatusForbidden) // no details
			return
		}
		if err != nil {
			return // the request was canceled
		}
		fmt.Fprint(w, "welcome, ", id.Name.Value)
	})

	server := httptest.NewServer(handler)
	defer server.Close()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}

	body, _ := fetch(client.Get(server.URL + "/sign-in"))
	var c challenge.Challenge
	if err := c.UnmarshalText([]byte(body)); err != nil {
		log.Fatal(err)
	}
	key, cert := exampleKey()
	answer, err := challenge.Respond(key, cert, c, audience)
	if err != nil {
		log.Fatal(err)
	}
	post := func() {
		body, status := fetch(client.Post(server.URL+"/sign-in", "application/octet-stream", strings.NewReader(string(answer))))
		fmt.Println(status, strings.TrimSpace(body))
	}
	post()
	post() // replayed
	// Output:
	// 200 welcome, alice@example.com
	// log: no challenge was given
	// 403 no
}

// The client names the server that it means. A challenge that another server relays
// is not answered, and the key is not used.
func ExampleRespond() {
	key, cert := exampleKey()

	text, _ := challenge.New("sign-in", "https://bank.example").MarshalText()
	// Another server relays the text to the client.

	var c challenge.Challenge
	if err := c.UnmarshalText(text); err != nil {
		log.Fatal(err)
	}
	_, err := challenge.Respond(key, cert, c, "https://evil.example")
	fmt.Println(errors.Is(err, challenge.ErrAudience))

	answer, err := challenge.Respond(key, cert, c, "https://bank.example")
	fmt.Println(len(answer) > 0, err)
	// Output:
	// true
	// true <nil>
}

// A refusal has a reason for programs and a text for the log. Windows offers no key
// on an elliptic curve unless a policy allows it.
func ExampleRefusal() {
	verifier := challenge.Verifier{Roots: exampleRoots(), Revoked: challenge.NoRevocation}
	key, cert := exampleCurveKey()
	c := challenge.New("sign-in", "https://example.com")
	answer, err := challenge.Respond(key, cert, c, c.Audience)
	if err != nil {
		log.Fatal(err)
	}

	_, err = verifier.Verify(context.Background(), c, answer)
	var refused *challenge.Refusal
	fmt.Println(errors.As(err, &refused), refused.Reason == challenge.NotOffered)

	verifier.Policy = rules.Policy{EnumerateECCCerts: true}
	id, err := verifier.Verify(context.Background(), c, answer)
	fmt.Println(id.Name.Value, err)
	// Output:
	// true true
	// alice@example.com <nil>
}

// fetch returns the body and status of a response.
func fetch(r *http.Response, err error) (string, int) {
	if err != nil {
		log.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		log.Fatal(err)
	}
	return string(body), r.StatusCode
}

// The functions below are not part of the examples. A program gets a key and a
// certificate from package enumerate, or from a file.

func exampleRoots() *x509.CertPool {
	text, err := os.ReadFile("testdata/golden/root.pem")
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return roots
}

func exampleKey() (crypto.Signer, []byte) {
	return testkeys.RSA(2048, 0), exampleCertificate("rsa-pkcs1")
}

func exampleCurveKey() (crypto.Signer, []byte) {
	return testkeys.ECDSA(elliptic.P256(), 0), exampleCertificate("p256")
}

func exampleCertificate(name string) []byte {
	text, err := os.ReadFile("testdata/golden/" + name + ".txt")
	if err != nil {
		log.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "certificate: ")
	line, _, _ := strings.Cut(after, "\n")
	der, err := hex.DecodeString(line)
	if err != nil {
		log.Fatal(err)
	}
	return der
}
