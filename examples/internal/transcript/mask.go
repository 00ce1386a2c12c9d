package transcript

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/card"
)

// Instructions that the masks know.
const (
	insVerify      = 0x20
	insSelect      = 0xA4
	insGetResponse = 0xC0
	insGetDataOne  = 0xCA
	insGetData     = 0xCB
	insPutData     = 0xDB
	insMetadata    = 0xF7
	insVersion     = 0xFD
)

// A mask writes the data of a response, which may come in several parts.
type mask interface{ hide(part []byte) string }

// maskOf returns the mask of the response to a command. What is not known to be
// harmless is hidden.
func maskOf(c card.Command) mask {
	switch c.INS {
	case insSelect, insVersion:
		return plain{}
	case insGetData, insGetDataOne:
		if bytes.Equal(c.Data, []byte{0x5C, 0x01, 0x7E}) {
			return plain{} // discovery object; some are malformed
		}
		return &elements{harmless: harmlessObjects}
	case insMetadata:
		return &elements{harmless: harmlessMetadata}
	}
	return hidden{}
}

// plain writes all bytes.
type plain struct{}

func (plain) hide(part []byte) string { return fmt.Sprintf("%X", part) }

// hidden writes only the number of bytes.
type hidden struct{}

func (hidden) hide(part []byte) string { return count(len(part)) }

func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("<%d>", n)
}

// elements writes the tags and lengths of BER-TLV elements, and the values of those
// that identify neither card nor user. The state carries over to the next part.
type elements struct {
	harmless map[string]bool

	header []byte // the beginning of a header at the end of a part
	rest   int    // bytes left of a value
	shown  bool   // the value is written
	lost   bool   // a header was malformed: all that follows is hidden
}

// containers are tags whose value is elements.
var containers = map[string]bool{
	"\x53": true, "\x61": true, "\x7E": true, "\x7F\x61": true, "\x7F\x49": true,
	"\x7F\x71": true, "\x7F\x72": true, "\x7F\x73": true,
}

// harmlessMetadata are the tags of GET METADATA whose value is written: algorithm,
// policies, origin, default, retries, fingerprints.
var harmlessMetadata = map[string]bool{
	"\x01": true, "\x02": true, "\x03": true, "\x05": true, "\x06": true, "\x07": true, "\x08": true,
}

// harmlessObjects are the tags of GET DATA whose value is written.
var harmlessObjects = map[string]bool{
	// PIV: expiration date, key history but for its address, CertInfo, error
	// detection code, the data model of the card capability container.
	"\x35": true, "\xC1": true, "\xC2": true, "\x71": true, "\x72": true, "\xFE": true,
	"\xF1": true, "\xF2": true, "\xF4": true, "\xF5": true,
	// A public key's exponent.
	"\x82": true,
	// GIDS: retries, EF.ATR, the table of files, cardcf.
	"\x93": true, "\x97": true, "\x9F\x17": true, "\x43": true, "\x47": true, "\x46": true,
	"\xDF\x1F": true, "\xDF\x22": true,
}

func (e *elements) hide(part []byte) string {
	var text strings.Builder
	for len(part) > 0 {
		switch {
		case e.lost:
			text.WriteString(count(len(part)))
			part = nil
		case e.rest > 0:
			n := min(e.rest, len(part))
			if e.shown {
				fmt.Fprintf(&text, "%X", part[:n])
			} else {
				text.WriteString(count(n))
			}
			e.rest -= n
			part = part[n:]
		default:
			fmt.Fprintf(&text, "%02X", part[0])
			e.header = append(e.header, part[0])
			part = part[1:]
			e.readHeader()
		}
	}
	return text.String()
}

// maxHeader bounds tag and length.
const maxHeader = 3 + 4

// readHeader ends the header if it is complete.
func (e *elements) readHeader() {
	tag := 1
	if e.header[0]&0x1F == 0x1F {
		for tag < len(e.header) && e.header[tag]&0x80 != 0 {
			tag++
		}
		tag++
	}
	if len(e.header) <= tag {
		e.lost = len(e.header) == maxHeader
		return
	}
	length, more := int(e.header[tag]), 0
	if length >= 0x80 {
		length, more = 0, length-0x80
	}
	if more > 3 || tag > 3 || more == 0 && e.header[tag] == 0x80 {
		e.lost = true
		return
	}
	if len(e.header) < tag+1+more {
		return
	}
	for _, b := range e.header[tag+1:] {
		length = length<<8 | int(b)
	}
	if !containers[string(e.header[:tag])] {
		e.rest, e.shown = length, e.harmless[string(e.header[:tag])]
	}
	e.header = e.header[:0]
}

// hideCommand writes a command. Its lengths are those of the exchange; see
// card.Trace.
func hideCommand(c card.Command, show bool) string {
	text := fmt.Sprintf("%02X%02X%02X%02X", c.CLA, c.INS, c.P1, c.P2)
	secret := c.Data != nil && len(c.Data) == 0
	extended := len(c.Data) > 255 || c.Ne > 256
	switch n := len(c.Data); {
	case secret && c.INS == insVerify:
		return text + "<PIN>"
	case secret:
		return text + "<secret>"
	case n > 0 && extended:
		text += fmt.Sprintf("00%04X", n)
	case n > 0:
		text += fmt.Sprintf("%02X", n)
	}
	data := c.Data
	known := len(data)
	switch {
	case show || c.INS == insSelect || c.INS == insGetData:
	case c.INS == insPutData && len(data) > 2 && data[0] == 0x5C:
		known = min(len(data), 2+int(data[1])) // the name of the object
	default:
		known = 0
	}
	text += fmt.Sprintf("%X", data[:known]) + count(len(data)-known)
	switch {
	case c.Ne == 0:
	case extended && len(data) == 0:
		text += fmt.Sprintf("00%04X", c.Ne&0xFFFF)
	case extended:
		text += fmt.Sprintf("%04X", c.Ne&0xFFFF)
	default:
		text += fmt.Sprintf("%02X", c.Ne&0xFF)
	}
	return text
}
