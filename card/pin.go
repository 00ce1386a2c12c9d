package card

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/smartlogon/smartlogon/internal/fault"
)

// A PIN is a secret that the user knows: a PIN, a PUK or the like. It cannot be
// printed, logged or marshalled, and its memory is zeroed after use. The zero value
// holds none.
type PIN struct {
	secret    *secret // shared by copies, so that zeroing reaches all of them
	allowLast bool
}

// A secret holds the digits behind a second pointer: fmt follows the first one
// where a verb does not fit.
type secret struct {
	digits  *[]byte
	settled func(error) // is called once with what became of the PIN; may be nil
}

// NewPIN returns b as a PIN. The caller must not use b afterwards and finds it
// zeroed.
func NewPIN(b []byte) PIN { return PIN{secret: &secret{digits: &b}} }

// AllowLastTry returns the PIN with the consent to spend the last try on it, or a
// try that may be the last because the card does not report its retry counter. The
// consent holds for this answer of a PINFunc only.
func (p PIN) AllowLastTry() PIN {
	p.allowLast = true
	return p
}

// Destroy zeroes the PIN, all copies of it included.
func (p PIN) Destroy() {
	p.settle(nil)
	clear(p.digits())
	if p.secret != nil {
		*p.secret.digits = nil
	}
}

func (p PIN) isZero() bool { return p.secret == nil }

func (p PIN) digits() []byte {
	if p.secret == nil {
		return nil
	}
	return *p.secret.digits
}

// settle reports what became of the PIN: nil, or why it was not accepted.
func (p PIN) settle(err error) {
	if p.secret != nil && p.secret.settled != nil {
		p.secret.settled(err)
		p.secret.settled = nil
	}
}

// String returns "PIN".
func (p PIN) String() string { return "PIN" }

// GoString returns "PIN".
func (p PIN) GoString() string { return "PIN" }

// Format prints "PIN", whatever the verb.
func (p PIN) Format(s fmt.State, _ rune) { io.WriteString(s, "PIN") }

// LogValue returns "PIN".
func (p PIN) LogValue() slog.Value { return slog.StringValue("PIN") }

// MarshalText fails: a PIN must not be stored or sent.
func (p PIN) MarshalText() ([]byte, error) {
	return nil, errors.New("card: a PIN cannot be marshalled")
}

// A Reference is the number of a PIN on the card (ISO/IEC 7816-4, 11.5.2: P2 of
// VERIFY).
type Reference byte

// String returns the number as two hexadecimal digits.
func (r Reference) String() string { return fmt.Sprintf("%02X", byte(r)) }

// A PINFormat describes the PINs of a reference and how they are sent.
type PINFormat struct {
	Min, Max int  // length in bytes
	Digits   bool // only 0 to 9
	Padded   bool // filled up with FF to Max bytes when sent
}

// encode returns the PIN as it is sent, in memory of its own.
func (f PINFormat) encode(p PIN) ([]byte, error) {
	digits := p.digits()
	if p.isZero() || len(digits) < f.Min || len(digits) > f.Max {
		return nil, ErrPINFormat
	}
	for _, c := range digits {
		if f.Digits && (c < '0' || c > '9') || f.Padded && c == 0xFF {
			return nil, ErrPINFormat
		}
	}
	out := append(make([]byte, 0, f.Max), digits...)
	for f.Padded && len(out) < f.Max {
		out = append(out, 0xFF)
	}
	return out, nil
}

// A PINStatus is what a card reports about a PIN. Asking costs no try.
type PINStatus struct {
	Verified bool
	Blocked  bool // no retries left
	Retries  int  // retries left; negative if the card does not say, as while verified
}

// last reports whether the next wrong try may be the last. A verified PIN has all
// its retries: verifying it restored the counter.
func (s PINStatus) last() bool { return s.Retries <= 1 && !s.Blocked && !s.Verified }

