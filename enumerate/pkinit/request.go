package pkinit

import (
	"crypto"
	"time"
)

// An authPack has the fields of an AuthPack (RFC 4556, 3.2.1) that the client
// chooses.
type authPack struct {
	time      time.Time
	nonce     uint32
	freshness []byte // nil if the KDC sent no token
	body      []byte // KDC-REQ-BODY
	public    []byte // SubjectPublicKeyInfo
}

func (a authPack) encode() []byte {
	authenticator := [][]byte{
		field(0, integer(int64(a.time.Nanosecond()/1000))),
		field(1, timestamp(a.time)),
		field(2, integer(int64(a.nonce))),
		field(3, octets(sum(crypto.SHA1, a.body))),
	}
	if a.freshness != nil {
		authenticator = append(authenticator, field(4, octets(a.freshness))) // RFC 8070, 4
	}
	sha256, _ := byHash(crypto.SHA256)
	authenticator = append(authenticator, field(5, sequence( // MS-PKCA, 2.2.3
		field(0, octets(sum(crypto.SHA256, a.body))),
		field(1, algorithm(sha256.digest)),
	)))
	// Heimdal signs the reply with SHA-1 unless the list has both the signature and
	// the digest.
	var types [][]byte
	for _, f := range hashFunctions {
		if f.hash != crypto.SHA1 {
			types = append(types, algorithm(f.rsa, null), algorithm(f.ecdsa), algorithm(f.digest))
		}
	}
	var offered [][]byte
	for _, k := range kdfs {
		offered = append(offered, sequence(field(0, oid(k.id))))
	}
	return sequence(
		field(0, sequence(authenticator...)),
		field(1, a.public),
		field(2, sequence(types...)),   // supportedCMSTypes
		field(4, sequence(offered...)), // RFC 8636, 5
	)
}

// encodePKASReq encodes a PA-PK-AS-REQ (RFC 4556, 3.2.1).
func encodePKASReq(signed []byte) []byte { return sequence(tlv(implicit(0), signed)) }

// A dhReply is a DHRepInfo (RFC 4556, 3.2.3; RFC 8636, 5).
type dhReply struct {
	signed []byte // ContentInfo
	nonce  []byte // of the KDC
	kdf    string // empty: octetstring2key
}

// parsePKASRep reads a PA-PK-AS-REP.
func parsePKASRep(b []byte) (r dhReply, err error) {
	p := parse(b)
	if p.has(explicit(1)) || p.has(implicit(1)) {
		p.fail("%w: the KDC encrypts the key with RSA", ErrWeak)
	}
	p.field(0, func(p *parser) {
		p.sequence(func(p *parser) {
			r.signed = p.take(implicit(0)).Value
			p.optional(1, func(p *parser) { r.nonce = p.octets() })
			p.optional(2, func(p *parser) {
				p.sequence(func(p *parser) { p.field(0, func(p *parser) { r.kdf = p.oid() }) })
			})
		})
	})
	return r, p.close()
}

// A keyInfo is a KDCDHKeyInfo (RFC 4556, 3.2.3.1).
type keyInfo struct {
	public []byte
	nonce  uint32
}

func parseKeyInfo(b []byte) (k keyInfo, err error) {
	p := parse(b)
	p.sequence(func(p *parser) {
		p.field(0, func(p *parser) { k.public = p.bits() })
		p.field(1, func(p *parser) { k.nonce = p.nonce() })
		p.optional(2, func(p *parser) { p.time() }) // the client does not use the key again
	})
	return k, p.close()
}
