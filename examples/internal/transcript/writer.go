// Package transcript writes down the exchanges with cards, so that users can report
// how a card behaves, and tests can replay it (Replay of package card/cardtest).
//
// A transcript is one JSON object a line. The first one of each card has its answer to
// reset and its reader, the others have a command ("c") and the response ("a", "sw")
// in hexadecimal. <25> stands for 25 bytes that are left out, <PIN> and <secret> for
// those that no trace has.
//
// What identifies a user or a card is left out: certificates, public keys, card
// identifiers, serial numbers, printed information. PINs, keys and what a key has
// computed are never written.
package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/smartlogon/smartlogon/card"
)

// A Recorder collects exchanges.
type Recorder struct {
	// All writes everything but secrets.
	All bool

	mu      sync.Mutex // guards the rest
	readers []string   // in the order of their first command
	lines   map[string][]line
	masks   map[string]mask // of the response under way
	full    bool
}

// maxLines bounds the exchanges of all cards.
const maxLines = 20000

// A line is one exchange.
type line struct {
	C    string `json:"c"`
	A    string `json:"a"`
	SW   string `json:"sw"`
	Note string `json:"note,omitempty"`
}

// A header begins the transcript of a card.
type header struct {
	Card   string `json:"card"` // filled in by the user
	ATR    string `json:"atr"`
	Reader string `json:"reader"`
	Kind   string `json:"kind"`
	Date   string `json:"date"`
	Masked bool   `json:"masked"`
}

// Trace returns the functions that report to the Recorder.
func (r *Recorder) Trace() *card.Trace {
	return &card.Trace{Command: func(reader string, c card.Command, response []byte, _ time.Duration) {
		r.record(reader, c, response)
	}}
}

func (r *Recorder) record(reader string, c card.Command, response []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lines == nil {
		r.lines, r.masks = map[string][]line{}, map[string]mask{}
	}
	total := 0
	for _, lines := range r.lines {
		total += len(lines)
	}
	if total >= maxLines {
		r.full = true
		return
	}
	if !slices.Contains(r.readers, reader) {
		r.readers = append(r.readers, reader)
	}
	m := r.masks[reader]
	if c.INS != insGetResponse || m == nil {
		m = maskOf(c)
	}
	if r.All {
		m = plain{}
	}
	r.masks[reader] = m
	l := line{C: hideCommand(c, r.All), SW: "none", Note: "no response"}
	if n := len(response) - 2; n >= 0 {
		l.A, l.SW, l.Note = m.hide(response[:n]), fmt.Sprintf("%X", response[n:]), ""
	}
	r.lines[reader] = append(r.lines[reader], l)
}

// number matches what may be a serial number in the name of a reader.
var number = regexp.MustCompile(`[0-9A-F]{6,}`)

// Write writes the transcripts. The readers are those of the service, for their
// answers to reset.
func (r *Recorder) Write(w io.Writer, readers []card.Reader) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	var errs []error
	for _, reader := range r.readers {
		h := header{Card: "?", Reader: reader, Kind: "recorded", Date: time.Now().UTC().Format(time.DateOnly), Masked: !r.All}
		if h.Masked {
			h.Reader = number.ReplaceAllString(reader, "?")
		}
		for _, known := range readers {
			if known.Name == reader {
				h.ATR = known.ATR.String()
			}
		}
		errs = append(errs, encoder.Encode(h))
		for _, l := range r.lines[reader] {
			errs = append(errs, encoder.Encode(l))
		}
	}
	if r.full {
		errs = append(errs, fmt.Errorf("transcript: more than %d exchanges: the rest is missing", maxLines))
	}
	_, err := w.Write(out.Bytes())
	return errors.Join(append(errs, err)...)
}
