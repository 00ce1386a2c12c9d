package card

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/smartlogon/smartlogon/internal/fault"
)

// A PIN is a secret that the user knows: a PIN, a PUK or a password. It cannot be
// printed, logged or marshalled, and its memory is zeroed after use. The zero value
// has no digits; see [PINRequest].Pad.
type PIN struct {
	secret    *secret // shared by copies, so that zeroing reaches all of them
	allowLast bool
}

// A secret has the digits behind a second pointer: fmt follows the first one if a
// PIN is in an unexported field.
type secret struct {
	digits  *[]byte
	settled func(error) // is called once with the outcome; may be nil
}

// NewPIN returns b as a PIN. The caller must not use b afterwards; it is zeroed.
func NewPIN(b []byte) PIN { return PIN{secret: &secret{digits: &b}} }

// AllowLastTry returns the PIN with permission to send it even if it may be the last
// try: one retry is left, or the card does not report its retry counter. The
// permission is for this PIN only, not for the next one that is asked for.
func (p PIN) AllowLastTry() PIN {
	p.allowLast = true
	return p
}

// Destroy zeroes the memory of the PIN and of its copies. A program calls it for a
// PIN that it does not return from a [PINFunc].
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

// settle reports the outcome for the PIN once: nil, or why it was not accepted.
func (p PIN) settle(err error) {
	if p.secret != nil && p.secret.settled != nil {
		settled := p.secret.settled
		p.secret.settled = nil
		settled(err)
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

// MarshalText returns an error.
func (p PIN) MarshalText() ([]byte, error) {
	return nil, errors.New("card: a PIN cannot be marshalled")
}

// A Reference is the number of a PIN on the card (ISO/IEC 7816-4, 11.5.2: P2 of
// VERIFY).
type Reference byte

// String returns the number as two hexadecimal digits.
func (r Reference) String() string { return fmt.Sprintf("%02X", byte(r)) }

// A PINFormat describes the PINs of a reference and how they are encoded.
type PINFormat struct {
	Min, Max int  // length in bytes
	Digits   bool // only 0 to 9
	Padded   bool // with FF to Max bytes when sent
}

// encode returns the PIN as it is sent, in new memory.
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

// A PINStatus is the status of a PIN on the card. Reading it costs no try.
type PINStatus struct {
	Verified bool
	Blocked  bool // no retries left
	Retries  int  // retries left; negative if not known, as while verified
}

// last reports whether the next wrong try may be the last. A verified PIN has all
// its retries: verifying it restored the counter.
func (s PINStatus) last() bool { return s.Retries <= 1 && !s.Blocked && !s.Verified }

// A PINRequest describes the PIN that a [PINFunc] is called for.
type PINRequest struct {
	Reader    string
	Card      Identity // zero if the card has none
	Title     string   // of the credential that is used: "alice@example.com"; may be empty
	Purpose   string   // what the PIN is for
	Reference Reference
	Format    PINFormat

	Retries int  // retries left; negative if not known
	Last    bool // the next wrong try may be the last: Retries is 1 or negative
	New     bool // a PIN to set (see PINChange), which costs no try
	EachUse bool // the card requires this PIN before each use of the key

	// Pad says that the reader has a keypad. If the PINFunc returns the zero
	// PIN, with or without AllowLastTry, the user enters the PIN there, and the
	// program never has it. To set a PIN, both PINs must be zero.
	Pad bool

	// Refused is why the previous PIN was not accepted, nil at first. It wraps
	// a *[PINError], which says whether a try was spent.
	Refused error

	// For FixedPIN, CachePIN and AllowUnknownRetries; zero if the program made
	// the request.
	card        *Card
	link        *link // over which the card was identified
	application string
	resets      uint64
	refusedPIN  bool // the card refused a PIN, and accepted none since
}

// SeveralReaders reports whether the user has to be told the reader, to know which card
// is meant: whether the service has more than one. It is true if that is not known.
func (r PINRequest) SeveralReaders(ctx context.Context) bool {
	if r.card == nil {
		return true
	}
	readers, err := r.card.service.Readers(ctx)
	return err != nil || len(readers) != 1
}

// A PINFunc returns a PIN, as a rule by asking the user. It runs outside of any
// transaction, so it may take long; it should return when ctx ends. It is called
// again after each PIN that was not accepted, 16 times in all. If it returns an
// error, the operation fails with that error and the last refusal.
type PINFunc func(context.Context, PINRequest) (PIN, error)

// AllowUnknownRetries returns a PINFunc that calls ask, and allows its PIN for a card
// that does not report its retry counter (PINRequest.Retries is negative): without
// it, every PIN for such a card needs [PIN.AllowLastTry]. Once the card has refused a
// PIN, the next one needs AllowLastTry again, until the card accepts one.
//
// A wrong PIN then costs a try that may be the last.
func AllowUnknownRetries(ask PINFunc) PINFunc {
	return func(ctx context.Context, r PINRequest) (PIN, error) {
		pin, err := ask(ctx, r)
		if err == nil && r.Retries < 0 && !r.New && !r.refusedPIN {
			pin = pin.AllowLastTry()
		}
		return pin, err
	}
}

// FixedPIN returns a PINFunc for a PIN that the program knows. It spends at most one
// wrong try: a PIN that a card refused is not sent again, to any card. While its
// outcome is not known, other calls wait. It does not return a new PIN, and never
// allows the last try.
func FixedPIN(pin string) PINFunc {
	f := &fixedPIN{pin: pin, turn: make(chan struct{}, 1)}
	return f.ask
}

type fixedPIN struct {
	pin  string
	turn chan struct{} // holds a token while the outcome of the PIN is not known

	mu      sync.Mutex // guards the rest
	refused error
}

func (f *fixedPIN) ask(ctx context.Context, r PINRequest) (PIN, error) {
	if r.New {
		return PIN{}, ErrPINRequired
	}
	if r.card == nil { // not from a guard, which would settle the PIN
		return f.use(r)
	}
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return PIN{}, ctx.Err()
	}
	pin, err := f.use(r)
	if err != nil {
		<-f.turn
		return PIN{}, err
	}
	pin.secret.settled = func(err error) {
		f.note(err)
		<-f.turn
	}
	return pin, nil
}

func (f *fixedPIN) use(r PINRequest) (PIN, error) {
	if r.Refused != nil && !errors.Is(r.Refused, ErrFewerRetries) {
		f.note(r.Refused)
		return PIN{}, r.Refused
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused != nil {
		return PIN{}, f.refused
	}
	return NewPIN([]byte(f.pin)), nil
}

// note remembers the first refusal by a card.
func (f *fixedPIN) note(err error) {
	var e *PINError
	if !errors.As(err, &e) || !e.Sent && e.Err != ErrRefusedBefore {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused == nil {
		f.refused = e
	}
}

// Why a PIN was not accepted: the Err of a [PINError].
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

	// Name is what the user calls the secret if it is not a PIN: "PUK".
	Name string
}

func (e *PINError) Error() string { return e.named(e.text()) }

// named puts the name of the secret in the place of "PIN" at the start of a text.
func (e *PINError) named(text string) string {
	if rest, ok := strings.CutPrefix(text, "PIN"); ok && e.Name != "" {
		return e.Name + rest
	}
	return text
}

func (e *PINError) text() string {
	text := e.Err.Error()
	switch {
	case errors.Is(e.Err, ErrPINBlocked):
	case e.Retries >= 0:
		text += fmt.Sprintf(" (retries left: %d)", e.Retries)
	case errors.Is(e.Err, ErrLastTry):
		text = "PIN not sent: the number of retries left is not known"
	default:
		text += " (retries left: not known)"
	}
	return text
}

func (e *PINError) Unwrap() error { return e.Err }
