package challenge

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of the parts of a challenge, in bytes.
const (
	maxPurpose  = 128
	maxAudience = 512
	maxExporter = 255
	nonceSize   = 32
)

// A Challenge is what a server asks a client to sign. The server makes one with
// [New], keeps it in the session, sends a copy as text ([Challenge.MarshalText]) and
// verifies one answer to it.
//
// A Challenge has no secret. Its zero value is refused by every function, so a
// session without a challenge cannot be answered.
type Challenge struct {
	// Purpose is what the signature is for: "sign-in", "approve order 7".
	// Audience is the name of the server that clients know: an origin such as
	// "https://example.com". Both are UTF-8 without control characters, at
	// most 128 and 512 bytes long, and compared byte by byte.
	Purpose, Audience string

	// Nonce is random, so that no two challenges are equal.
	Nonce [32]byte

	// Time is when the server made the challenge, in whole seconds.
	Time time.Time

	// Bound requires an answer that is bound to the TLS connection. It is part
	// of the text, so the client knows.
	Bound bool

	// Exporter binds the answer to one TLS connection (RFC 9266). It is not part
	// of the text. Each side sets it from the [crypto/tls.ConnectionState] of
	// the connection that carries the answer,
	//
	//	c.Exporter, err = state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	//
	// the client before [Respond], the server before [Verifier.Verify]. An
	// answer relayed through another connection is refused. At most 255 bytes;
	// empty means not bound.
	Exporter []byte
}

// New returns a challenge with a random nonce and the current time. It accepts any
// text; the functions that use the challenge report a text that is empty, too long
// or has control characters.
func New(purpose, audience string) Challenge {
	c := Challenge{
		Purpose:  purpose,
		Audience: audience,
		Time:     time.Now().UTC().Truncate(time.Second),
	}
	rand.Read(c.Nonce[:]) // crypto/rand: it never fails
	return c
}

// check returns why c cannot be signed, or nil. It returns errUnbound only if that
// is the only reason.
func (c *Challenge) check() error {
	if err := checkName("purpose", c.Purpose, maxPurpose); err != nil {
		return err
	}
	if err := checkName("audience", c.Audience, maxAudience); err != nil {
		return err
	}
	if c.Nonce == ([32]byte{}) {
		return errors.New("challenge has no nonce")
	}
	if s := c.Time.Unix(); s <= 0 || s > maxTime {
		return errors.New("challenge has no time between 1970 and 9999")
	}
	if len(c.Exporter) > maxExporter {
		return fmt.Errorf("TLS exporter has %d bytes, more than %d", len(c.Exporter), maxExporter)
	}
	if c.Bound && len(c.Exporter) == 0 {
		return errUnbound
	}
	return nil
}

// maxTime is the last second of the year 9999, in seconds since 1970.
const maxTime = 253402300799

var errUnbound = errors.New("challenge requires a TLS connection, and Exporter is not set")

// checkName returns why s cannot be a text of a challenge, or nil. Both sides show
// these texts and log them.
func checkName(field, s string, limit int) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is empty", field)
	case len(s) > limit:
		return fmt.Errorf("%s has %d bytes, more than %d", field, len(s), limit)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not UTF-8", field)
	}
	for i, r := range s {
		if unicode.Is(unicode.C, r) {
			return fmt.Errorf("%s has a control character, %q, at byte %d", field, r, i)
		}
	}
	return nil
}
