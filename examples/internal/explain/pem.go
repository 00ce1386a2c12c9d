package explain

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"strings"
)

var (
	errNoBegin = errors.New("damaged PEM block: no BEGIN line")
	errNoEnd   = errors.New("damaged PEM block: no END line")
	errBase64  = errors.New("damaged PEM block: malformed base64")
)

// maxLabel is the length limit of the label of a PEM block, in bytes.
const maxLabel = 64

// pemCertificates yields the certificates in the blocks of a PEM file. encoding/pem
// is not used: it skips damaged blocks. Blocks of other kinds are ignored beside
// certificates; without certificates, the error names the kind of the first one.
func pemCertificates(text []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var other error
		yielded := false
		for {
			block, rest, ok := nextBlock(text)
			if !ok {
				break
			}
			text = rest
			if kind := labelKind(block.label); kind != nil {
				if other == nil {
					other = kind
				}
				continue
			}
			yielded = true
			for der, err := range block.certificates() {
				if !yield(der, err) {
					return
				}
			}
		}
		if !yielded {
			yield(nil, other)
		}
	}
}

// A pemBlock is a block of a PEM file.
type pemBlock struct {
	label string
	der   []byte
	err   error // the block is damaged
}

func (b *pemBlock) certificates() iter.Seq2[[]byte, error] {
	switch {
	case b.err != nil:
		return only(nil, b.err)
	case b.label == "TRUSTED CERTIFICATE":
		// OpenSSL appends trust settings to the certificate.
		if der, _, ok := cutSequence(b.der); ok {
			return derCertificates(der)
		}
	}
	return derCertificates(b.der)
}

// nextBlock returns the next block of a PEM file, and the text after it. It looks for
// the markers only, so line ends, indentation and missing line breaks do not matter.
func nextBlock(text []byte) (b *pemBlock, rest []byte, ok bool) {
	i, end, ok := nextMarker(text)
	if !ok {
		return nil, nil, false
	}
	b = new(pemBlock)
	b.label, rest = cutLabel(text[i:])
	if end {
		b.err = errNoBegin
		return b, rest, true
	}
	i, end, ok = nextMarker(rest)
	if !ok {
		b.err = errNoEnd
		return b, nil, true
	}
	if !end {
		b.err = errNoEnd
		return b, rest[i:], true
	}
	body := rest[:i]
	label, rest := cutLabel(rest[i:])
	if label != b.label {
		b.err = fmt.Errorf("damaged PEM block: BEGIN %q, but END %q", b.label, label)
		return b, rest, true
	}
	// Header lines (RFC 1421, 4.6) have a colon, which base64 does not.
	if colon := bytes.LastIndexByte(body, ':'); colon >= 0 {
		body = body[colon:]
		body = body[max(bytes.IndexAny(body, "\r\n"), 1):]
	}
	if b.der, ok = decodeBase64(body); !ok {
		b.err = errBase64
	}
	return b, rest, true
}

// nextMarker returns the offset of the next BEGIN or END marker, and whether it is an
// END marker.
func nextMarker(text []byte) (offset int, end, ok bool) {
	for {
		i := bytes.Index(text[offset:], []byte("-----"))
		if i < 0 {
			return 0, false, false
		}
		offset += i
		switch marker := text[offset+5:]; {
		case bytes.HasPrefix(marker, []byte("BEGIN ")):
			return offset, false, true
		case bytes.HasPrefix(marker, []byte("END ")):
			return offset, true, true
		}
		offset++
	}
}

// cutLabel returns the label after a marker at the start of text, and the text after
// the line. Files that were joined without a line break have ten dashes between two
// blocks, of which it removes five.
func cutLabel(text []byte) (label string, rest []byte) {
	_, rest, _ = bytes.Cut(text, []byte(" "))
	line := rest[:min(len(rest), maxLabel)]
	if i := bytes.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	if i := bytes.Index(line, []byte("--")); i >= 0 {
		line = line[:i]
	}
	rest = rest[len(line):]
	for range 5 {
		rest = bytes.TrimPrefix(rest, []byte("-"))
	}
	return strings.TrimSpace(string(line)), rest
}

// decodeBase64 decodes at least one byte of base64, with or without padding and with
// any whitespace.
func decodeBase64(text []byte) ([]byte, bool) {
	compact := make([]byte, 0, len(text))
	for _, c := range text {
		if strings.IndexByte(whitespace, c) < 0 {
			compact = append(compact, c)
		}
	}
	der, err := base64.RawStdEncoding.AppendDecode(nil, bytes.TrimRight(compact, "="))
	return der, len(der) > 0 && err == nil
}
