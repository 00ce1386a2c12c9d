package pkinit

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/smartlogon/smartlogon/internal/ber"
)

// group14 is the 2048-bit MODP group (RFC 3526, 3). It is safe: p and (p-1)/2 are
// prime, and g generates the subgroup of order (p-1)/2.
var group14 = newGroup(2, "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"+
	"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"+
	"4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"+
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"+
	"98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"+
	"9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"+
	"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"+
	"3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF")

type group struct{ p, q, g *big.Int }

func newGroup(g int64, p string) group {
	prime, _ := new(big.Int).SetString(p, 16)
	return group{p: prime, q: new(big.Int).Rsh(prime, 1), g: big.NewInt(g)}
}

// An agreement is the client's half of a key agreement, for one login.
type agreement interface {
	// publicKey returns a SubjectPublicKeyInfo.
	publicKey() []byte

	// secret returns the shared secret. public is the value of the KDC: the
	// content of subjectPublicKey.
	secret(public []byte) ([]byte, error)
}

// finiteField is Diffie-Hellman in group14.
type finiteField struct{ x *big.Int }

func newFiniteField() (finiteField, error) {
	// x is in [1, q-1].
	x, err := rand.Int(rand.Reader, new(big.Int).Sub(group14.q, big.NewInt(1)))
	if err != nil {
		return finiteField{}, err
	}
	return finiteField{x.Add(x, big.NewInt(1))}, nil
}

func (f finiteField) publicKey() []byte {
	g := group14
	y := new(big.Int).Exp(g.g, f.x, g.p)
	// RFC 3279, 2.3.3: DomainParameters
	parameters := sequence(unsigned(g.p.Bytes()), unsigned(g.g.Bytes()), unsigned(g.q.Bytes()))
	return sequence(algorithm(oidDH, parameters), bits(unsigned(y.Bytes())))
}

// minPublicBits is the least length of a public value. A value of the group is
// shorter with a probability of 2^-256; one of a smaller group always is.
const minPublicBits = 2048 - 256

func (f finiteField) secret(public []byte) ([]byte, error) {
	p := parse(public)
	v := p.take(ber.Integer).Value
	if err := p.close(); err != nil {
		return nil, err
	}
	g := group14
	if err := checkInteger(v); err != nil || v[0] >= 0x80 || len(v) > len(g.p.Bytes())+1 {
		return nil, errors.New("public value is negative or too large")
	}
	y := new(big.Int).SetBytes(v)
	// RFC 2631, 2.1.5. In a safe group the quadratic residues are the subgroup.
	if y.BitLen() < minPublicBits || y.Cmp(new(big.Int).Sub(g.p, big.NewInt(1))) >= 0 || big.Jacobi(y, g.p) != 1 {
		return nil, fmt.Errorf("%w: public value of %d bits is not in the 2048-bit group", ErrWeak, y.BitLen())
	}
	z := new(big.Int).Exp(y, f.x, g.p)
	// RFC 4556, 3.2.3.1: as long as p, with leading zeros
	return z.FillBytes(make([]byte, len(g.p.Bytes()))), nil
}

// curve is ECDH on P-256 (RFC 5349).
type curve struct{ key *ecdh.PrivateKey }

func newCurve() (curve, error) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	return curve{key}, err
}

func (c curve) publicKey() []byte {
	der, err := x509.MarshalPKIXPublicKey(c.key.PublicKey())
	if err != nil {
		panic("pkinit: " + err.Error()) // a P-256 key always has an encoding
	}
	return der
}

func (c curve) secret(public []byte) ([]byte, error) {
	key, err := ecdh.P256().NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	return c.key.ECDH(key)
}

// deriveKey derives the reply key by a KDF of RFC 8636, 4. otherInfo binds it to
// the request and the reply.
func deriveKey(kdf string, secret []byte, client, server realmName, etype int32, request, reply []byte) ([]byte, error) {
	for _, k := range kdfs {
		if k.id != kdf {
			continue
		}
		otherInfo := sequence(
			algorithm(kdf),
			field(0, octets(client.encode())),
			field(1, octets(server.encode())),
			field(2, octets(sequence(
				field(0, integer(int64(etype))),
				field(1, octets(request)),
				field(2, octets(reply)),
			))),
		)
		size := encryptionTypes[etype].keySize
		var key []byte
		for counter := uint32(1); len(key) < size; counter++ {
			key = append(key, sum(k.hash, binary.BigEndian.AppendUint32(nil, counter), secret, otherInfo)...)
		}
		return key[:size], nil
	}
	return nil, fmt.Errorf("%w: key derivation function was not offered", ErrMalformed)
}

// legacyKey is octetstring2key (RFC 4556, 3.2.3.1). With AES, random-to-key is the
// identity.
func legacyKey(secret, serverNonce []byte, etype int32) []byte {
	size := encryptionTypes[etype].keySize
	var key []byte
	for counter := byte(0); len(key) < size; counter++ {
		key = append(key, sum(sha1Hash, []byte{counter}, secret, serverNonce)...)
	}
	return key[:size]
}
