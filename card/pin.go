package card

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// A PIN is a secret that a person knows: a PIN, a PUK or the like. It cannot be
// printed, logged or marshalled, and its memory is zeroed when it was used. The
// zero value holds none.
type PIN struct {
	secret    *secret // shared by copies, so that zeroing reaches all of them
	allowLast bool
}

type secret struct{ digits []byte }

// NewPIN takes b over as a PIN: the caller does not use b afterwards, and finds
// it zeroed.
func NewPIN(b []byte) PIN { return PIN{secret: &secret{b}} }

// AllowLastTry returns the PIN with the consent to spend the last try on it, or a
// try of which the card does not say whether it is the last. The consent holds
// for this answer of a PINFunc only.
func (p PIN) AllowLastTry() PIN {
	p.allowLast = true
	return p
}

// Destroy zeroes the PIN, all copies of it included.
func (p PIN) Destroy() {
	if p.secret != nil {
		clear(p.secret.digits)
		p.secret.digits = nil
	}
}

// String is always "PIN".
func (p PIN) String() string { return "PIN" }

// GoString is always "PIN".
func (p PIN) GoString() string { return "PIN" }

// Format prints "PIN", whatever the verb.
func (p PIN) Format(s fmt.State, _ rune) { io.WriteString(s, "PIN") }

// LogValue is always "PIN".
func (p PIN) LogValue() slog.Value { return slog.StringValue("PIN") }

// MarshalText fails: a PIN is not to be stored or sent.
func (p PIN) MarshalText() ([]byte, error) {
	return nil, errors.New("card: a PIN cannot be marshalled")
}

// A Reference is the number by which a card knows a PIN (ISO/IEC 7816-4, 11.5.2:
// P2 of VERIFY).
type Reference byte

// String is the number as two hexadecimal digits.
func (r Reference) String() string { return fmt.Sprintf("%02X", byte(r)) }

// A PINFormat says what a PIN may look like and how it is sent.
type PINFormat struct {
	Min, Max int  // length in bytes
	Digits   bool // only 0 to 9
	Padded   bool // filled up with FF to Max bytes when sent
}

// encode returns the PIN as it is sent, in memory of its own.
func (f PINFormat) encode(p PIN) ([]byte, error) {
	if p.secret == nil || len(p.secret.digits) < f.Min || len(p.secret.digits) > f.Max {
		return nil, ErrPINFormat
	}
	for _, c := range p.secret.digits {
		if f.Digits && (c < '0' || c > '9') || f.Padded && c == 0xFF {
			return nil, ErrPINFormat
		}
	}
	out := append(make([]byte, 0, f.Max), p.secret.digits...)
	for f.Padded && len(out) < f.Max {
		out = append(out, 0xFF)
	}
	return out, nil
}

// PINStatus is what a card says of a PIN when it is asked, which costs no try.
type PINStatus struct {
	Verified bool
	Blocked  bool // no tries left
	Retries  int  // tries left; negative where the card does not say, as while verified
}

// last reports whether the next wrong try may be the last there is. A PIN that
// is verified has all its tries: verifying it gave them back.
func (s PINStatus) last() bool { return s.Retries <= 1 && !s.Blocked && !s.Verified }

// A PINRequest is the question to the person, or to whatever stands for one.
type PINRequest struct {
	Reader    string
	Card      string // what the application says of the card
	Purpose   string // what the PIN is for
	Reference Reference
	Format    PINFormat

	Retries int  // tries left; negative where the card does not say
	Last    bool // the next wrong try is the last, or may be
	New     bool // a PIN to set is asked for (see PINChange), which costs no try

	// Pad says that the reader has keys of its own. If the answer is the zero
	// PIN, with or without consent, the person types there: the PIN is asked
	// for, sent and forgotten by the reader. To set a PIN, both answers have
	// to be zero.
	Pad bool

	// Refused says why the previous answer was not taken, nil the first time.
	// It is a *[PINError], which says whether a try was spent on it.
	Refused error

	service   *Service // for CachePIN: whose reader it is
	insertion insertion
}

// A PINFunc answers a request for a PIN. It is called outside of any section,
// so it may take its time. It is called again after each answer that was not
// taken, until it returns an error, which ends the operation; a PIN that was
// blocked or accepted ends it too. It is told when ctx ends, and should return.
type PINFunc func(context.Context, PINRequest) (PIN, error)

// FixedPIN answers with a PIN that the program knows. At most one wrong try is
// ever spent on it: once it was not taken, it is not given again, to any card.
// It is never given as a new PIN.
func FixedPIN(pin string) PINFunc {
	var mu sync.Mutex
	var refused error
	return func(_ context.Context, r PINRequest) (PIN, error) {
		mu.Lock()
		defer mu.Unlock()
		if r.Refused != nil {
			refused = r.Refused
		}
		switch {
		case r.New:
			return PIN{}, ErrPINRequired
		case refused != nil:
			return PIN{}, refused
		}
		return NewPIN([]byte(pin)), nil
	}
}

// Why a PIN was not taken: what a [PINError] wraps.
var (
	ErrWrongPIN      = errors.New("PIN is wrong")
	ErrPINBlocked    = errors.New("PIN is blocked: no tries left")
	ErrLastTry       = errors.New("PIN not sent: it would be the last try, and nobody agreed to that")
	ErrRefusedBefore = errors.New("PIN not sent: this card has refused it before")
	ErrPINFormat     = errors.New("PIN does not have the form that this card takes")
	ErrNewPIN        = errors.New("new PIN is not one that this card takes")
	ErrPINRequired   = errors.New("PIN is required, and there is nobody to ask")
)

// A PINError says why a PIN was not taken.
type PINError struct {
	Reference Reference
	Retries   int  // tries left; negative where that is not known
	Sent      bool // the card may have counted a try
	Err       error
}

func (e *PINError) Error() string {
	text := e.Err.Error()
	switch {
	case errors.Is(e.Err, ErrPINBlocked):
	case e.Retries < 0:
		text += " (tries left: not known)"
	default:
		text += fmt.Sprintf(" (tries left: %d)", e.Retries)
	}
	return text
}

func (e *PINError) Unwrap() error { return e.Err }
