package pkinit

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/smartlogon/smartlogon/internal/ber"
	"github.com/smartlogon/smartlogon/internal/cert"
	"github.com/smartlogon/smartlogon/internal/signature"
)

const (
	// maxCertificates limits the certificates in a message.
	maxCertificates = 16

	// minRSABits and maxRSABits limit the keys in a message. Verifying with a long
	// key takes as long as a hostile KDC wants.
	minRSABits = 2048
	maxRSABits = 8192
)

// A signer signs with the key of a certificate.
type signer struct {
	key       crypto.Signer
	public    crypto.PublicKey
	chain     [][]byte
	leaf      cert.Certificate
	hash      hashFunction
	algorithm []byte // AlgorithmIdentifier of the signature
}

// newSigner checks all that can be checked without using the key: a wrong one would
// cost the user a touch and perhaps a try. chain starts with its certificate.
func newSigner(key crypto.Signer, chain [][]byte, hash crypto.Hash) (*signer, error) {
	s := &signer{key: key, chain: chain}
	var ok bool
	if s.hash, ok = byHash(hash); !ok {
		return nil, fmt.Errorf("digest %v: %w", hash, errors.ErrUnsupported)
	}
	var err error
	if s.leaf, err = cert.Parse(chain[0]); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if s.public, err = cert.PublicKey(chain[0]); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if k, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !k.Equal(s.public) {
		return nil, ErrKeyMismatch
	}
	switch k := s.public.(type) {
	case *rsa.PublicKey:
		s.algorithm = algorithm(s.hash.rsa, null)
	case *ecdsa.PublicKey:
		if !supportedCurve(k.Curve) {
			return nil, fmt.Errorf("elliptic curve %s: %w", k.Params().Name, errors.ErrUnsupported)
		}
		s.algorithm = algorithm(s.hash.ecdsa)
	default:
		return nil, fmt.Errorf("key of type %T: %w", s.public, errors.ErrUnsupported)
	}
	return s, nil
}

// sign returns a ContentInfo with a SignedData of one signer (RFC 5652, 5.1). It
// uses the key once.
func (s *signer) sign(contentType string, content []byte) ([]byte, error) {
	hash := s.hash.hash
	// The order of a SET OF in DER: content-type is the shorter one.
	attributes := append(
		sequence(oid(oidContentType), tlv(ber.Set, oid(contentType))),
		sequence(oid(oidMessageDigest), tlv(ber.Set, octets(sum(hash, content))))...)
	digest := sum(hash, tlv(ber.Set, attributes)) // RFC 5652, 5.4: with the tag of a SET
	value, err := s.key.Sign(rand.Reader, digest, hash)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if signature.Verify(s.public, digest, value, hash) != nil {
		return nil, fmt.Errorf("%w: it returned a signature of %d bytes that does not verify", ErrKeyMismatch, len(value))
	}
	digestAlgorithm := algorithm(s.hash.digest)
	signerInfo := sequence(
		integer(1),
		sequence(s.leaf.Issuer.Raw, s.leaf.Serial.Raw),
		digestAlgorithm,
		tlv(explicit(0), attributes),
		s.algorithm,
		octets(value),
	)
	signedData := sequence(
		integer(3), // RFC 5652, 5.1: the content type is not id-data
		tlv(ber.Set, digestAlgorithm),
		sequence(oid(contentType), field(0, octets(content))),
		tlv(explicit(0), s.chain...),
		tlv(ber.Set, signerInfo),
	)
	return sequence(oid(oidSignedData), field(0, signedData)), nil
}

func supportedCurve(c elliptic.Curve) bool {
	return c == elliptic.P256() || c == elliptic.P384() || c == elliptic.P521()
}

// A signedMessage is a SignedData with one signer.
type signedMessage struct {
	contentType string
	content     []byte
	signer      signerInfo

	// certificates are without those that crypto/x509 refuses, and those with a
	// longer key than maxRSABits.
	certificates []*x509.Certificate
}

type signerInfo struct {
	issuerAndSerial []byte // nil if the signer is named by key identifier
	keyID           []byte
	digest          hashFunction
	attributes      []byte // as signed
	contentType     string
	messageDigest   []byte
	algorithm       string
	signature       []byte
}

// parseCMS reads a ContentInfo with a SignedData in DER. It verifies nothing.
func parseCMS(b []byte) (m signedMessage, err error) {
	p := parse(b)
	p.sequence(func(p *parser) {
		if id := p.oid(); id != oidSignedData {
			p.fail("content type %s is not signed data", cert.DottedOID([]byte(id)))
		}
		p.field(0, func(p *parser) { p.sequence(m.parse) })
	})
	return m, p.close()
}

func (m *signedMessage) parse(p *parser) {
	p.number(1, 5)
	p.enter(ber.Set, func(p *parser) { // the signer repeats its own
		for p.more() {
			p.algorithm()
		}
	})
	p.sequence(func(p *parser) {
		m.contentType = p.oid()
		p.field(0, func(p *parser) { m.content = p.octets() })
	})
	if p.has(explicit(0)) {
		p.enter(explicit(0), m.parseCertificates)
	}
	if p.has(explicit(1)) {
		p.take(explicit(1)) // revocation lists
	}
	p.enter(ber.Set, func(p *parser) { p.sequence(m.signer.parse) })
}

