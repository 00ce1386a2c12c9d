package prompt_test

import (
	"context"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReaderInQuestion checks that a question names the reader only if there are
// several.
func TestReaderInQuestion(t *testing.T) {
	for name, test := range map[string]struct {
		readers               *cardtest.Readers
		question, description string
	}{
		"one reader": {cardtest.NewReaders(cardtest.Logon("alice@example.com")),
			"alice@example.com\nPIN to open the key (retries left: 3): ",
			"alice@example.com\nEnter the PIN to open the key (retries left: 3).",
		},
		"two readers": {cardtest.NewReaders(cardtest.Logon("alice@example.com"), nil),
			"alice@example.com, card 123 in \"Software Reader 00\"\nPIN to open the key (retries left: 3): ",
			"alice@example.com, card 123 in \"Software Reader 00\"\nEnter the PIN to open the key (retries left: 3).",
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer test.readers.Close()
			service := test.readers.Service()
			defer service.Close()
			find := enumerate.Finder{Service: service}
			credentials, err := find.Offered(t.Context())
			require.NoError(t, err)
			asked := false
			_, err = credentials[0].Unlock(t.Context(), func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
				asked = true
				r.Card, r.Purpose = card.NewIdentity("test", []byte{1}, "123"), "open the key"
				assert.Equal(t, test.question, prompt.Question(ctx, r))
				assert.Equal(t, test.description, prompt.Description(ctx, r))
				return card.PIN{}, prompt.ErrGivenUp
			})
			assert.ErrorIs(t, err, prompt.ErrGivenUp)
			assert.True(t, asked)
		})
	}
}

// A question about a card of which only the reader is known has no line for it, if
// there is only one reader.
func TestQuestionOfUnknownCard(t *testing.T) {
	readers := cardtest.NewReaders(cardtest.PIV())
	defer readers.Close()
	service := readers.Service()
	defer service.Close()
	c, err := service.Card(t.Context(), "Software Reader 00")
	require.NoError(t, err)
	var question string
	err = c.DoWithPIN(t.Context(), card.Verification{
		Application: "test",
		Select:      func(tx *card.Tx) error { return nil },
		Status:      func(tx *card.Tx) (card.PINStatus, error) { return card.PINStatus{Retries: 3}, nil },
		Identity:    func(*card.Tx) (card.Identity, error) { return card.NewIdentity("test", []byte{1}, "1"), nil },
		Reference:   0x80,
		Purpose:     "test",
		PIN: func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
			r.Card, r.Title = card.Identity{}, ""
			question = prompt.Question(ctx, r)
			return card.PIN{}, prompt.ErrGivenUp
		},
	}, func(*card.Tx) error { return nil })
	assert.ErrorIs(t, err, prompt.ErrGivenUp)
	assert.Equal(t, "PIN to test (retries left: 3): ", question)
	assert.True(t, card.PINRequest{}.SeveralReaders(t.Context()), "not known")
}