// A PINRequest asks the user for a PIN.
type PINRequest struct {
	Reader    string
	Card      Identity // which card it is, if the application says
	Title     string   // of the credential that is used: "alice@example.com"; may be empty
	Purpose   string   // what the PIN is for
	Reference Reference
	Format    PINFormat

	Retries int  // retries left; negative if the card does not say
	Last    bool // the next wrong try is the last, or may be
	New     bool // for a PIN to set (see PINChange), which costs no try
	EachUse bool // the card wants this PIN before each use of the key

	// Pad says that the reader has a keypad. If the answer is the zero PIN, with
	// or without consent, the user enters the PIN there: the reader sends it,
	// and the program never has it. To set a PIN, both answers must be zero.
	Pad bool

	// Refused is why the previous answer was not accepted, nil at first. It is
	// a *[PINError], which says whether a try was spent.
	Refused error

	card   *Card // for CachePIN
	resets uint64
}

// A PINFunc answers a request for a PIN. It runs outside of any transaction, so it
// may take its time, and should return when ctx ends. It is called again after each
// answer that was not accepted, 16 times at most, until it returns an error, which
// ends the operation; the error of the operation then wraps that error and the last
// refusal.
type PINFunc func(context.Context, PINRequest) (PIN, error)

// FixedPIN answers with a PIN that the program knows. At most one wrong try is
// ever spent on it: once it was refused, it is not used again, on any card. One
// use at a time waits for its outcome. It is never the answer for a new PIN.
func FixedPIN(pin string) PINFunc {
	f := &fixedPIN{pin: pin, turn: make(chan struct{}, 1)}
	return f.answer
}

type fixedPIN struct {
	pin  string
	turn chan struct{} // holds a token while an answer is under way

	mu      sync.Mutex
	refused error
}

func (f *fixedPIN) answer(ctx context.Context, r PINRequest) (PIN, error) {
	if r.New {
		return PIN{}, ErrPINRequired
	}
	if r.card != nil { // the guard settles the answer
		select {
		case f.turn <- struct{}{}:
		case <-ctx.Done():
			return PIN{}, ctx.Err()
		}
	}
	if r.Refused != nil && !errors.Is(r.Refused, ErrFewerRetries) {
		f.refuse(r.Refused)
	}
	f.mu.Lock()
	refused := f.refused
	f.mu.Unlock()
	if refused != nil {
		if r.card != nil {
			<-f.turn
		}
		return PIN{}, refused
	}
	p := NewPIN([]byte(f.pin))
	if r.card != nil {
		p.secret.settled = func(err error) {
			var e *PINError
			if errors.As(err, &e) && e.Sent {
				f.refuse(e)
			}
			<-f.turn
		}
	}
	return p, nil
}

func (f *fixedPIN) refuse(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused == nil {
		f.refused = err
	}
}

// Why a PIN was not accepted: what a [PINError] wraps.
var (
	ErrWrongPIN      = fault.Sentinel(fault.Object, "PIN is wrong")
	ErrPINBlocked    = fault.Sentinel(fault.Object, "PIN is blocked: no retries left")
	ErrLastTry       = fault.Sentinel(fault.Object, "PIN not sent: it may be the last try, which was not allowed")
	ErrFewerRetries  = fault.Sentinel(fault.Object, "PIN not sent: fewer retries are left than when it was asked for")
	ErrRefusedBefore = fault.Sentinel(fault.Object, "PIN not sent: the card refused it before")
	ErrPINFormat     = fault.Sentinel(fault.Object, "PIN does not have the format of this card")
	ErrNewPIN        = fault.Sentinel(fault.Object, "card does not accept the new PIN")
	ErrPINRequired   = fault.Sentinel(fault.Object, "PIN required, but there is no PINFunc to ask for it")
)

// A PINError is why a PIN was not accepted.
type PINError struct {
	Reference Reference
	Retries   int  // retries left; negative if not known
	Sent      bool // the card may have counted a try
	Err       error
}

func (e *PINError) Error() string {
	text := e.Err.Error()
	switch {
	case errors.Is(e.Err, ErrPINBlocked):
	case e.Retries < 0:
		text += " (retries left: not known)"
	default:
		text += fmt.Sprintf(" (retries left: %d)", e.Retries)
	}
	return text
}

func (e *PINError) Unwrap() error { return e.Err }
