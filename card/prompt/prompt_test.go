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

// unlock is what a program does with a PINFunc.
func unlock(ask card.PINFunc) error {
	service := cardtest.NewService(cardtest.Logon("alice@example.com"))
	defer service.Close()
	find := enumerate.Finder{Service: service}
	tiles, err := find.Offered(context.Background())
	if len(tiles) == 0 {
		return err
	}
	key, err := tiles[0].Unlock(context.Background(), ask)
	if err != nil {
		return err
	}
	return key.Close()
}

// The PIN of a program that nobody watches comes from its environment.
func ExampleEnv() {
	os.Setenv("CARD_PIN", cardtest.PIN)
	defer os.Unsetenv("CARD_PIN")
	fmt.Println(unlock(prompt.Env("CARD_PIN")))
	// Output: <nil>
}

// Where standard input is no terminal there is nobody to ask, and no wait.
func ExampleTerminal() {
	file, err := os.Open(os.DevNull)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	_, err = prompt.Terminal(file)(context.Background(), card.PINRequest{}) // or os.Stdin
	fmt.Println(err)
	// Output: prompt: not a terminal; name a variable that holds the PIN instead
}

func TestEnvLooksWhenItIsAsked(t *testing.T) {
	ask := prompt.Env("SMARTLOGON_TEST_PIN")
	t.Setenv("SMARTLOGON_TEST_PIN", cardtest.PIN)
	require.NoError(t, unlock(ask))
	t.Setenv("SMARTLOGON_TEST_PIN", "")
	require.NoError(t, unlock(ask), "it looks once")
	assert.ErrorContains(t, unlock(prompt.Env("SMARTLOGON_TEST_PIN")), "SMARTLOGON_TEST_PIN holds no PIN")
}

func TestEnvSpendsOneTry(t *testing.T) {
	t.Setenv("SMARTLOGON_TEST_PIN", "999999")
	ask := prompt.Env("SMARTLOGON_TEST_PIN")
	assert.ErrorIs(t, unlock(ask), card.ErrWrongPIN)
	assert.ErrorIs(t, unlock(ask), card.ErrWrongPIN, "it is not given to another card either")
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
