package card

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"
)

// A Trace reports what happens while a card is used, as
// [net/http/httptrace.ClientTrace] does for HTTP. Each function may be nil. They are
// called on a goroutine that uses the card, unless stated otherwise, and should
// return soon. More functions may be added.
type Trace struct {
	// Busy is called when a transaction has to wait for another program. It may
	// be called on another goroutine, and several times.
	Busy func(reader string)

	// Pad is called when the reader starts to wait for the user to enter a PIN
	// on its keypad.
	Pad func(reader string)

	// Touch is called when the card probably waits for the user to touch it:
	// the command may require that (Command.Touch), and there was no response
	// for 400 milliseconds. It is called on another goroutine.
	Touch func(reader string)

	// Command is called after each exchange with the card; parts of a chain are
	// exchanges of their own. Ne is that of the exchange: it is more than 256, or
	// there are more than 255 bytes of data, if its lengths were extended. The
	// response includes the status word. It is nil if there was none.
	//
	// Data is empty, and nil only if there was none, and the response is only the
	// status word, if Command.Secret is set, and for the instructions by which ISO/IEC 7816-4 authenticates and
	// uses keys: VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER, EXTERNAL,
	// INTERNAL and GENERAL AUTHENTICATE, MANAGE SECURITY ENVIRONMENT and
	// PERFORM SECURITY OPERATION. Otherwise Data and response must not be
	// modified or used after the call.
	//
	// If a context ended while the card was busy, the exchange is reported when
	// it is over, which may be after the return of the call that started it.
	Command func(reader string, c Command, response []byte, took time.Duration)
}

type traceKey struct{}

// WithTrace returns a context with which calls of this module report to t.
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

// busySoon calls Busy after 200 ms, unless stop is called before.
func (t *Trace) busySoon(reader string) (stop func() bool) {
	if t == nil {
		return never
	}
	return soon(200*time.Millisecond, t.Busy, reader)
}

// touchSoon calls Touch after 400 ms, unless stop is called before.
func (t *Trace) touchSoon(reader string) (stop func() bool) {
	if t == nil {
		return never
	}
	return soon(400*time.Millisecond, t.Touch, reader)
}

func never() bool { return true }

func soon(after time.Duration, report func(string), reader string) (stop func() bool) {
	if report == nil {
		return never
	}
	return time.AfterFunc(after, func() { report(reader) }).Stop
}

// report passes one exchange to trace and logger, without its secrets.
func (tx *Tx) report(c Command, response []byte, err error, took time.Duration) {
	if c.Secret || confidential(c.INS) {
		hidden := len(c.Data) > 0
		if c.Data = nil; hidden {
			c.Data = []byte{}
		}
		if len(response) > 2 {
			response = response[len(response)-2:]
		}
	}
	if t := traceOf(tx.ctx); t != nil && t.Command != nil {
		t.Command(tx.card.reader, c, response, took)
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
		slog.String("response", hex.EncodeToString(response)),
		slog.Duration("took", took),
		slog.Any("error", err))
}

// confidential reports whether an instruction of ISO/IEC 7816-4 carries a PIN, a key,
// or data that a key processes. Applications set Command.Secret for others.
func confidential(ins byte) bool {
	switch ins {
	case 0x20, // VERIFY
		0x22, // MANAGE SECURITY ENVIRONMENT
		0x24, // CHANGE REFERENCE DATA
		0x2A, // PERFORM SECURITY OPERATION
		0x2C, // RESET RETRY COUNTER
		0x82, // EXTERNAL AUTHENTICATE
		0x87, // GENERAL AUTHENTICATE
		0x88: // INTERNAL AUTHENTICATE
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
