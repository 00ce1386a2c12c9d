package softcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

// A pemError reports a file of -cert or -key that cannot be used.
type pemError struct{ file, problem, hint string }

func (e *pemError) Error() string { return fmt.Sprintf("read %s: %s", e.file, e.problem) }

// Hint returns how to make a usable file.
func (e *pemError) Hint() string { return e.hint }

const (
	hintPEM     = "Convert a PKCS #12 file with openssl pkcs12 -in FILE -nodes -out alice.pem."
	hintDecrypt = "Decrypt the key with openssl pkey -in FILE -out key.pem."
)

// putPEM puts the first certificate and the first key of PEM files on a card.
func putPEM(c *cardtest.Card, app, certificateFile, keyFile string) (err error) {
	certificate, err := readCertificate(certificateFile)
	if err != nil {
		return err
	}
	key, err := readKey(keyFile)
	if err != nil {
		return err
	}
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		return fmt.Errorf("read %s: %w", certificateFile, err)
	}
	public, ok := parsed.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return &pemError{keyFile, "not the key of the certificate", ""}
	}
	container := "9A"
	if strings.HasPrefix(app, "gids") || app == "tpm" {
		container = "kxc00"
	}
	defer func() {
		// cardtest panics on a key that the card does not support.
		if reason := recover(); reason != nil {
			err = cli.Usagef("-app %s: %v", app, reason)
		}
	}()
	c.Put(container, key, certificate)
	return nil
}

// blocks returns the PEM blocks of a file.
func blocks(file string) (list []*pem.Block, err error) {
	text, err := cli.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		list, text = append(list, block), rest
	}
	if list == nil {
		return nil, &pemError{file, "no PEM block", hintPEM}
	}
	return list, nil
}

func readCertificate(file string) ([]byte, error) {
	list, err := blocks(file)
	for _, b := range list {
		if b.Type == "CERTIFICATE" {
			return b.Bytes, nil
		}
	}
	if err == nil {
		err = &pemError{file, "no certificate", hintPEM}
	}
	return nil, err
}

// readKey reads a key in PKCS #8, PKCS #1 or as in RFC 5915.
func readKey(file string) (crypto.Signer, error) {
	list, err := blocks(file)
	if err != nil {
		return nil, err
	}
	for _, b := range list {
		var key any
		switch {
		case b.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, &pemError{file, "the private key is encrypted", hintDecrypt}
		case b.Type == "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
		case b.Type == "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
		case b.Type == "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(b.Bytes)
		default:
			continue
		}
		switch key := key.(type) {
		case *rsa.PrivateKey:
			return key, err
		case *ecdsa.PrivateKey:
			return key, err
		case ed25519.PrivateKey:
			return key, err
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		return nil, &pemError{file, "not a key for signatures", ""}
	}
	return nil, &pemError{file, "no private key", hintPEM}
}
