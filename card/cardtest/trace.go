package cardtest

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// Trace writes what passes between programs and cards to w from now on: a line
// for each command, beginning with "> " and its bytes, and one for each answer,
// beginning with "< ". What they mean follows after two spaces. PINs and key
// material are written as **. Where there are several readers, the name of the
// reader ends the line. Nil ends the trace.
//
// Lines are written one at a time, and never while Trace is called.
func (r *Readers) Trace(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out, r.trace = w, map[string]*trace{}
}

// tracer is called under the mutex. Nil traces nothing.
func (r *Readers) tracer(reader string) *trace {
	if r.out == nil {
		return nil
	}
	t := r.trace[reader]
	if t == nil {
		t = &trace{turn: &r.tracing, out: r.out}
		r.trace[reader] = t
	}
	if len(r.names) > 1 {
		t.reader = "  [" + reader + "]"
	}
	return t
}

// A trace is that of one reader.
type trace struct {
	out    io.Writer
	reader string // the end of a line

	turn        *sync.Mutex // one for all readers; guards what follows
	chain       byte        // instruction of the secret chain under way, else 0
	masksAnswer bool        // as long as GET RESPONSE fetches it
}

func (t *trace) command(c []byte) {
	if t == nil {
		return
	}
	t.turn.Lock()
	defer t.turn.Unlock()
	secret := t.mark(c)
	t.line(">", mask(c, secret, dataOf(c)), meaning(c))
}

func (t *trace) answer(a []byte, err error) {
	if t == nil {
		return
	}
	t.turn.Lock()
	defer t.turn.Unlock()
	if err != nil {
		t.line("<", "", err.Error())
		return
	}
	data := span{0, max(len(a)-2, 0)}
	if len(a) < 2 {
		t.line("<", mask(a, t.masksAnswer, span{0, len(a)}), "no status word")
		return
	}
	sw := uint16(a[len(a)-2])<<8 | uint16(a[len(a)-1])
	t.line("<", mask(a, t.masksAnswer, data), statusMeaning(sw, data.to))
}

// line writes a line. Whether anybody can read the trace is not the card's
// affair.
func (t *trace) line(direction, bytes, meaning string) {
	_, _ = io.WriteString(t.out, strings.TrimRight(direction+" "+bytes, " ")+"  "+meaning+t.reader+"\n")
}

// A span is a part of a command or answer.
type span struct{ from, to int }

// mask is b in hexadecimal, the span as stars where it is secret.
func mask(b []byte, secret bool, s span) string {
	if !secret {
		return fmt.Sprintf("%X", b)
	}
	return fmt.Sprintf("%X", b[:s.from]) + strings.Repeat("**", s.to-s.from) + fmt.Sprintf("%X", b[s.to:])
}

// dataOf is where the data of a command is (ISO/IEC 7816-4, 5.1). Where the
// lengths do not add up, that is everything behind the header.
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

// fit is s where it ends with the command or with an Le of that many bytes.
func fit(s span, le, length int, otherwise span) span {
	if s.to == length || s.to+le == length {
		return s
	}
	return otherwise
}
