package realcards_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/smartlogon/smartlogon/piv"
)

// A job is something that programs do with cards. It returns an error if the result is
// wrong.
type job struct {
	name string
	run  func(*program) error
}

// signatures is the number of signatures of the job "sign".
const signatures = 10

var jobs = []job{
	{"list", (*program).list},
	{"PIN status", (*program).pinStatus},
	{fmt.Sprintf("sign %d times", signatures), (*program).sign},
	{"decrypt", (*program).decrypt},
	{"wrong PIN", (*program).wrongPIN},
	{"log out", (*program).logOut},
	{"change the PIN", (*program).changePIN},
	{"wrong admin key", (*program).wrongAdminKey},
	{"admin", (*program).administer},
}

// list lists the certificates, and the credentials that Windows would offer.
func (p *program) list() error {
	var listed []string
	for c, err := range p.finder.All(p.ctx()) {
		if err != nil {
			return err
		}
		if !slices.Equal(c.Names.UPNs, []string{"alice@example.com"}) {
			return fmt.Errorf("names %v in %s", c.Names, c.Container)
		}
		listed = append(listed, c.Container)
	}
	slices.Sort(listed)
	if !slices.Equal(listed, p.containers()) {
		return fmt.Errorf("listed %v, want %v", listed, p.containers())
	}
	switch offered, err := p.finder.Offered(p.ctx()); {
	case err != nil:
		return err
	case len(offered) != 1:
		return fmt.Errorf("%d credentials offered, want 1", len(offered))
	}
	return p.unharmed()
}

// unharmed returns an error if the card received a PIN or was written.
func (p *program) unharmed() error {
	if p.soft.PINs() > 0 || p.soft.Writes() > 0 || p.soft.KeyUses() > 0 {
		return fmt.Errorf("the card got %d PINs, was written %d times and used its keys %d times", p.soft.PINs(), p.soft.Writes(), p.soft.KeyUses())
	}
	return nil
}

// signing and decrypting return the container of the key for the job.
func (p *program) signing() string {
	if p.isGIDS() {
		return "kxc00"
	}
	return "9A"
}

func (p *program) decrypting() string {
	if p.isGIDS() {
		return "kxc00"
	}
	return "9D"
}

func (p *program) pinStatus() error {
	c, err := p.find(p.signing())
	if err != nil {
		return err
	}
	left := p.soft.RetriesLeft()
	status, err := c.PIN().Status(p.ctx())
	switch {
	case err != nil:
		return err
	case status.Retries != left || status.Blocked || status.Verified:
		return fmt.Errorf("status %+v, want %d retries", status, left)
	case p.soft.RetriesLeft() != left:
		return errors.New("a try was spent")
	}
	return p.unharmed()
}

// unlock opens the key of a container.
func (p *program) unlock(container string) (*enumerate.Key, error) {
	c, err := p.find(container)
	if err != nil {
		return nil, err
	}
	return c.Unlock(p.ctx(), p.ask)
}

// sign makes signatures with one prompt.
func (p *program) sign() error {
	key, err := p.unlock(p.signing())
	if err != nil {
		return err
	}
	defer key.Close()
	for range signatures {
		if err := signOnce(key); err != nil {
			return err
		}
	}
	switch {
	case p.prompts != 1:
		return fmt.Errorf("%d prompts for %d signatures", p.prompts, signatures)
	case p.soft.Spent() > 0:
		return errors.New("a try was spent")
	}
	return nil
}

func signOnce(key *enumerate.Key) error {
	digest := sha256.Sum256([]byte("signed text"))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("public key of type %T", key.Public())
	}
	return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
}

func (p *program) decrypt() error {
	key, err := p.unlock(p.decrypting())
	if err != nil {
		return err
	}
	defer key.Close()
	secret := []byte("a secret")
	ciphertext, err := rsa.EncryptPKCS1v15(rand.Reader, key.Public().(*rsa.PublicKey), secret)
	if err != nil {
		return err
	}
	plaintext, err := key.Decrypt(rand.Reader, ciphertext, nil)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(plaintext, secret):
		return errors.New("another plain text")
	case p.prompts != 1:
		return fmt.Errorf("%d prompts", p.prompts)
	}
	return nil
}

