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

// A Challenge is what a server asks a key holder to sign for. [New] makes one.
// The server keeps it, in the session of the one it was made for, and uses it
// once. A copy goes to the client as text ([Challenge.MarshalText]).
//
// A Challenge holds no secret. Its zero value is refused everywhere, so a
// session that has none cannot be answered.
type Challenge struct {
	// Purpose says what the signature is for: "sign-in", "approve order 7".
	// Audience names the server, as its clients know it: an origin such as
	// "https://example.com". Both are UTF-8 without control characters, at
	// most 128 and 512 bytes, and compared byte by byte.
	Purpose, Audience string

	// Nonce is random. It makes each challenge the only one of its kind.
	Nonce [32]byte

	// Time is when the challenge was made, by the server's clock, in whole
	// seconds.
	Time time.Time

	// Bound asks the client to tie its answer to the TLS connection. It is
	// part of the text form, so that a client can know.
	Bound bool

	// Exporter ties the answer to one TLS connection (RFC 9266). It is not
	// part of the text form: each side takes the value from its own end,
	//
	//	c.Exporter, err = state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	//
	// the client before [Respond], the server before [Verifier.Verify], where
	// state is the [crypto/tls.ConnectionState] of the connection that brings
	// the answer. An answer passed on through another connection is then
	// refused. At most 255 bytes; empty: not tied.
	Exporter []byte
}

// New returns a challenge with a fresh nonce and the present time. It takes
// any text; one that is empty, too long or holds control characters is
// reported where the challenge is used.
func New(purpose, audience string) Challenge {
	c := Challenge{
		Purpose:  purpose,
		Audience: audience,
		Time:     time.Now().UTC().Truncate(time.Second),
	}
	rand.Read(c.Nonce[:]) // never fails: see crypto/rand
	return c
}

// check reports what makes c unfit to be signed.
func (c *Challenge) check() error {
	if err := checkName("purpose", c.Purpose, maxPurpose); err != nil {
		return err
	}
	if err := checkName("audience", c.Audience, maxAudience); err != nil {
		return err
	}
	if c.Nonce == ([32]byte{}) {
		return errors.New("challenge has no nonce; make it with New")
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

// errUnbound is found by check alone, so that the rest of c is known to be fit
// where it is returned.
var errUnbound = errors.New("challenge asks for a TLS connection, and Exporter is not set; take it from the connection that carries the answer")

// checkName reports whether s may stand in a challenge: both sides show it to
// people and write it to logs.
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
