package iso

// An Application is one of the programs of a card. The card calls it under its
// lock, one command at a time.
type Application interface {
	// AID is the full application identifier, 5 to 16 bytes.
	AID() []byte

	// Select answers a SELECT that names the application, also while it is the
	// current one. With any status but OK the application does not become
	// current and the one before it stays.
	Select(Command) Answer

	// Process answers a command while the application is current: joined if it
	// came in parts. Neither GET RESPONSE nor the parts of a chain reach it.
	Process(Command) Answer

	// Chains reports whether commands with this instruction may come in parts.
	Chains(ins byte) bool

	// Deselect is called when another application becomes the current one.
	Deselect()

	// Reset is called when the card loses power or is reset.
	Reset()
}
