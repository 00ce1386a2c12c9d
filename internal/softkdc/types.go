package softkdc

import (
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

type oid = asn1.ObjectIdentifier

var (
	oidSignedData    = oid{1, 2, 840, 113549, 1, 7, 2}
	oidAuthData      = oid{1, 3, 6, 1, 5, 2, 3, 1}
	oidDHKeyData     = oid{1, 3, 6, 1, 5, 2, 3, 2}
	oidContentType   = oid{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = oid{1, 2, 840, 113549, 1, 9, 4}
	oidKDF           = oid{1, 3, 6, 1, 5, 2, 3, 6, 2}
	oidDH            = oid{1, 2, 840, 10046, 2, 1}
	oidEC            = oid{1, 2, 840, 10045, 2, 1}
	oidRSA           = oid{1, 2, 840, 113549, 1, 1, 1}

	digests = map[crypto.Hash]oid{
		crypto.SHA1:   {1, 3, 14, 3, 2, 26},
		crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
		crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
		crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
	}
	ecdsaWith = map[crypto.Hash]oid{
		crypto.SHA256: {1, 2, 840, 10045, 4, 3, 2},
		crypto.SHA384: {1, 2, 840, 10045, 4, 3, 3},
		crypto.SHA512: {1, 2, 840, 10045, 4, 3, 4},
	}
)

// CMS (RFC 5652).
type (
	contentInfo struct {
		Type    oid
		Content asn1.RawValue `asn1:"tag:0"` // explicit: Bytes is the content
	}
	encapsulated struct {
		Type    oid
		Content []byte `asn1:"explicit,tag:0"`
	}
	signedData struct {
		Version      int
		Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
		Content      encapsulated
		Certificates asn1.RawValue `asn1:"optional,tag:0"`
		Signers      []signerInfo  `asn1:"set"`
	}
	signerInfo struct {
		Version    int
		Name       asn1.RawValue
		Digest     pkix.AlgorithmIdentifier
		Attributes asn1.RawValue `asn1:"tag:0"`
		Algorithm  pkix.AlgorithmIdentifier
		Signature  []byte
	}
	attribute struct {
		Type   oid
		Values []asn1.RawValue `asn1:"set"`
	}
	issuerAndSerial struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
)

// Kerberos (RFC 4120).
type (
	name struct {
		Type  int             `asn1:"explicit,tag:0"`
		Parts []asn1.RawValue `asn1:"explicit,tag:1"`
	}
	paData struct {
		Type  int    `asn1:"explicit,tag:1"`
		Value []byte `asn1:"explicit,tag:2"`
	}
	request struct {
		Version int           `asn1:"explicit,tag:1"`
		Type    int           `asn1:"explicit,tag:2"`
		PAData  []paData      `asn1:"explicit,optional,tag:3"`
		Body    asn1.RawValue `asn1:"tag:4"`
	}
	requestBody struct {
		Options asn1.BitString `asn1:"explicit,tag:0"`
		Client  name           `asn1:"explicit,optional,tag:1"`
		Realm   string         `asn1:"explicit,tag:2"`
		Server  name           `asn1:"explicit,tag:3"`
		Till    time.Time      `asn1:"explicit,generalized,tag:5"`
		Renew   time.Time      `asn1:"explicit,optional,generalized,tag:6"`
		Nonce   int64          `asn1:"explicit,tag:7"`
		ETypes  []int          `asn1:"explicit,tag:8"`
	}
	encrypted struct {
		EType  int    `asn1:"explicit,tag:0"`
		Cipher []byte `asn1:"explicit,tag:2"`
	}
	apReq struct {
		Version       int            `asn1:"explicit,tag:0"`
		Type          int            `asn1:"explicit,tag:1"`
		Options       asn1.BitString `asn1:"explicit,tag:2"`
		Ticket        asn1.RawValue  `asn1:"tag:3"`
		Authenticator encrypted      `asn1:"explicit,tag:4"`
	}
	authenticator struct {
		Version  int       `asn1:"explicit,tag:0"`
		Realm    string    `asn1:"explicit,tag:1"`
		Client   name      `asn1:"explicit,tag:2"`
		Checksum checksum  `asn1:"explicit,tag:3"`
		CUSec    int       `asn1:"explicit,tag:4"`
		CTime    time.Time `asn1:"explicit,generalized,tag:5"`
	}
	checksum struct {
		Type  int    `asn1:"explicit,tag:0"`
		Value []byte `asn1:"explicit,tag:1"`
	}
)

// PKINIT (RFC 4556, 8070, 8636; MS-PKCA).
type (
	pkASReq struct {
		Signed []byte `asn1:"tag:0"`
	}
	authPack struct {
		Authenticator pkAuthenticator            `asn1:"explicit,tag:0"`
		Public        asn1.RawValue              `asn1:"tag:1"`
		Algorithms    []pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:2"`
		KDFs          []kdf                      `asn1:"explicit,optional,tag:4"`
	}
	pkAuthenticator struct {
		CUSec     int         `asn1:"explicit,tag:0"`
		CTime     time.Time   `asn1:"explicit,generalized,tag:1"`
		Nonce     int64       `asn1:"explicit,tag:2"`
		Checksum  []byte      `asn1:"explicit,tag:3"`
		Freshness []byte      `asn1:"explicit,optional,tag:4"`
		Checksum2 paChecksum2 `asn1:"explicit,optional,tag:5"`
	}
	paChecksum2 struct {
		Value     []byte                   `asn1:"explicit,tag:0"`
		Algorithm pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
	}
	kdf struct {
		ID oid `asn1:"explicit,tag:0"`
	}
	publicKeyInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	domainParameters struct{ P, G, Q *big.Int }
)

// must panics: what it encodes was made here.
func must[T any](v T, err error) T {
	if err != nil {
		panic("softkdc: " + err.Error())
	}
	return v
}

func der(v any) []byte { return must(asn1.Marshal(v)) }

func wrap(class, tag int, content ...[]byte) []byte {
	var b []byte
	for _, c := range content {
		b = append(b, c...)
	}
	return der(asn1.RawValue{Class: class, Tag: tag, IsCompound: true, Bytes: b})
}

func field(tag int, content []byte) []byte       { return wrap(asn1.ClassContextSpecific, tag, content) }
func application(tag int, content []byte) []byte { return wrap(asn1.ClassApplication, tag, content) }
func seq(content ...[]byte) []byte               { return wrap(asn1.ClassUniversal, asn1.TagSequence, content...) }

func general(s string) []byte {
	return der(asn1.RawValue{Tag: asn1.TagGeneralString, Bytes: []byte(s)})
}

func kerberosTime(t time.Time) []byte {
	return der(asn1.RawValue{Tag: asn1.TagGeneralizedTime, Bytes: []byte(t.UTC().Format("20060102150405Z"))})
}

func bitString(b []byte) []byte { return der(asn1.BitString{Bytes: b, BitLength: 8 * len(b)}) }
