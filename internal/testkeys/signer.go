package testkeys

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"fmt"
	"io"
	"sync"
)

// Signer returns the n-th RSA key with that many bits as a signer for PKCS #1
// v1.5. It computes each signature once per process: tests issue the same
// certificates over and over, and the race detector makes RSA slow.
func Signer(bits, n int) crypto.Signer { return cachingSigner{RSA(bits, n)} }

type cachingSigner struct{ key *rsa.PrivateKey }

// signatures holds a bounded number of signatures, since fuzzing makes many.
var signatures = signatureCache{entries: map[string][]byte{}}

const maxSignatures = 4096

type signatureCache struct {
	mu      sync.Mutex
	entries map[string][]byte
}

func (c *signatureCache) get(name string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.entries[name])
}

func (c *signatureCache) put(name string, signature []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) == maxSignatures {
		clear(c.entries)
	}
	c.entries[name] = bytes.Clone(signature)
}

func (s cachingSigner) Public() crypto.PublicKey { return s.key.Public() }

func (s cachingSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, ok := opts.(*rsa.PSSOptions); ok {
		return s.key.Sign(rand, digest, opts)
	}
	name := fmt.Sprintf("%x %v %x", s.key.N, opts.HashFunc(), digest)
	if signature := signatures.get(name); signature != nil {
		return signature, nil
	}
	signature, err := s.key.Sign(rand, digest, opts)
	if err == nil {
		signatures.put(name, signature)
	}
	return signature, err
}