// wrongPIN unlocks with a wrong PIN, which costs one try and names what is left.
func (p *program) wrongPIN() error {
	c, err := p.find(p.signing())
	if err != nil {
		return err
	}
	left := p.soft.RetriesLeft()
	key, err := c.Unlock(p.ctx(), p.askWrong)
	if err == nil {
		key.Close()
		return errors.New("unlocked with a wrong PIN")
	}
	var wrong *card.PINError
	switch {
	case !errors.Is(err, card.ErrWrongPIN):
		return err
	case !errors.As(err, &wrong) || wrong.Retries != left-1:
		return fmt.Errorf("%w: want %d retries left", err, left-1)
	case card.Hint(err) == "":
		return fmt.Errorf("%w: no hint", err)
	case p.soft.Spent() != 1 || p.prompts != 1:
		return fmt.Errorf("%d tries spent, %d prompts", p.soft.Spent(), p.prompts)
	}
	return nil
}

// logOut signs and closes the key: the card must not stay verified.
func (p *program) logOut() error {
	key, err := p.unlock(p.signing())
	if err != nil {
		return err
	}
	err = signOnce(key)
	if err := errors.Join(err, key.Close()); err != nil {
		return err
	}
	if p.soft.Verified() {
		return errors.New("the PIN is still verified")
	}
	return nil
}

// changePIN sets the PIN to what it is.
func (p *program) changePIN() error {
	c, err := p.find(p.signing())
	if err != nil {
		return err
	}
	if err := c.PIN().Change(p.ctx(), p.ask); err != nil {
		return err
	}
	switch {
	case p.prompts != 2:
		return fmt.Errorf("%d prompts", p.prompts)
	case p.soft.Spent() > 0:
		return errors.New("a try was spent")
	case p.soft.Verified():
		return errors.New("the PIN is still verified")
	}
	return nil
}

var errNotRefused = errors.New("the wrong key was not refused")

// wrongAdminKey administers with a wrong key: nothing is written.
func (p *program) wrongAdminKey() error {
	if p.isGIDS() {
		c, err := p.find(p.signing())
		if err != nil {
			return err
		}
		err = c.PIN().UnblockByAdministrator(p.ctx(), testkeys.Administrator(string(bytes.Repeat([]byte{9}, 24))), p.ask)
		if err == nil {
			return errNotRefused
		}
		if card.Hint(err) == "" {
			return fmt.Errorf("%w: no hint", err)
		}
		return nil
	}
	c, err := p.pivCard()
	if err != nil {
		return err
	}
	wrong, err := piv.NewManagementKey(managementKey(p.t, p.model).Algorithm(), bytes.Repeat([]byte{9}, 24))
	if err != nil {
		return err
	}
	switch err := c.Admin(wrong).Check(p.ctx()); {
	case err == nil:
		return errNotRefused
	case !errors.Is(err, piv.ErrManagementKey):
		return err
	}
	return nil
}

// administer stores a certificate and generates a key, or unblocks the PIN of a GIDS
// card. A card that does not prove that it has the management key is not written.
func (p *program) administer() error {
	if p.isGIDS() {
		c, err := p.find(p.signing())
		if err != nil {
			return err
		}
		return c.PIN().UnblockByAdministrator(p.ctx(), testkeys.Administrator(cardtest.AdminKey), p.ask)
	}
	c, err := p.pivCard()
	if err != nil {
		return err
	}
	admin := c.Admin(managementKey(p.t, p.model))
	if slices.Contains(modelsWith("end of mutual authentication", "no data"), p.model) {
		_, err := admin.Generate(p.ctx(), piv.CardAuthentication, piv.P256, nil)
		if err == nil || p.soft.Writes() > 0 {
			return fmt.Errorf("%d writes, error: %v", p.soft.Writes(), err)
		}
		return nil
	}
	if _, err := admin.Generate(p.ctx(), piv.CardAuthentication, piv.P256, nil); err != nil {
		return err
	}
	_, certificate := cardtest.TestCA().Issue(cardtest.Leaf{UPNs: []string{"bob@example.com"}})
	if err := admin.PutCertificate(p.ctx(), piv.Authentication, certificate); err != nil {
		return err
	}
	credential, err := p.find("9A")
	if err != nil {
		return err
	}
	if !bytes.Equal(credential.Raw, certificate) {
		return errors.New("another certificate was stored")
	}
	return nil
}

// signP256 signs a digest with an ECDSA key.
func signP256(key *enumerate.Key) error {
	digest := sha256.Sum256([]byte("signed text"))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err == nil && !ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], signature) {
		err = errors.New("invalid signature")
	}
	return err
}
