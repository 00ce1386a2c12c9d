package driver

import "context"

// A Reader is the state of one reader at one moment.
type Reader struct {
	// Name is what the service calls the reader. It is not empty and unique
	// within one list.
	Name string

	// Events counts insertions and removals: whoever sees the same number
	// twice knows that the card was not changed in between. It begins
	// anywhere. A backend that cannot count reports 0 always.
	Events uint32

	Present   bool // a card is in the reader
	Mute      bool // it does not answer
	InUse     bool // some program is connected to it
	Exclusive bool // and lets nobody else

	// ATR is the answer to reset of the card, nil where there is none.
	ATR []byte
}

// A Service is a source of readers. It is safe for concurrent use: a call that
// waits does not hold up another.
type Service interface {
	// Readers lists the readers and their state. No reader at all is an empty
	// list, not an error.
	Readers(ctx context.Context) ([]Reader, error)

	// Wait returns the readers and their state as soon as they differ from
	// known in number, name, Events, Present, Mute or ATR; at once where they
	// differ already. A nil known is an empty list. It reports changes that
	// happened between the call that made known and this one. Which program
	// uses a reader is no change.
	Wait(ctx context.Context, known []Reader) ([]Reader, error)

	// Connect powers the card in the reader where needed and shares it with
	// other programs, by protocol T=1 or T=0 as the card offers. It does not
	// wait for a card, nor for another program to let go of it.
	Connect(ctx context.Context, reader string) (Card, error)

	// Close ends every wait with an error and frees what the service holds.
	// Cards that are still connected are closed by their owners.
	Close() error
}

// A Protocol is the transmission protocol between reader and card.
type Protocol int

const (
	// T0 sends bytes. A command that has data and expects an answer is sent
	// without Le; the card says with 61xx how much there is to fetch.
	T0 Protocol = iota
	// T1 sends blocks: commands and answers of every case, whole.
	T1
)

// A Card is one connection to a card. Calls are never concurrent, but for
// Close, which may come at any time and ends a call that waits.
type Card interface {
	// Protocol is what the connection speaks.
	Protocol() Protocol

	// Transmit sends one command and returns the answer, status word
	// included, in memory that the caller owns. It cannot be cancelled.
	Transmit(command []byte) ([]byte, error)

	// Begin waits until no other connection holds the card and holds it.
	// It fails with ResetCard where the card was reset by somebody else since
	// the last call: Reconnect then takes note of it.
	Begin(ctx context.Context) error

	// End lets go of the card, after a reset where one is asked for.
	End(reset bool) error

	// Reconnect takes note of a reset; it does not cause one.
	Reconnect(ctx context.Context) error

	// Close ends the connection, after a reset where one is asked for. The
	// second call does nothing.
	Close(reset bool) error
}

// A Controller is a [Card] whose reader takes orders that are not for the card,
// as readers with keys for a PIN do.
type Controller interface {
	// Control gives the reader an order and returns its answer. The code is
	// FeatureRequest, or one that the reader told in answer to it. It cannot
	// be cancelled.
	Control(code uint32, in []byte) ([]byte, error)
}

// FeatureRequest asks a reader for the codes of what else it can do (PC/SC part
// 10, 2.2). It is Windows' number; backends whose own is another translate it.
const FeatureRequest uint32 = 0x31<<16 | 3400<<2
