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

// A numbering finds the containers that certificates belong to. From the tenth
// container on, some writers number the files with hexadecimal digits and some
// with decimal ones, and a card may have been written by both.
type numbering struct {
	tx         *card.Tx
	containers []Container
	files      []file           // of certificates
	meant      map[string][]int // the containers that the name of a file can mean
}

func newNumbering(tx *card.Tx, containers []Container, files []file) *numbering {
	n := &numbering{tx: tx, containers: containers, meant: make(map[string][]int)}
	seen := make(map[string]bool) // of two files of one name the first counts
	for _, f := range files {
		if !f.isCertificate() || seen[f.name] {
			continue
		}
		seen[f.name] = true
		n.files = append(n.files, f)
		for _, i := range f.indices() {
			if len(containers) == 0 || i < len(containers) && containers[i].has(f.signature()) {
				n.meant[f.name] = append(n.meant[f.name], i)
			}
		}
	}
	n.exclude()
	return n
}

// exclude takes away what a name cannot mean because another one can only mean
// that: a container has one certificate for each of its keys.
func (n *numbering) exclude() {
	certain := make(map[string]bool)
	for again := true; again; {
		again = false
		for _, f := range n.files {
			if len(n.meant[f.name]) != 1 || certain[f.name] {
				continue
			}
			certain[f.name], again = true, true
			for _, other := range n.files {
				both := n.meant[other.name]
				if len(both) == 2 && other.signature() == f.signature() {
					n.meant[other.name] = slices.DeleteFunc(both, func(i int) bool { return i == n.meant[f.name][0] })
				}
			}
		}
	}
}

// container is the one that a certificate belongs to: of two, the one whose key is
// the certificate's, which the card tells without a PIN. Where even that does not
// say it, the name is taken as hexadecimal: so it is with the one writer that is
// known to go past ten. Without a container map the number alone counts.
func (n *numbering) container(f file, der []byte) (Container, error) {
	meant := n.meant[f.name]
	switch {
	case len(meant) == 0:
		return Container{}, malformed("the container map has no key for it: container %d is empty, or of another kind", f.indices()[0])
	case len(n.containers) == 0:
		if meant[0] >= maxContainers {
			return Container{}, malformed("there is no container %d", meant[0])
		}
		return Container{Index: meant[0], reference: byte(firstKey + meant[0])}, nil
	}
	first := n.containers[meant[0]]
	if len(meant) == 1 {
		return first, nil
	}
	second := n.containers[meant[1]]
	isFirst, err := n.sameKey(first, der)
	if err != nil || isFirst {
		return first, err
	}
	if isSecond, err := n.sameKey(second, der); err != nil || isSecond {
		return second, err
	}
	return first, nil
}

// indices are the containers that the number of a file can mean, as hexadecimal
// and, where that is another one, as decimal.
func (f file) indices() []int {
	hex, _ := strconv.ParseUint(f.number(), 16, 8) // isCertificate has seen to it
	decimal, err := strconv.ParseUint(f.number(), 10, 8)
	if err != nil || decimal == hex {
		return []int{int(hex)}
	}
	return []int{int(hex), int(decimal)}
}

// has reports whether the container has a key of that kind.
func (k Container) has(signature bool) bool {
	if signature {
		return k.valid && k.SignBits > 0
	}
	return k.valid && k.ExchangeBits > 0
}

// sameKey reports whether the card's key for a container is the one of a
// certificate.
func (n *numbering) sameKey(k Container, der []byte) (bool, error) {
	template, err := readPublicKey(n.tx, k.reference)
	if err != nil {
		if isObjectError(err) {
			err = nil // then it does not tell
		}
		return false, err
	}
	public, err := cert.PublicKey(der)
	if err != nil {
		return false, nil // nor does this
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

// readPublicKey reads the public half of a key, tags 81 and on, without a PIN.
func readPublicKey(tx *card.Tx, reference byte) ([]byte, error) {
	const publicKey ber.Tag = 0x7F49
	request := ber.Append(nil, 0x84, []byte{reference})
	request = ber.Append(request, 0xA5, []byte{0x7F, 0x49, 0x80}) // of whatever length
	answer, err := tx.Command(card.Command{
		INS: 0xCB, P1: 0x3F, P2: 0xFF, Ne: maxShort,
		Data: ber.Append(nil, 0x70, request),
	})
	if err != nil {
		return nil, fmt.Errorf("public key %02X: %w", reference, err)
	}
	return unwrap(answer, publicKey)
}
