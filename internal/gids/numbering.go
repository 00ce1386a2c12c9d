package gids

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"
	"math/big"
	"slices"
	"strconv"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

// A numbering maps files of certificates to containers. From container 10 on, some
// programs number the files in hexadecimal and some in decimal, and one card may have
// files of both.
type numbering struct {
	tx         *card.Tx
	containers []Container
	files      []file           // of certificates
	candidates map[string][]int // containers that the name of a file can stand for
}

func newNumbering(tx *card.Tx, containers []Container, files []file) *numbering {
	n := &numbering{tx: tx, containers: containers, candidates: make(map[string][]int)}
	seen := make(map[string]bool) // of files with the same name the first counts
	for _, f := range files {
		if !f.isCertificate() || seen[f.name] {
			continue
		}
		seen[f.name] = true
		n.files = append(n.files, f)
		for _, i := range f.indices() {
			if len(containers) == 0 || i < len(containers) && containers[i].has(f.signature()) {
				n.candidates[f.name] = append(n.candidates[f.name], i)
			}
		}
	}
	n.exclude()
	return n
}

// exclude removes candidates that are the only one of another file: a container has
// one certificate for each of its keys.
func (n *numbering) exclude() {
	done := make(map[string]bool)
	for changed := true; changed; {
		changed = false
		for _, f := range n.files {
			if len(n.candidates[f.name]) != 1 || done[f.name] {
				continue
			}
			done[f.name], changed = true, true
			taken := n.candidates[f.name][0]
			for _, other := range n.files {
				both := n.candidates[other.name]
				if len(both) == 2 && other.signature() == f.signature() {
					n.candidates[other.name] = slices.DeleteFunc(both, func(i int) bool { return i == taken })
				}
			}
		}
	}
}

// containerOf returns the container of a certificate. Of two candidates it is the one
// whose key is the certificate's: the card returns public keys without a PIN. If
// neither is, the name is read as hexadecimal: so writes the only program known to
// use more than ten containers. Without a container map the number counts.
func (n *numbering) containerOf(f file, der []byte) (Container, error) {
	candidates := n.candidates[f.name]
	switch {
	case len(candidates) == 0:
		return Container{}, malformed("the container map has no key for it: container %d is empty or has a key of the other kind", f.indices()[0])
	case len(n.containers) == 0:
		if candidates[0] >= maxContainers {
			return Container{}, malformed("container %d is beyond the last one, %d", candidates[0], maxContainers-1)
		}
		return Container{Index: candidates[0], reference: byte(firstKey + candidates[0])}, nil
	}
	first := n.containers[candidates[0]]
	if len(candidates) == 1 {
		return first, nil
	}
	second := n.containers[candidates[1]]
	isFirst, err := n.hasKeyOf(first, der)
	if err != nil || isFirst {
		return first, err
	}
	if isSecond, err := n.hasKeyOf(second, der); err != nil || isSecond {
		return second, err
	}
	return first, nil
}

// indices returns the containers that the number of a file can stand for: read as
// hexadecimal and, if that differs, as decimal.
func (f file) indices() []int {
	hex, _ := strconv.ParseUint(f.number(), 16, 8) // isCertificate has checked it
	decimal, err := strconv.ParseUint(f.number(), 10, 8)
	if err != nil || decimal == hex {
		return []int{int(hex)}
	}
	return []int{int(hex), int(decimal)}
}

// hasKeyOf reports whether the key of a container is that of a certificate, as far as
// the card tells.
func (n *numbering) hasKeyOf(k Container, der []byte) (bool, error) {
	template, err := readPublicKey(n.tx, k.reference)
	if err != nil {
		if isObjectError(err) {
			err = nil
		}
		return false, err
	}
	public, err := cert.PublicKey(der)
	if err != nil {
		return false, nil
	}
	switch public := public.(type) {
	case *rsa.PublicKey:
		modulus, ok, _ := ber.Find(template, 0x81)
		return ok && new(big.Int).SetBytes(modulus).Cmp(public.N) == 0, nil
	case *ecdsa.PublicKey:
		point, ok, _ := ber.Find(template, 0x86)
		want, err := public.Bytes()
		return ok && err == nil && bytes.Equal(point, want), nil
	}
	return false, nil
}

// readPublicKey reads a public key template (ISO/IEC 7816-8, 7F49), which needs no
// PIN.
func readPublicKey(tx *card.Tx, reference byte) ([]byte, error) {
	const publicKey ber.Tag = 0x7F49
	request := ber.Append(nil, 0x84, []byte{reference})
	request = ber.Append(request, 0xA5, []byte{0x7F, 0x49, 0x80}) // 80: all of it
	response, err := tx.Command(card.Command{
		INS: 0xCB, P1: 0x3F, P2: 0xFF, Ne: maxShort,
		Data: ber.Append(nil, 0x70, request),
	})
	if err != nil {
		return nil, fmt.Errorf("public key %02X: %w", reference, err)
	}
	return unwrap(response, publicKey)
}
