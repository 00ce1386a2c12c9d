package iso

// An Application is one application of a card. The card calls its methods one at a
// time, under its lock.
type Application interface {
	// AID returns the full application identifier, 5 to 16 bytes.
	AID() []byte

	// Select responds to a SELECT of the application, also while it is current.
	// With a status other than OK the application does not become current, and
	// the current one stays.
	Select(Command) Response

	// Process responds to a command while the application is current. The parts
	// of a chain are joined; GET RESPONSE is handled by the card.
	Process(Command) Response

	// Chains reports whether commands with this instruction may be chained.
	Chains(ins byte) bool

	// Deselect is called when another application becomes current.
	Deselect()

	// Reset is called when the card is reset or loses power.
	Reset()
}

// A ChainLimiter is an [Application] that can refuse a part of a chained command.
// The card responds with 6700 then, and the chain ends.
type ChainLimiter interface {
	// Continue reports whether the application accepts the next part. chain
	// holds the data of the parts before it.
	Continue(chain Command, next []byte) bool
}
