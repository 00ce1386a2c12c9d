package challenge

import (
	"errors"
	"fmt"
)

// MaxResponse is the length in bytes of the longest answer. A server need not read
// more of a request body.
const MaxResponse = 64 << 10

// answerPrefix begins every answer. The digit is the version.
const answerPrefix = "sla1"

// An answer is what the client sends.
type answer struct {
	algorithm       algorithm
	cert, signature []byte
}

// marshal returns the bytes of a, or an error if they exceed MaxResponse.
func (a answer) marshal() ([]byte, error) {
	size := len(answerPrefix) + 1 + 2 + len(a.cert) + 2 + len(a.signature)
	if size > MaxResponse {
		return nil, fmt.Errorf("answer has %d bytes, more than %d", size, MaxResponse)
	}
	b := make([]byte, 0, size)
	b = append(b, answerPrefix...)
	b = append(b, byte(a.algorithm))
	b = appendField(b, a.cert)
	return appendField(b, a.signature), nil
}

// parseAnswer reads what marshal returns and accepts no other form. The slices of
// the result point into b.
func parseAnswer(b []byte) (answer, error) {
	if len(b) > MaxResponse {
		return answer{}, fmt.Errorf("%d bytes, more than %d", len(b), MaxResponse)
	}
	r := fields{rest: b}
	if string(r.take(len(answerPrefix))) != answerPrefix {
		return answer{}, fmt.Errorf("does not begin with %q", answerPrefix)
	}
	a := answer{algorithm: algorithm(r.uint8()), cert: r.field(), signature: r.field()}
	if !r.done() {
		return answer{}, errors.New("is cut short or goes on after the signature")
	}
	if a.algorithm < rsaPKCS1 || a.algorithm > pureEd25519 {
		return answer{}, fmt.Errorf("names algorithm %d, which is unknown", a.algorithm)
	}
	return a, nil
}
