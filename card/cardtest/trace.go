package cardtest

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// Trace writes the exchanges between programs and cards to w from now on: for each
// command a line that begins with "> ", for each response one that begins with "< ".
// After the bytes and two spaces follows the meaning. PINs and key material are
// written as **. If there are several readers, the line ends with the name of the
// reader. A nil w ends the trace.
//
// Lines are written one at a time. An exchange that began before the call still
// writes its response to the previous writer.
func (r *Readers) Trace(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.traceTo, r.trace = w, map[string]*trace{}
}

// tracer returns the trace of a reader, nil without one. The caller holds the mutex.
func (r *Readers) tracer(reader string) *trace {
	if r.traceTo == nil {
		return nil
	}
	t := r.trace[reader]
	if t == nil {
		t = &trace{mu: &r.tracing, w: r.traceTo}
		r.trace[reader] = t
	}
	if len(r.names) > 1 {
		t.suffix = "  [" + reader + "]"
	}
	return t
}

// A trace is the trace of one reader. A nil trace writes nothing.
type trace struct {
	w      io.Writer
	suffix string // of each line

	mu           *sync.Mutex // shared by all readers; guards what follows
	chain        byte        // instruction of the secret chain under way, or 0
	maskResponse bool        // also for the GET RESPONSE that follow
}

func (t *trace) command(c []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	secret := t.mark(c)
	t.line(">", mask(c, secret, dataOf(c)), meaning(c))
}

func (t *trace) response(b []byte, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.line("<", "", err.Error())
		return
	}
	if len(b) < 2 {
		t.line("<", mask(b, t.maskResponse, span{0, len(b)}), "no status word")
		return
	}
	data := span{0, len(b) - 2}
	sw := uint16(b[len(b)-2])<<8 | uint16(b[len(b)-1])
	t.line("<", mask(b, t.maskResponse, data), statusMeaning(sw, data.to))
}

// line writes a line. A failed write must not fail the exchange.
func (t *trace) line(direction, bytes, meaning string) {
	_, _ = io.WriteString(t.w, strings.TrimRight(direction+" "+bytes, " ")+"  "+meaning+t.suffix+"\n")
}

// A span is a part of a command or response.
type span struct{ from, to int }

// mask returns b in hexadecimal, with asterisks for the span if it is secret.
func mask(b []byte, secret bool, s span) string {
	if !secret {
		return fmt.Sprintf("%X", b)
	}
	return fmt.Sprintf("%X", b[:s.from]) + strings.Repeat("**", s.to-s.from) + fmt.Sprintf("%X", b[s.to:])
}

// dataOf returns the span of a command's data (ISO/IEC 7816-4, 5.1). If the lengths
// are inconsistent, it is everything after the header.
func dataOf(c []byte) span {
	body := c[4:]
	none, all := span{len(c), len(c)}, span{4, len(c)}
	switch {
	case len(body) <= 1: // at most Le
		return none
	case body[0] != 0:
		return fit(span{5, 5 + int(body[0])}, 1, len(c), all)
	case len(body) == 3: // Le in three bytes
		return none
	case len(body) > 3:
		return fit(span{7, 7 + int(body[1])<<8 + int(body[2])}, 2, len(c), all)
	}
	return all
}

// fit returns s if the command ends after it or after an Le of le bytes.
func fit(s span, le, length int, otherwise span) span {
	if s.to == length || s.to+le == length {
		return s
	}
	return otherwise
}
