package softkdc

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// Signing is how a reply is signed.
type Signing struct {
	Identity
	Hash        crypto.Hash
	Omit        bool // leaves out the certificates
	ByKeyID     bool // names the signer by key identifier
	ContentType asn1.ObjectIdentifier
	Content     []byte

	// Digest replaces the digest of the content if it is not nil.
	Digest []byte

	// Corrupt changes the signature.
	Corrupt bool
}

func hashOf(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}

// encode returns a ContentInfo.
func (s Signing) encode() []byte {
	digest := s.Digest
	if digest == nil {
		digest = hashOf(s.Hash, s.Content)
	}
	one := der(attribute{oidContentType, []asn1.RawValue{{FullBytes: der(s.ContentType)}}})
	two := der(attribute{oidMessageDigest, []asn1.RawValue{{FullBytes: der(digest)}}})
	attributes := append(one, two...)
	signed := hashOf(s.Hash, wrap(asn1.ClassUniversal, asn1.TagSet, attributes))
	signature := must(s.Key.Sign(rand.Reader, signed, s.Hash))
	if s.Corrupt {
		signature = bytes.Clone(signature)
		signature[len(signature)-1] ^= 1
	}
	algorithm := pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue} // as OpenSSL does
	if _, ok := s.Key.Public().(*ecdsa.PublicKey); ok {
		algorithm = pkix.AlgorithmIdentifier{Algorithm: ecdsaWith[s.Hash]}
	}
	leaf := must(x509.ParseCertificate(s.Chain[0]))
	version, signer := 1, asn1.RawValue{FullBytes: der(issuerAndSerial{asn1.RawValue{FullBytes: leaf.RawIssuer}, leaf.SerialNumber})}
	if s.ByKeyID {
		version, signer = 3, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: leaf.SubjectKeyId}
	}
	chain := s.Chain
	if s.Omit {
		chain = nil
	}
	digestAlgorithm := pkix.AlgorithmIdentifier{Algorithm: digests[s.Hash]}
	return der(contentInfo{oidSignedData, asn1.RawValue{FullBytes: field(0, der(signedData{
		Version:      3,
		Digests:      []pkix.AlgorithmIdentifier{digestAlgorithm},
		Content:      encapsulated{s.ContentType, s.Content},
		Certificates: asn1.RawValue{FullBytes: wrap(asn1.ClassContextSpecific, 0, chain...)},
		Signers: []signerInfo{{
			Version: version, Name: signer, Digest: digestAlgorithm,
			Attributes: asn1.RawValue{FullBytes: wrap(asn1.ClassContextSpecific, 0, attributes)},
			Algorithm:  algorithm, Signature: signature,
		}},
	}))}})
}

// verify returns the content of a request and the certificate of its signer.
func verify(b []byte) (content []byte, signer *x509.Certificate, err error) {
	var info contentInfo
	if err := unmarshal(b, &info); err != nil {
		return nil, nil, err
	}
	var data signedData
	if err := unmarshal(info.Content.Bytes, &data); err != nil {
		return nil, nil, err
	}
	if !info.Type.Equal(oidSignedData) || data.Version != 3 || !data.Content.Type.Equal(oidAuthData) || len(data.Signers) != 1 {
		return nil, nil, fmt.Errorf("not a signed AuthPack")
	}
	certificates, err := x509.ParseCertificates(data.Certificates.Bytes)
	if err != nil {
		return nil, nil, err
	}
	leaf, s := certificates[0], data.Signers[0]
	if want := der(issuerAndSerial{asn1.RawValue{FullBytes: leaf.RawIssuer}, leaf.SerialNumber}); !bytes.Equal(want, s.Name.FullBytes) {
		return nil, nil, fmt.Errorf("the first certificate is not that of the signer")
	}
	var hash crypto.Hash
	for h, id := range digests {
		if id.Equal(s.Digest.Algorithm) {
			hash = h
		}
	}
	if hash == 0 {
		return nil, nil, fmt.Errorf("digest %v", s.Digest.Algorithm)
	}
	var attributes [2]attribute
	rest := s.Attributes.Bytes
	for i := range attributes {
		if rest, err = asn1.Unmarshal(rest, &attributes[i]); err != nil {
			return nil, nil, err
		}
	}
	if len(rest) != 0 || !attributes[0].Type.Equal(oidContentType) || !bytes.Equal(attributes[0].Values[0].FullBytes, der(oidAuthData)) ||
		!attributes[1].Type.Equal(oidMessageDigest) || !bytes.Equal(attributes[1].Values[0].Bytes, hashOf(hash, data.Content.Content)) {
		return nil, nil, fmt.Errorf("signed attributes")
	}
	digest := hashOf(hash, wrap(asn1.ClassUniversal, asn1.TagSet, s.Attributes.Bytes))
	valid := false
	switch k := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		valid = rsa.VerifyPKCS1v15(k, hash, digest, s.Signature) == nil
	case *ecdsa.PublicKey:
		valid = s.Algorithm.Algorithm.Equal(ecdsaWith[hash]) && ecdsa.VerifyASN1(k, digest, s.Signature)
	}
	if !valid {
		return nil, nil, fmt.Errorf("signature")
	}
	return data.Content.Content, leaf, nil
}

func unmarshal(b []byte, v any) error {
	rest, err := asn1.Unmarshal(b, v)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes are left", len(rest))
	}
	return err
}
