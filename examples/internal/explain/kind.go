package explain

import (
	"bytes"
	"fmt"
	"iter"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A kindError reports a file or a part of it that is something other than a
// certificate.
type kindError struct{ kind, hint string }

func (e *kindError) Error() string { return e.kind + ", not a certificate" }

// Hint returns how to get the certificate.
func (e *kindError) Hint() string { return e.hint }

var (
	certificateRequest = &kindError{"certificate request",
		"Use the certificate that was issued for this request; openssl req -in FILE -noout -text prints the request."}
	revocationList = &kindError{"certificate revocation list",
		"Use the file with the certificate; openssl crl -in FILE -noout -text prints the list."}
	privateKey = &kindError{"private key",
		"Use the certificate that was issued for this key; openssl pkey -in FILE -pubout prints the public key to compare."}
	publicKey = &kindError{"public key",
		"Use the certificate that was issued for this key; openssl pkey -pubin -in FILE -noout -text prints the key."}
	pkcs12 = &kindError{"PKCS #12 file",
		"Extract the certificates with openssl pkcs12 -in FILE -nokeys -out certificates.pem (old files need -legacy)."}
	pkcs7Unreadable = &kindError{"PKCS #7 file in BER or damaged",
		"Extract the certificates with openssl pkcs7 -in FILE -inform DER -print_certs -out certificates.pem."}
	pkcs7Empty = &kindError{"PKCS #7 file without certificates",
		"Use the file with the certificate; openssl asn1parse -in FILE -inform DER prints the contents."}
)

// labelKind returns the kind of a PEM block whose label is not that of a certificate
// or of PKCS #7, and nil for these.
func labelKind(label string) error {
	switch {
	case label == "CERTIFICATE", label == "X509 CERTIFICATE", label == "X.509 CERTIFICATE", label == "TRUSTED CERTIFICATE",
		label == "PKCS7", label == "PKCS #7 SIGNED DATA", label == "CMS":
		return nil
	case label == "CERTIFICATE REQUEST", label == "NEW CERTIFICATE REQUEST":
		return certificateRequest
	case strings.HasSuffix(label, "CRL"):
		return revocationList
	case strings.HasSuffix(label, "PRIVATE KEY"):
		return privateKey
	case strings.HasSuffix(label, "PUBLIC KEY"):
		return publicKey
	}
	return &kindError{fmt.Sprintf("PEM block %q", label), ""}
}

// The first bytes of the contents of these structures.
var (
	pkcs7Prefix  = []byte{0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07} // an object identifier of PKCS #7
	pkcs12Prefix = []byte{0x02, 0x01, 0x03, 0x30}                                     // version 3 and a SEQUENCE
	signedData   = append(bytes.Clone(pkcs7Prefix), 0x02)
)

// derCertificates yields the certificate that der is, or those in it.
func derCertificates(der []byte) iter.Seq2[[]byte, error] {
	if bytes.HasPrefix(contents(der), pkcs7Prefix) {
		return pkcs7Certificates(der)
	}
	if err := derKind(der); err != nil {
		return only(nil, err)
	}
	return only(der, nil)
}

// pkcs7Certificates yields the certificates of a SignedData (RFC 2315, 9.1). Those in
// other formats (RFC 5652, 10.2.2) are skipped.
func pkcs7Certificates(der []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if !bytes.HasPrefix(contents(der), signedData) {
			yield(nil, pkcs7Empty)
			return
		}
		tag0 := asn1.Tag(0).ContextSpecific().Constructed()
		s := cryptobyte.String(der)
		var list cryptobyte.String
		if !s.ReadASN1(&s, asn1.SEQUENCE) || !s.SkipASN1(asn1.OBJECT_IDENTIFIER) ||
			!s.ReadASN1(&s, tag0) || !s.ReadASN1(&s, asn1.SEQUENCE) ||
			!s.SkipASN1(asn1.INTEGER) || // version
			!s.SkipASN1(asn1.SET) || // digestAlgorithms
			!s.SkipASN1(asn1.SEQUENCE) || // contentInfo
			!s.ReadOptionalASN1(&list, nil, tag0) {
			yield(nil, pkcs7Unreadable)
			return
		}
		yielded := false
		for !list.Empty() {
			var element cryptobyte.String
			var tag asn1.Tag
			if !list.ReadAnyASN1Element(&element, &tag) {
				yield(nil, pkcs7Unreadable)
				return
			}
			if tag != asn1.SEQUENCE {
				continue
			}
			yielded = true
			var result []byte
			err := derKind(element)
			if err == nil {
				result = element
			}
			if !yield(result, err) {
				return
			}
		}
		if !yielded {
			yield(nil, pkcs7Empty)
		}
	}
}

