package prompt_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/prompt"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unlock unlocks the key of a software card with ask.
func unlock(ask card.PINFunc) error {
	_, err := unlockCard(cardtest.Logon("alice@example.com"), ask)
	return err
}

// unlockCard also returns the retries left afterwards.
func unlockCard(c *cardtest.Card, ask card.PINFunc) (retries int, err error) {
	service := cardtest.NewService(c)
	defer service.Close()
	find := enumerate.Finder{Service: service}
	credentials, err := find.Offered(context.Background())
	if len(credentials) == 0 {
		return 0, err
	}
	key, err := credentials[0].Unlock(context.Background(), ask)
	if err == nil {
		err = key.Close()
	}
	return c.RetriesLeft(), err
}

// A program that runs unattended gets the PIN from its environment.
func ExampleEnv() {
	os.Setenv("CARD_PIN", cardtest.PIN)
	defer os.Unsetenv("CARD_PIN")
	fmt.Println(unlock(prompt.Env("CARD_PIN")))
	// Output: <nil>
}

// If standard input is not a terminal, the error comes at once.
func ExampleTerminal() {
	file, err := os.Open(os.DevNull)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	_, err = prompt.Terminal(file)(context.Background(), card.PINRequest{}) // or os.Stdin
	fmt.Println(err)
	fmt.Println(card.Hint(err))
	// Output:
	// prompt: not a terminal
	// Run the program in a terminal, or let it read the PIN from an environment variable.
}

func TestEnvReadsVariableOnce(t *testing.T) {
	ask := prompt.Env("SMARTLOGON_TEST_PIN")
	t.Setenv("SMARTLOGON_TEST_PIN", cardtest.PIN)
	require.NoError(t, unlock(ask), "the variable is not read before the first use")
	t.Setenv("SMARTLOGON_TEST_PIN", "")
	require.NoError(t, unlock(ask), "the variable is read again")
	err := unlock(prompt.Env("SMARTLOGON_TEST_PIN"))
	assert.ErrorContains(t, err, "SMARTLOGON_TEST_PIN holds no PIN")
	assert.Contains(t, card.Hint(err), "SMARTLOGON_TEST_PIN")
}

func TestEnvSpendsOneTry(t *testing.T) {
	t.Setenv("SMARTLOGON_TEST_PIN", "999999")
	ask := prompt.Env("SMARTLOGON_TEST_PIN")
	assert.ErrorIs(t, unlock(ask), card.ErrWrongPIN)
	assert.ErrorIs(t, unlock(ask), card.ErrWrongPIN, "the PIN is not sent to another card either")
}

func TestEnvCutsLineEnd(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r", "\n\n"} {
		t.Setenv("SMARTLOGON_TEST_PIN", cardtest.PIN+end)
		retries, err := unlockCard(cardtest.Logon("alice@example.com"), prompt.Env("SMARTLOGON_TEST_PIN"))
		assert.NoError(t, err, "%q", end)
		assert.Equal(t, 3, retries, "%q", end)
	}
}

func TestEnvRefusesControlCharacters(t *testing.T) {
	for _, value := range []string{"\t" + cardtest.PIN, cardtest.PIN + "\t", "12\n3456", "\ufeff" + cardtest.PIN, cardtest.PIN + "\x1b[A"} {
		t.Setenv("SMARTLOGON_TEST_PIN", value)
		retries, err := unlockCard(cardtest.Logon("alice@example.com"), prompt.Env("SMARTLOGON_TEST_PIN"))
		assert.ErrorIs(t, err, prompt.ErrControlCharacter, "%q", value)
		assert.ErrorContains(t, err, "SMARTLOGON_TEST_PIN")
		assert.NotEmpty(t, card.Hint(err))
		assert.NotContains(t, err.Error(), cardtest.PIN)
		assert.Equal(t, 3, retries, "%q", value)
	}
	t.Setenv("SMARTLOGON_TEST_PIN", "\r\n")
	assert.ErrorContains(t, unlock(prompt.Env("SMARTLOGON_TEST_PIN")), "holds no PIN")
}

func TestEnvIsSafeForConcurrentUse(t *testing.T) {
	t.Setenv("SMARTLOGON_TEST_PIN", cardtest.PIN)
	ask := prompt.Env("SMARTLOGON_TEST_PIN")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			pin, err := ask(t.Context(), card.PINRequest{})
			assert.NoError(t, err)
			pin.Destroy()
		})
	}
	all.Wait()
}
