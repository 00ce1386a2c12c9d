package soak_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
)

// neighborAID is the second application on some of the cards.
var neighborAID = []byte{0xF0, 's', 'o', 'a', 'k'}

const neighborPIN = "654321"

// A token is a card that is in a reader or in the drawer.
type token struct {
	name     string
	kind     string // the model
	card     *cardtest.Card
	neighbor *cardtest.Neighbor // nil if it has none
	applets  []*applet

	applications string // those that a Finder looks for
}

// An applet is an application of a token, and what was asked of it.
type applet struct {
	name       string
	card       *cardtest.Card // for the counters of the application
	pin        string
	anonymous  bool // nothing tells the card from another
	containers map[string]*container

	// What the program did in the name of the applet. An exchange is done if
	// its response says so; others may not have reached the card.
	right, wrong     atomic.Int64 // answers to requests for the PIN
	refused          atomic.Int64 // wrong PINs that the card refused
	pins, pinsDone   atomic.Int64 // commands with a PIN
	keys, keysDone   atomic.Int64 // commands that use a key
	pinBase, keyBase int          // counters of the card before the first round
	mu               sync.Mutex   // guards what follows
	lastRefused      string       // a wrong PIN that the card refused
}

// A container is a key with its certificate.
type container struct {
	applet      *applet
	name        string
	upn         string
	certificate []byte
	public      crypto.PublicKey
}

// A leaf describes the key of a container.
type leaf struct {
	container string
	rsa       bool
}

