package cardtest

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
)

// Model returns a card that behaves as a real one, as far as that was recorded. The
// names are those of [Models], such as "gd-sce7"; [ModelFacts] returns what is known
// of each model and from where. Model panics if there is none of that name.
//
// What no fact says is as the standard has it, which is an assumption. The contents
// are this package's: an RSA key in 9A or kxc00 with the certificate of
// alice@example.com, on PIV cards also an RSA key for decryption in 9D with its
// certificate, and no other keys. [Card.Put] adds some. PIN, PUK and the
// administrator's key are those of the other cards of this package.
//
// Options apply after the facts.
func Model(name string, options ...Option) *Card {
	m := findModel(name)
	var c *Card
	switch options = append(m.options(), options...); m.base {
	case baseYubiKey:
		c = YubiKey(m.fact(firmware), options...)
	case basePIV:
		c = PIV(options...)
	case baseGIDS:
		c = GIDS(options...)
	case baseTPM:
		c = TPM(options...)
	}
	return m.fill(c)
}

// Models returns the names of all models, sorted.
func Models() []string {
	names := make([]string, len(models))
	for i, m := range models {
		names[i] = m.name
	}
	slices.Sort(names)
	return names
}

// A Fact is one property of a card model.
type Fact struct {
	// Property is what the fact is about, such as "absent object".
	Property string

	// Value is its value: a response or status word in hexadecimal, a number, or
	// a word.
	Value string

	// Evidence is how it is known.
	Evidence Evidence

	// Source is where: a thread or file of a public repository, or a program that
	// was run. It is empty if the fact is assumed.
	Source string
}

// Evidence is how a [Fact] is known.
type Evidence string

const (
	// Recorded is seen in the responses of a real card, or of the card's own
	// software in a simulator.
	Recorded Evidence = "recorded"

	// Stated is from source code, a manual, or what a maintainer wrote.
	Stated Evidence = "stated"

	// Assumed is neither. Tests of a promise do not rest on it.
	Assumed Evidence = "assumed"
)

// ModelFacts returns the facts of a model. It panics if there is none of that name.
func ModelFacts(name string) []Fact { return slices.Clone(findModel(name).facts) }

// ModelProduct returns the name of the product that a model is of. It panics if there
// is no such model.
func ModelProduct(name string) string { return findModel(name).product }

// A model is a row of the table of models.
type model struct {
	name    string
	product string
	base    base
	facts   []Fact
}

// A base is the function that makes the card to which the facts of a model apply.
type base int

const (
	basePIV base = iota
	baseYubiKey
	baseGIDS
	baseTPM
)

// firmware is the property that only YubiKeys have.
const firmware = "firmware"

// fact returns the value of a property, "" without one.
func (m model) fact(property string) string {
	i := slices.IndexFunc(m.facts, func(f Fact) bool { return f.Property == property })
	if i < 0 {
		return ""
	}
	return m.facts[i].Value
}

var models = slices.Concat(yubikeyModels, pivModels, gidsModels)

func findModel(name string) model {
	i := slices.IndexFunc(models, func(m model) bool { return m.name == name })
	if i < 0 {
		panic(fmt.Sprintf("cardtest: there is no card model %q; the models are %s", name, strings.Join(Models(), ", ")))
	}
	return models[i]
}

// options returns the facts as options.
func (m model) options() []Option {
	options := make([]Option, len(m.facts))
	for i, f := range m.facts {
		p := propertyOf(f.Property)
		options[i] = option{f.Property, p.kind, func(c *config) {
			if err := p.set(c, f.Value); err != nil {
				panic(fmt.Sprintf("cardtest: card model %q: %s %q: %v", m.name, f.Property, f.Value, err))
			}
		}}
	}
	return options
}

// modelUPN is the name in the certificates of models.
const modelUPN = "alice@example.com"

// fill puts the contents of every model on a card.
func (m model) fill(c *Card) *Card {
	key, certificate := TestCA().Issue(Leaf{UPNs: []string{modelUPN}})
	if m.base == baseGIDS || m.base == baseTPM {
		return c.Put("kxc00", key, certificate)
	}
	decryption, other := TestCA().Issue(Leaf{Key: Key(RSA2048, 1), UPNs: []string{modelUPN}, KeyUsage: x509.KeyUsageKeyEncipherment})
	c.Put("9A", key, certificate).Put("9D", decryption, other)
	if m.fact("key history") == historyOberthur {
		c.Put("82", nil, other)
	}
	return c
}
