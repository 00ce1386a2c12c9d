package prompt

import (
	"bytes"
	"context"
	"io"

	"github.com/smartlogon/smartlogon/card"
)

// AskPinentry asks with a pinentry program that is running.
func AskPinentry(in io.WriteCloser, out io.Reader, r card.PINRequest) (card.PIN, error) {
	a := &assuan{in: in, out: out}
	if _, _, err := a.response(); err != nil {
		return card.PIN{}, err
	}
	return askPinentry(context.Background(), a, r)
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Close() error                { return nil }

// ReadResponse reads one response of a pinentry program.
func ReadResponse(response []byte) ([]byte, error) {
	a := &assuan{in: discard{}, out: bytes.NewReader(response)}
	digits, _, err := a.response()
	return digits, err
}

// Question returns what the user is asked at a terminal, and Description what a dialog
// says.
var Question, Description = question, description
