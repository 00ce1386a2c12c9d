package realcards_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/require"
)

// A program is a program that uses the card of a model. It fails the test if the card
// is not as it should be at the end.
type program struct {
	t       *testing.T
	model   string
	soft    *cardtest.Card
	readers *cardtest.Readers
	service *card.Service
	finder  *enumerate.Finder
	pin     string // entered by the user
	prompts int
}

// newProgram puts the card of a model into a reader.
func newProgram(t *testing.T, model string, options ...cardtest.Option) *program {
	soft := cardtest.Model(model, options...)
	readers := cardtest.NewReaders(soft)
	readers.PowerDown(time.Hour) // a card without power would not show that its PIN was left verified
	p := &program{t: t, model: model, soft: soft, readers: readers, service: readers.Service(), pin: cardtest.PIN}
	p.finder = &enumerate.Finder{Service: p.service}
	t.Cleanup(func() {
		require.NoError(t, p.service.Close())
		require.NoError(t, readers.Close())
	})
	return p
}

func (p *program) reader() string { return p.readers.Names()[0] }

func (p *program) ctx() context.Context { return p.t.Context() }

func (p *program) isGIDS() bool {
	return strings.HasPrefix(p.model, "gids") || strings.HasPrefix(p.model, "microsoft")
}

// containers returns the containers with a certificate on the card of a model.
func (p *program) containers() []string {
	switch {
	case p.isGIDS():
		return []string{"kxc00"}
	case p.model == "oberthur-nist-history":
		return []string{"82", "9A", "9D"}
	}
	return []string{"9A", "9D"}
}

// find returns the credential of a container.
func (p *program) find(container string) (*enumerate.Credential, error) {
	var credential *enumerate.Credential
	var errs []error
	for c, err := range p.finder.All(p.ctx()) {
		if err != nil {
			errs = append(errs, err)
		} else if c.Container == container {
			credential = c
		}
	}
	if credential == nil {
		return nil, errors.Join(fmt.Errorf("no credential in %s", container), errors.Join(errs...))
	}
	return credential, nil
}

// ask is a PINFunc that returns p.pin, and gives up if it was refused.
func (p *program) ask(_ context.Context, r card.PINRequest) (card.PIN, error) {
	if r.Refused != nil {
		return card.PIN{}, r.Refused
	}
	p.prompts++
	return card.NewPIN([]byte(p.pin)).AllowLastTry(), nil
}

// askWrong is a PINFunc that returns a wrong PIN once.
func (p *program) askWrong(_ context.Context, r card.PINRequest) (card.PIN, error) {
	if r.Refused != nil {
		return card.PIN{}, r.Refused
	}
	p.prompts++
	return card.NewPIN([]byte("98765432")), nil
}

// pivCard returns the PIV application of the card.
func (p *program) pivCard() (*piv.Card, error) {
	c, err := p.service.Card(p.ctx(), p.reader())
	if err != nil {
		return nil, err
	}
	return piv.New(c), nil
}

// managementKey returns the management key of the models.
func managementKey(t *testing.T, model string) piv.ManagementKey {
	algorithm := piv.TripleDES
	if strings.Contains(model, "-5.7.") {
		algorithm = piv.AES192
	}
	key, err := piv.NewManagementKey(algorithm, []byte(cardtest.AdminKey))
	require.NoError(t, err)
	return key
}
