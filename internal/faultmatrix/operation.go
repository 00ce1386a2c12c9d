package faultmatrix

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
)

// operations returns the operations of a row: those of every card and its own.
func operations(row Card) []Operation {
	list := []Operation{
		{Name: "list", Run: func(ctx context.Context, p *Program) error { return p.list(ctx) }},
	}
	for _, c := range row.Containers {
		use, verb := (*Program).sign, "sign with "
		if !c.Signs {
			use, verb = (*Program).decrypt, "decrypt with "
		}
		find := func(ctx context.Context, p *Program) error { return p.find(ctx, c) }
		unlock := func(ctx context.Context, p *Program) error { return errors.Join(p.find(ctx, c), p.unlock(ctx)) }
		list = append(list,
			Operation{Name: "unlock " + c.Name, Prepare: find, Run: func(ctx context.Context, p *Program) error { return p.unlock(ctx) }},
			Operation{Name: verb + c.Name, Prepare: unlock, Run: func(ctx context.Context, p *Program) error { return use(p, ctx) }},
			Operation{Name: "close " + c.Name, Prepare: unlock, Run: func(_ context.Context, p *Program) error { return p.Key.Close() }},
		)
		if c.NoPIN {
			continue
		}
		list = append(list, Operation{Name: "unlock " + c.Name + " with a wrong PIN", WrongPIN: true, Prepare: find, Run: func(ctx context.Context, p *Program) error {
			if err := p.unlock(ctx); err != nil {
				return err
			}
			return use(p, ctx) // asks for the PIN if each use needs it
		}})
	}
	return append(list, row.More...)
}

// list lists the credentials and compares them with the row. One may be missing
// only if there is an error.
func (p *Program) list(ctx context.Context) error {
	var errs []error
	listed := make(map[string]bool)
	for c, err := range p.Finder.All(ctx) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		want, ok := p.Row.container(c.Container)
		switch {
		case !ok:
			return WrongResult{"certificate in empty container " + c.Container}
		case !bytes.Equal(want.Certificate, c.Raw):
			return WrongResult{"another certificate in " + c.Container}
		case listed[c.Container]:
			return WrongResult{c.Container + " listed twice"}
		case c.Names.Err != nil, len(c.Names.UPNs) != 1, c.Names.UPNs[0] != UPN, c.Reader != p.Reader:
			return WrongResult{fmt.Sprintf("%q in %q", c.Names.UPNs, c.Reader)}
		}
		listed[c.Container] = true
	}
	incomplete := len(listed) < len(p.Row.Containers) && !p.fault.hidesObject()
	if p.fault.hidesApplication() && p.Row.lacksApplication(listed) {
		incomplete = false
	}
	if len(errs) == 0 && incomplete {
		return WrongResult{"incomplete list without an error"}
	}
	return errors.Join(errs...)
}

// lacksApplication reports whether all containers of one application are missing, and
// only those.
func (c Card) lacksApplication(listed map[string]bool) bool {
	applications := make(map[bool]bool) // by whether it is PIV: whether it is listed
	for _, k := range c.Containers {
		isPIV := len(k.Name) == 2
		if before, seen := applications[isPIV]; seen && before != listed[k.Name] {
			return false
		}
		applications[isPIV] = listed[k.Name]
	}
	return applications[true] != applications[false]
}

func (c Card) container(name string) (Container, bool) {
	for _, c := range c.Containers {
		if c.Name == name {
			return c, true
		}
	}
	return Container{}, false
}

// find keeps the credential of a container for unlock.
func (p *Program) find(ctx context.Context, want Container) error {
	for c, err := range p.Finder.All(ctx) {
		if err != nil {
			return err
		}
		if c.Container == want.Name {
			p.credential = c
		}
	}
	if p.credential == nil {
		return WrongResult{"no certificate in " + want.Name}
	}
	return nil
}

func (p *Program) unlock(ctx context.Context) error {
	if p.credential == nil {
		return errors.New("no credential to unlock")
	}
	key, err := p.credential.Unlock(ctx, p.Ask)
	p.Key = key
	return err
}

// sign signs a digest and verifies the signature.
func (p *Program) sign(context.Context) error {
	digest := sha256.Sum256([]byte("signed text"))
	signature, err := p.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	valid := false
	switch public := p.Key.Public().(type) {
	case *ecdsa.PublicKey:
		valid = ecdsa.VerifyASN1(public, digest[:], signature)
	case *rsa.PublicKey:
		valid = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	}
	if !valid {
		return WrongResult{"invalid signature"}
	}
	return nil
}

// decrypt decrypts a secret and compares it.
func (p *Program) decrypt(context.Context) error {
	public, ok := p.Key.Public().(*rsa.PublicKey)
	if !ok {
		return WrongResult{fmt.Sprintf("decryption key of type %T", p.Key.Public())}
	}
	secret := []byte("a secret")
	ciphertext, err := rsa.EncryptPKCS1v15(rand.Reader, public, secret)
	if err != nil {
		return err
	}
	plaintext, err := p.Key.Decrypt(rand.Reader, ciphertext, nil)
	if err == nil && !bytes.Equal(plaintext, secret) {
		return WrongResult{"plain text"}
	}
	return err
}

// useCard lists, unlocks and uses the key of the first container.
func (p *Program) useCard(ctx context.Context) error {
	if err := p.list(ctx); err != nil {
		return err
	}
	c := p.Row.Containers[0]
	if err := errors.Join(p.find(ctx, c), p.unlock(ctx)); err != nil {
		return err
	}
	if c.Signs {
		return p.sign(ctx)
	}
	return p.decrypt(ctx)
}
