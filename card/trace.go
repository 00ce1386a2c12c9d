package card

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"
)

// A Trace gets notice of what happens while a card is used, as
// [net/http/httptrace.ClientTrace] does for HTTP. Any of its functions may be
// nil. They are called on a goroutine that works with the card where nothing else
// is said, and should return soon. More functions may be added.
type Trace struct {
	// Busy is called when another program holds up a section, on whichever
	// goroutine, and more than once if that lasts.
	Busy func(reader string)

	// Pad is called when a person is to type a PIN on the reader, which waits
	// for that from now on.
	Pad func(reader string)

	// Touch is called when a card seems to wait for a person to touch it: it
	// may want that (Command.Touch), and has not answered for 400 milliseconds.
	// It is called on a goroutine of its own.
	Touch func(reader string)

	// Command is called after each exchange with the card, chained parts
	// included. Data and answer are nil where they could hold a PIN or key
	// material; otherwise they are not to be changed or kept. The answer
	// includes the status word; it is nil, too, where none came. An exchange
	// that the end of a context left behind is reported when it is over, which
	// can be later than the call returns that began it.
	Command func(reader string, c Command, answer []byte, took time.Duration)
}

type traceKey struct{}

// WithTrace returns a context under which calls of this module report to t.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

func traceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

func (t *Trace) busy(reader string) {
	if t != nil && t.Busy != nil {
		t.Busy(reader)
	}
}

func (t *Trace) pad(reader string) {
	if t != nil && t.Pad != nil {
		t.Pad(reader)
	}
}

// busySoon reports the reader as busy unless stop is called in time.
func (t *Trace) busySoon(reader string) (stop func() bool) {
	if t == nil {
		return never
	}
	return soon(200*time.Millisecond, t.Busy, reader)
}

// touchSoon reports that the card waits to be touched, unless stop is called in
// time.
func (t *Trace) touchSoon(reader string) (stop func() bool) {
	if t == nil {
		return never
	}
	return soon(400*time.Millisecond, t.Touch, reader)
}

func never() bool { return true }

func soon(after time.Duration, tell func(string), reader string) (stop func() bool) {
	if tell == nil {
		return never
	}
	return time.AfterFunc(after, func() { tell(reader) }).Stop
}

// report tells logger and trace of one exchange, without its secrets.
func (tx *Tx) report(c Command, answer []byte, err error, took time.Duration) {
	if c.Secret || confidential(c.INS) {
		c.Data = nil
		if len(answer) > 2 {
			answer = answer[len(answer)-2:]
		}
	}
	if t := traceOf(tx.ctx); t != nil && t.Command != nil {
		t.Command(tx.card.reader, c, answer, took)
	}
	log := tx.card.service.options.Logger
	if log == nil || !log.Enabled(tx.ctx, slog.LevelDebug) {
		return
	}
	log.LogAttrs(tx.ctx, slog.LevelDebug, insName(c.INS),
		slog.String("reader", tx.card.reader),
		slog.String("header", hex.EncodeToString([]byte{c.CLA, c.INS, c.P1, c.P2})),
		slog.String("data", hex.EncodeToString(c.Data)),
		slog.Int("ne", c.Ne),
		slog.String("answer", hex.EncodeToString(answer)),
		slog.Duration("took", took),
		slog.Any("error", err))
}

// confidential reports whether commands of an instruction carry a PIN, a key, or what
// a key made of data (ISO/IEC 7816-4, SP 800-73-4 part 2, and Yubico's own).
func confidential(ins byte) bool {
	switch ins {
	case 0x20, // VERIFY
		0x22, // MANAGE SECURITY ENVIRONMENT
		0x24, // CHANGE REFERENCE DATA
		0x2A, // PERFORM SECURITY OPERATION
		0x2C, // RESET RETRY COUNTER
		0x82, // EXTERNAL AUTHENTICATE
		0x87, // GENERAL AUTHENTICATE
		0x88, // INTERNAL AUTHENTICATE
		0xFE, // IMPORT ASYMMETRIC KEY
		0xFF: // SET MANAGEMENT KEY
		return true
	}
	return false
}

var insNames = map[byte]string{
	0x20: "VERIFY",
	0x22: "MANAGE SECURITY ENVIRONMENT",
	0x24: "CHANGE REFERENCE DATA",
	0x2A: "PERFORM SECURITY OPERATION",
	0x2C: "RESET RETRY COUNTER",
	0x47: "GENERATE ASYMMETRIC KEY PAIR",
	0x87: "GENERAL AUTHENTICATE",
	0xA4: "SELECT",
	0xB0: "READ BINARY",
	0xC0: "GET RESPONSE",
	0xCB: "GET DATA",
	0xDB: "PUT DATA",
}

func insName(ins byte) string {
	if name, ok := insNames[ins]; ok {
		return name
	}
	return fmt.Sprintf("INS %02X", ins)
}
