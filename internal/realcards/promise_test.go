package realcards_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/piv"
	"github.com/stretchr/testify/require"
)

// promise runs a test on a model.
func promise(t *testing.T, model string, f func(*program) error, options ...cardtest.Option) {
	t.Run(model, func(t *testing.T) { require.NoError(t, f(newProgram(t, model, options...))) })
}

func TestOnePromptWhereSelectLosesThePIN(t *testing.T) {
	for _, model := range modelsWith("SELECT again", "clears the PIN") {
		promise(t, model, (*program).sign)
	}
}

func TestListingKeepsThePINOfAnOpenKey(t *testing.T) {
	for _, value := range []string{"deselects it", "clears the PIN"} {
		for _, model := range modelsWith("failed SELECT", value) {
			promise(t, model, func(p *program) error {
				key, err := p.unlock(p.signing())
				if err != nil {
					return err
				}
				defer key.Close()
				for range 3 {
					if err := signOnce(key); err != nil {
						return err
					}
					if _, err := p.finder.Offered(p.ctx()); err != nil {
						return err
					}
				}
				if p.prompts != 1 {
					return fmt.Errorf("%d prompts for 3 signatures", p.prompts)
				}
				return nil
			})
		}
	}
}

// modelsWith returns the models that have a property with a value.
func modelsWith(property, value string) (models []string) {
	for _, model := range cardtest.Models() {
		for _, f := range cardtest.ModelFacts(model) {
			if f.Property == property && f.Value == value {
				models = append(models, model)
			}
		}
	}
	return models
}

func TestAbsentObjectsAreNoErrors(t *testing.T) {
	for _, status := range []string{"6A80", "6A82", "9000"} {
		for _, model := range modelsWith("absent object", status) {
			promise(t, model, (*program).list)
		}
	}
}

// TestNoCommandIsSentTwice signs and decrypts in readers that refuse longer commands
// without a word to the card. A command that uses the key reaches the card once for
// each use.
func TestNoCommandIsSentTwice(t *testing.T) {
	for name, limit := range map[string]cardtest.ReaderLimit{
		"short lengths":                         {MaxCommand: 261, DataSize: -1},
		"short lengths, reported":               {MaxCommand: 261, DataSize: 256},
		"short lengths, extended ones reported": {MaxCommand: 261},
		"255 bytes":                             {MaxCommand: 255, DataSize: -1},
	} {
		t.Run(name, func(t *testing.T) {
			var errs []error
			for _, model := range cardtest.Models() {
				p := newProgram(t, model)
				p.readers.Limit(p.reader(), limit)
				if err := p.useKeysOnce(); err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", model, err))
				}
			}
			require.NoError(t, errors.Join(errs...))
		})
	}
}

// useKeysOnce signs and decrypts, and counts the commands that use a key.
func (p *program) useKeysOnce() error {
	if err := p.sign(); err != nil {
		return err
	}
	p.prompts = 0
	if err := p.decrypt(); err != nil {
		return err
	}
	if n := p.soft.KeyUses(); n != signatures+1 {
		return fmt.Errorf("%d uses of keys for %d signatures and a decryption", n, signatures)
	}
	return nil
}

// TestImport imports a key where the card takes Yubico's instruction.
func TestImport(t *testing.T) {
	for _, model := range modelsWith("Yubico's instructions", "FA FB FE FF") {
		promise(t, model, func(p *program) error {
			c, err := p.pivCard()
			if err != nil {
				return err
			}
			key, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"bob@example.com"}, Key: cardtest.Key(cardtest.RSA2048, 2)})
			admin := c.Admin(managementKey(p.t, p.model))
			if err := admin.Import(p.ctx(), piv.Authentication, key, nil); err != nil {
				return err
			}
			if err := admin.PutCertificate(p.ctx(), piv.Authentication, certificate); err != nil {
				return err
			}
			return p.sign()
		})
	}
}

// TestLargeCertificate stores a certificate that fits only if it is compressed.
func TestLargeCertificate(t *testing.T) {
	for _, model := range modelsWith("object too long", "6700, half stored") {
		promise(t, model, func(p *program) error {
			certificate := largeCertificate(make([]byte, 6000))
			if err := p.put(certificate); err != nil {
				return err
			}
			c, err := p.find("9A")
			if err == nil && !bytes.Equal(c.Raw, certificate) {
				err = errors.New("another certificate was stored")
			}
			return err
		})
	}
}

// TestTooLargeCertificate stores one that cannot be compressed. The error says what
// became of the one that was there.
func TestTooLargeCertificate(t *testing.T) {
	for _, model := range modelsWith("object too long", "6700, half stored") {
		promise(t, model, func(p *program) error {
			before := p.soft.Object(0x5FC105)
			random := make([]byte, 6000)
			rand.Read(random)
			err := p.put(largeCertificate(random))
			var interrupted *piv.InterruptedError
			switch {
			case err == nil:
				return errors.New("no error")
			case !bytes.Equal(before, p.soft.Object(0x5FC105)) && !errors.As(err, &interrupted):
				return fmt.Errorf("the object was changed, and the error does not say so: %w", err)
			case card.Hint(err) == "":
				return fmt.Errorf("no hint: %w", err)
			}
			return nil
		})
	}
}

func (p *program) put(certificate []byte) error {
	c, err := p.pivCard()
	if err != nil {
		return err
	}
	return c.Admin(managementKey(p.t, p.model)).PutCertificate(p.ctx(), piv.Authentication, certificate)
}

// largeCertificate returns a certificate with an extension of any content.
func largeCertificate(content []byte) []byte {
	_, certificate := cardtest.TestCA().Issue(cardtest.Leaf{
		UPNs:       []string{"bob@example.com"},
		Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Value: content}},
	})
	return certificate
}

// TestRawDecryption decrypts where the card leaves the padding to the host and omits
// leading zeros.
func TestRawDecryption(t *testing.T) {
	for _, model := range modelsWith("raw decryption", "without leading zeros") {
		promise(t, model, (*program).decrypt, cardtest.GIDSHostPads)
	}
}

// TestShortPIN signs with a PIN of four digits, which another program has set.
func TestShortPIN(t *testing.T) {
	for _, model := range []string{"yubikey-4.3.7", "yubikey-5.4.3", "gidsapplet-jcop242"} {
		promise(t, model, func(p *program) error {
			p.pin = "1234"
			return p.sign()
		}, cardtest.WithPIN("1234"))
	}
}