func newKey(l leaf) (crypto.Signer, error) {
	if l.rsa {
		return rsa.GenerateKey(rand.Reader, 1024) // quick, and the same to the software
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// newApplet puts keys and certificates of its own on a card.
func newApplet(name string, c *cardtest.Card, leaves ...leaf) (*applet, error) {
	a := &applet{name: name, card: c, containers: make(map[string]*container)}
	for _, l := range leaves {
		key, err := newKey(l)
		if err != nil {
			return nil, err
		}
		upn := fmt.Sprintf("%s.%s@example.com", name, l.container)
		private, certificate := cardtest.TestCA().Issue(cardtest.Leaf{Key: key, UPNs: []string{upn}})
		c.Put(l.container, private, certificate)
		a.containers[l.container] = &container{a, l.container, upn, certificate, key.Public()}
	}
	return a, nil
}

// newTokens makes the cards. No two have a key or a PIN in common.
func newTokens() ([]*token, error) {
	var tokens []*token
	var errs []error
	add := func(kind string, n int, build func(name string) (*token, error)) {
		for i := range n {
			t, err := build(fmt.Sprintf("%s-%d", kind, i))
			if err != nil {
				errs = append(errs, err)
				continue
			}
			t.kind, t.applications = kind, "PIV"
			switch kind {
			case "gids", "tpm":
				t.applications = "GIDS"
			case "both":
				t.applications = "PIV and GIDS"
			}
			tokens = append(tokens, t)
		}
	}
	single := func(create func(...cardtest.Option) *cardtest.Card, leaves []leaf, options ...cardtest.Option) func(string) (*token, error) {
		return func(name string) (*token, error) {
			c := create(append(options, cardtest.MaxRetries(maxRetries))...)
			a, err := newApplet(name, c, leaves...)
			return &token{name: name, card: c, applets: []*applet{a}}, err
		}
	}
	neighborly := func(name string) (*token, error) {
		n := cardtest.NewNeighbor(neighborAID, neighborPIN)
		t, err := single(cardtest.PIV, []leaf{{"9A", false}}, n)(name)
		t.neighbor = n
		return t, err
	}
	combined := func(name string) (*token, error) {
		p, g := cardtest.PIV(cardtest.MaxRetries(maxRetries)), cardtest.GIDS(cardtest.MaxRetries(maxRetries))
		first, err1 := newApplet(name+"-p", p, leaf{"9A", false})
		second, err2 := newApplet(name+"-g", g, leaf{"kxc00", true})
		return &token{name: name, card: cardtest.Combine(p, g), applets: []*applet{first, second}}, errors.Join(err1, err2)
	}
	anonymous := func(name string) (*token, error) {
		t, err := single(cardtest.PIV, []leaf{{"9A", false}})(name)
		t.card.PutObject(0x5FC102, nil) // the CHUID
		t.applets[0].anonymous = true
		return t, err
	}
	yubiKey := func(o ...cardtest.Option) *cardtest.Card { return cardtest.YubiKey("5.7.1", o...) }

	add("piv", 4, single(cardtest.PIV, []leaf{{"9A", false}, {"9C", false}}))
	add("t0", 2, single(cardtest.PIV, []leaf{{"9A", true}, {"9C", false}}, cardtest.T0))
	add("short", 1, single(cardtest.PIV, []leaf{{"9A", true}}, cardtest.ShortLengths))
	add("bare", 1, single(cardtest.PIV, []leaf{{"9A", false}}, cardtest.PIVNoDiscovery, cardtest.NoLogout))
	add("anonymous", 1, anonymous)
	add("neighbor", 3, neighborly)
	add("yubikey", 4, single(yubiKey, []leaf{{"9A", false}, {"9C", true}}))
	add("gids", 4, single(cardtest.GIDS, []leaf{{"kxc00", true}, {"ksc01", false}}))
	add("tpm", 2, single(cardtest.TPM, []leaf{{"kxc00", true}}))
	add("both", 2, combined)
	return tokens, errors.Join(errs...)
}

// maxRetries is high, so that concurrent wrong PINs do not block a card.
const maxRetries = 15

// setPINs changes the PIN of each applet to one of its own.
func setPINs(ctx context.Context, tokens []*token) error {
	n := 0
	for _, t := range tokens {
		s := cardtest.NewService(t.card)
		f := &enumerate.Finder{Service: s}
		for c, err := range f.All(ctx) {
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			k := t.container(c.Raw)
			if k == nil {
				return fmt.Errorf("%s: unknown certificate in %s", t.name, c.Container)
			}
			a := k.applet
			if a.pin != "" {
				continue
			}
			n++
			a.pin = fmt.Sprintf("1%05d", n)
			err := c.PIN().Change(ctx, func(_ context.Context, r card.PINRequest) (card.PIN, error) {
				if r.New {
					return card.NewPIN([]byte(a.pin)), nil
				}
				return card.NewPIN([]byte(cardtest.PIN)), nil
			})
			if err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
		}
		if err := s.Close(); err != nil {
			return err
		}
		for _, a := range t.applets {
			a.pinBase, a.keyBase = a.card.PINs(), a.card.KeyUses()
		}
	}
	return nil
}

// container returns the container with a certificate, nil if there is none.
func (t *token) container(certificate []byte) *container {
	for _, a := range t.applets {
		for _, k := range a.containers {
			if string(k.certificate) == string(certificate) {
				return k
			}
		}
	}
	return nil
}

// trace returns a trace that counts the commands sent for the applet.
func (a *applet) trace(step func()) *card.Trace {
	return &card.Trace{Command: func(_ string, c card.Command, response []byte, _ time.Duration) {
		a.observe(c, response)
		step()
	}}
}

// observe counts a command. The guard marks commands with a PIN as secret; VERIFY is
// also used to read the retry counter and to log out.
func (a *applet) observe(c card.Command, response []byte) {
	const chained = 0x10
	if c.CLA&chained != 0 {
		return
	}
	done := false
	if n := len(response); n >= 2 {
		sw1, sw2 := response[n-2], response[n-1]
		done = sw1 == 0x90 && sw2 == 0x00 || sw1 == 0x61 || sw1 == 0x63
	}
	switch {
	case c.INS == 0x20 && c.Secret:
		a.pins.Add(1)
		if done {
			a.pinsDone.Add(1)
		}
	case c.INS == 0x2A, c.INS == 0x87 && c.P2 != 0x9B:
		a.keys.Add(1)
		if done {
			a.keysDone.Add(1)
		}
	}
}

// check compares the counters of the card with what was sent for the applet.
func (a *applet) check(report func(format string, args ...any)) {
	if a.card.Verified() {
		report("%s is verified at rest", a.name)
	}
	between := func(what string, n int, least, most int64) {
		if int64(n) < least || int64(n) > most {
			report("%s received %d %s, want %d to %d", a.name, n, what, least, most)
		}
	}
	between("wrong PINs", a.card.Spent(), a.refused.Load(), a.wrong.Load())
	between("PINs", a.card.PINs()-a.pinBase, a.pinsDone.Load(), min(a.pins.Load(), a.right.Load()+a.wrong.Load()))
	between("uses of keys", a.card.KeyUses()-a.keyBase, a.keysDone.Load(), a.keys.Load())
	if a.card.Writes() != 1 {
		report("%s received %d commands that write, want that which set its PIN", a.name, a.card.Writes())
	}
}
