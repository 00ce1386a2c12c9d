package challenge

import (
	"crypto/sha256"
	"encoding/binary"
)

// signedContext begins every signed message. The signed data of other protocols
// begins differently: DER with a tag, TLS 1.3 with spaces, SSH with a length.
const signedContext = "smartlogon challenge answer"

// statementVersion is the first field of the statement.
const statementVersion = 1

// message returns the bytes that are signed: signedContext, a zero byte, and the
// SHA-256 hash of the statement.
func message(a algorithm, cert []byte, c *Challenge) []byte {
	hash := sha256.Sum256(statement(a, cert, c))
	b := append([]byte(signedContext), 0)
	return append(b, hash[:]...)
}

// statement returns the fields that an answer signs.
func statement(a algorithm, cert []byte, c *Challenge) []byte {
	hash := sha256.Sum256(cert)
	var seconds [8]byte
	binary.BigEndian.PutUint64(seconds[:], uint64(c.Time.Unix()))

	b := make([]byte, 0, 256)
	b = appendField(b, []byte{statementVersion})
	b = appendField(b, []byte{byte(a)})
	b = appendField(b, hash[:])
	b = appendField(b, []byte(c.Purpose))
	b = appendField(b, []byte(c.Audience))
	b = appendField(b, c.Nonce[:])
	b = appendField(b, seconds[:])
	return appendField(b, c.Exporter)
}
