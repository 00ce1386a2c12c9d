package gids

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"
	"math/big"
	"strconv"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
)

// A numbering finds the container that a certificate belongs to. From the tenth
// container on, some writers number the files with hexadecimal digits and some
// with decimal ones, and a card may have been written by both.
type numbering struct {
	tx         *card.Tx
	containers []Container
	files      []file
}

// container is the one that a file belongs to. Without a container map the number
// alone counts.
func (n *numbering) container(f file, der []byte) (Container, error) {
	both := f.indices()
	if len(n.containers) == 0 {
		return Container{Index: both[0], reference: byte(firstKey + both[0])}, nil
	}
	var fit []Container
	for _, i := range both {
		if i < len(n.containers) && n.containers[i].has(f.signature()) {
			fit = append(fit, n.containers[i])
		}
	}
	if len(fit) == 2 {
		var err error
		if fit, err = n.decide(f, fit, der); err != nil {
			return Container{}, err
		}
	}
	if len(fit) == 0 {
		return Container{}, malformed("the container map has no key for it: container %d is empty, or of another kind", both[0])
	}
	return fit[0], nil
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

// decide chooses between two containers: not one that another file means for
// certain, else the one whose key is the certificate's, which the card tells
// without a PIN. Where even that does not say it, the file is taken as
// hexadecimal: so it is with the one writer that is known to go past ten.
func (n *numbering) decide(f file, two []Container, der []byte) ([]Container, error) {
	for i, k := range two {
		if n.claimed(f, k.Index) {
			return two[1-i : 2-i], nil
		}
	}
	for i, k := range two {
		same, err := n.sameKey(k, der)
		if err != nil {
			return nil, err
		}
		if same {
			return two[i : i+1], nil
		}
	}
	return two[:1], nil
}

// claimed reports whether another file can only mean that container.
func (n *numbering) claimed(f file, index int) bool {
	for _, other := range n.files {
		if other.name == f.name || !other.isCertificate() || other.signature() != f.signature() {
			continue
		}
		if i := other.indices(); len(i) == 1 && i[0] == index {
			return true
		}
	}
	return false
}

// sameKey reports whether the card's key for a container is the one of a
// certificate.
func (n *numbering) sameKey(k Container, der []byte) (bool, error) {
	template, err := readPublicKey(n.tx, k.reference)
	if err != nil {
		if about(err) {
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
