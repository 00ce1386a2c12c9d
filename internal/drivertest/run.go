package drivertest

import (
	"context"
	"testing"
)

// Run checks a driver. Each test opens a bench of its own, whose reader has to
// be empty.
func Run(t *testing.T, open func(*testing.T) *Bench) {
	for _, test := range []struct {
		name string
		body func(bench)
	}{
		{"readers are listed with their cards", listsReaders},
		{"wait tells of insertion and removal", waitTells},
		{"wait tells at once what happened before it", waitTellsThePast},
		{"who uses a reader is no change", useIsNoChange},
		{"wait ends with its context", waitEnds},
		{"wait ends when the service is closed", waitEndsWithClose},
		{"questions do not wait for waits", questionsDoNotWait},
		{"connect says why not", connectSaysWhyNot},
		{"connect does not wait for an exclusive program", exclusive},
		{"commands and answers of every size", sizes},
		{"half an answer is no answer", halfAnswer},
		{"begin waits for others", beginWaits},
		{"begin ends with its context", beginEnds},
		{"commands of others wait too", othersWait},
		{"a reset by another is told until reconnect", resetIsTold},
		{"reconnect does not reset", reconnectDoesNotReset},
		{"one's own reset is not told", ownReset},
		{"a removed card does not come back", removedStaysRemoved},
		{"a token in place of another ends the connections to it", replacedStaysReplaced},
		{"close resets where asked", closeResets},
		{"close ends a begin that waits", closeEndsBegin},
		{"closed things do nothing", closedDoesNothing},
		{"an ended context ends every call", endedContext},
		{"the service stops and returns", stopsAndReturns},
		{"nothing is left after close", nothingIsLeft},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			test.body(bench{t, open(t), ctx})
		})
	}
}