// derKind returns what der is if it is known to be something other than a
// certificate, and nil otherwise.
func derKind(der []byte) error {
	switch content := contents(der); {
	case bytes.HasPrefix(content, pkcs12Prefix):
		return pkcs12
	case bytes.HasPrefix(content, pkcs7Prefix):
		return pkcs7Unreadable // within PKCS #7
	}
	s := cryptobyte.String(der)
	var outer, first cryptobyte.String
	if !s.ReadASN1(&outer, asn1.SEQUENCE) {
		return nil
	}
	fields := outer
	if !outer.ReadAnyASN1(&first, nil) {
		return nil
	}
	switch shape := tags(fields); {
	case shape == "30 30 03":
		switch signed := tags(first); {
		case signed == "02 30 30", signed == "02 30 30 A0": // version, subject, key, attributes (RFC 2986, 4.1)
			return certificateRequest
		case strings.HasPrefix(signed, "30 30 17"), strings.HasPrefix(signed, "30 30 18"),
			strings.HasPrefix(signed, "02 30 30 17"), strings.HasPrefix(signed, "02 30 30 18"): // algorithm, issuer, thisUpdate (RFC 5280, 5.1)
			return revocationList
		}
	case strings.HasPrefix(shape, "02 30 04"), // PKCS #8 (RFC 5958)
		shape == "30 04",                           // PKCS #8, encrypted
		strings.HasPrefix(shape, "02 04"),          // RFC 5915
		strings.HasPrefix(shape, "02 02 02 02 02"): // RFC 8017, A.1.2, and DSA
		return privateKey
	case shape == "30 03", shape == "02 02": // SubjectPublicKeyInfo; RFC 8017, A.1.1
		return publicKey
	}
	return nil
}

// tags returns the tags of the first ten elements, in hexadecimal.
func tags(s cryptobyte.String) string {
	var list []string
	for len(list) < 10 && !s.Empty() {
		var tag asn1.Tag
		if !s.ReadAnyASN1(new(cryptobyte.String), &tag) {
			break
		}
		list = append(list, fmt.Sprintf("%02X", byte(tag)))
	}
	return strings.Join(list, " ")
}

// contents returns what follows the header of a SEQUENCE, whose length can be wrong or
// indefinite. It returns nil if der is not a SEQUENCE.
func contents(der []byte) []byte {
	if len(der) < 2 || der[0] != 0x30 {
		return nil
	}
	header := 2
	if der[1] > 0x80 {
		header += int(der[1] & 0x7F)
	}
	return der[min(header, len(der)):]
}

// trimDER removes whitespace after the SEQUENCE that a file consists of: text editors
// and echo append a line feed.
func trimDER(file []byte) []byte {
	if der, rest, ok := cutSequence(file); ok && len(bytes.Trim(rest, whitespace)) == 0 {
		return der
	}
	return file
}

// cutSequence returns the SEQUENCE at the start of b, and what follows.
func cutSequence(b []byte) (der, rest []byte, ok bool) {
	s := cryptobyte.String(b)
	var element cryptobyte.String
	ok = s.ReadASN1Element(&element, asn1.SEQUENCE)
	return element, s, ok
}
