package drivertest

import (
	"context"
	"testing"
)

// Run tests a driver. Each test opens a Fixture of its own, with an empty reader.
func Run(t *testing.T, open func(*testing.T) *Fixture) {
	for _, tt := range []struct {
		name string
		run  func(test)
	}{
		{"Readers returns readers and cards", readers},
		{"Wait returns after insertion and removal", waitEvents},
		{"Wait returns at once after an earlier change", waitPastEvents},
		{"Wait ignores connections", waitIgnoresUse},
		{"Wait ends with its context", waitContext},
		{"Wait ends with Close", waitClose},
		{"other calls during Wait", callsDuringWaits},
		{"errors of Connect", connectErrors},
		{"Connect does not wait for an exclusive connection", connectExclusive},
		{"commands and responses of all lengths", transmitSizes},
		{"response of one byte", transmitTruncated},
		{"Begin waits for another transaction", beginWaits},
		{"Begin ends with its context", beginContext},
		{"Transmit waits for another transaction", transmitWaits},
		{"errors after a reset by another program until Reconnect", resetByAnother},
		{"Reconnect does not reset", reconnectNoReset},
		{"no error after its own reset", ownReset},
		{"errors after removal, also with another card inserted", removed},
		{"errors after the exchange of a token", replaced},
		{"Close resets on request", closeReset},
		{"Close ends Begin", closeEndsBegin},
		{"Close ends Transmit to a card that does not respond", closeEndsTransmit},
		{"errors after Close", closed},
		{"errors with a canceled context", endedContext},
		{"errors while the service is stopped", stopAndStart},
		{"no goroutine is left after Close", goroutines},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			tt.run(test{t, open(t), ctx})
		})
	}
}
