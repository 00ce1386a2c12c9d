package explain

import (
	"context"
	"errors"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/examples/internal/transcript"
)

// traceCards explains the cards and writes a transcript of what was exchanged with
// them. The file must not exist.
func (e *explainer) traceCards(ctx context.Context, service *card.Service, file string, all bool) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	recorder := &transcript.Recorder{All: all}
	err = e.cards(card.WithTrace(ctx, recorder.Trace()), service)
	readers, _ := service.Readers(ctx) // for the answers to reset; e.cards reported the error
	return errors.Join(err, recorder.Write(f, readers), f.Close())
}
