package challenge

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// textPrefix begins every text. The digit is the version.
const textPrefix = "slc1."

// maxText is the length of the longest text.
var maxText = len(textPrefix) + base64.RawURLEncoding.EncodedLen(nonceSize+8+1+2+maxPurpose+2+maxAudience)

// MarshalText returns the text of c: at most 919 letters, digits, '.', '-' and '_',
// which need no escaping in a URL, a header or a form. [Challenge.Exporter] is not
// in it; the receiver's Bound is set if Exporter or Bound is. The package comment
// describes the format.
func (c Challenge) MarshalText() ([]byte, error) {
	if err := c.check(); err != nil && !errors.Is(err, errUnbound) {
		return nil, fmt.Errorf("challenge: %w", err)
	}
	b := make([]byte, 0, 128)
	b = append(b, c.Nonce[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Time.Unix()))
	b = append(b, boolByte(c.Bound || len(c.Exporter) > 0))
	b = appendField(b, []byte(c.Purpose))
	b = appendField(b, []byte(c.Audience))
	return base64.RawURLEncoding.AppendEncode([]byte(textPrefix), b), nil
}

// UnmarshalText reads the text of [Challenge.MarshalText]. It accepts no other
// spelling of the same challenge. After an error c is unchanged.
func (c *Challenge) UnmarshalText(text []byte) error {
	parsed, err := parseText(text)
	if err != nil {
		return fmt.Errorf("challenge: text: %w", err)
	}
	*c = parsed
	return nil
}

func parseText(text []byte) (Challenge, error) {
	if len(text) > maxText {
		return Challenge{}, fmt.Errorf("%d characters, more than %d", len(text), maxText)
	}
	encoded, ok := strings.CutPrefix(string(text), textPrefix)
	if !ok {
		return Challenge{}, fmt.Errorf("does not begin with %q", textPrefix)
	}
	// The decoder skips line ends, so only encoding again shows that this is the
	// one spelling.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != encoded {
		return Challenge{}, errors.New("is not base64url without padding")
	}
	r := fields{rest: raw}
	var c Challenge
	copy(c.Nonce[:], r.take(nonceSize))
	seconds := r.uint64()
	bound := r.uint8()
	c.Purpose = string(r.field())
	c.Audience = string(r.field())
	switch {
	case !r.done():
		return Challenge{}, errors.New("is cut short or goes on after its last field")
	case bound > 1:
		return Challenge{}, fmt.Errorf("connection flag is %d", bound)
	case seconds > maxTime:
		return Challenge{}, errors.New("time is after the year 9999")
	}
	c.Time = time.Unix(int64(seconds), 0).UTC()
	c.Bound = bound == 1
	if err := c.check(); err != nil && !errors.Is(err, errUnbound) {
		return Challenge{}, err
	}
	return c, nil
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