func (m *signedMessage) parseCertificates(p *parser) {
	for n := 0; p.more(); n++ {
		e := p.take(ber.Sequence)
		if n == maxCertificates {
			p.fail("more than %d certificates", maxCertificates)
		}
		if p.err != nil {
			return
		}
		c, err := x509.ParseCertificate(e.Raw)
		if err != nil {
			continue
		}
		if k, ok := c.PublicKey.(*rsa.PublicKey); !ok || k.N.BitLen() <= maxRSABits {
			m.certificates = append(m.certificates, c)
		}
	}
}

func (s *signerInfo) parse(p *parser) {
	p.number(1, 3) // Heimdal writes 1 beside a key identifier
	switch {
	case p.has(implicit(0)):
		s.keyID = p.take(implicit(0)).Value
	case p.has(explicit(0)): // Heimdal, and Samba with it
		p.field(0, func(p *parser) { s.keyID = p.octets() })
	default:
		e := p.take(ber.Sequence)
		s.issuerAndSerial = e.Raw
	}
	id := p.algorithm()
	f, ok := byDigest(id)
	if !ok {
		p.fail("digest %s: %w", cert.DottedOID([]byte(id)), ErrWeak)
	}
	s.digest = f
	attributes := p.take(explicit(0))
	if p.err != nil {
		return
	}
	s.attributes = tlv(ber.Set, attributes.Value) // RFC 5652, 5.4
	in := inside(attributes)
	s.parseAttributes(in)
	if err := in.close(); err != nil {
		p.err = err
		return
	}
	s.algorithm = p.algorithm()
	s.signature = p.octets()
	if p.has(explicit(1)) {
		p.take(explicit(1)) // unsigned attributes
	}
}

func (s *signerInfo) parseAttributes(p *parser) {
	for p.more() {
		p.sequence(func(p *parser) {
			id, values := p.oid(), p.take(ber.Set)
			if p.err != nil {
				return
			}
			in := inside(values)
			switch id {
			case oidContentType:
				if s.contentType != "" {
					in.fail("attribute content-type occurs twice")
				}
				s.contentType = in.oid()
			case oidMessageDigest:
				if s.messageDigest != nil {
					in.fail("attribute message-digest occurs twice")
				}
				s.messageDigest = in.octets()
			default:
				return
			}
			p.err = in.close()
		})
	}
}

// named reports whether the signer is the subject of the certificate.
func (s *signerInfo) named(c *x509.Certificate) bool {
	if s.issuerAndSerial == nil {
		return len(s.keyID) > 0 && bytes.Equal(s.keyID, c.SubjectKeyId)
	}
	parsed, err := cert.Parse(c.Raw)
	return err == nil && bytes.Equal(s.issuerAndSerial, sequence(parsed.Issuer.Raw, parsed.Serial.Raw))
}

// fits reports whether the algorithm is one for the key, and the key is strong.
func (s *signerInfo) fits(public crypto.PublicKey) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		// OpenSSL names the algorithm of the key, and leaves the digest to the other field.
		return k.N.BitLen() >= minRSABits && (s.algorithm == oidRSA || s.algorithm == s.digest.rsa)
	case *ecdsa.PublicKey:
		return supportedCurve(k.Curve) && s.algorithm == s.digest.ecdsa
	}
	return false
}

// verify checks the signature and returns the certificate of the signer, which the
// caller must verify.
func (m *signedMessage) verify(contentType string, allowSHA1 bool) (*x509.Certificate, error) {
	s := &m.signer
	switch {
	case m.contentType != contentType || s.contentType != contentType:
		return nil, fmt.Errorf("%w: content type %s", ErrMalformed, cert.DottedOID([]byte(m.contentType)))
	case s.digest.hash == crypto.SHA1 && !allowSHA1:
		return nil, fmt.Errorf("%w: the KDC signs with SHA-1", ErrWeak)
	case subtle.ConstantTimeCompare(s.messageDigest, sum(s.digest.hash, m.content)) != 1:
		return nil, fmt.Errorf("%w: the digest is not that of the content", ErrSignature)
	}
	for _, c := range m.certificates {
		if !s.named(c) {
			continue
		}
		if !s.fits(c.PublicKey) {
			return nil, fmt.Errorf("%w: signature algorithm %s with a key of type %T", ErrWeak, cert.DottedOID([]byte(s.algorithm)), c.PublicKey)
		}
		if signature.Verify(c.PublicKey, sum(s.digest.hash, s.attributes), s.signature, s.digest.hash) != nil {
			return nil, fmt.Errorf("%w: it does not verify with the certificate of %.128q", ErrSignature, c.Subject)
		}
		return c, nil
	}
	return nil, fmt.Errorf("%w: the certificate of the signer is missing", ErrSignature)
}
