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

// operations are those that every card has, by what is on it.
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
		open := func(ctx context.Context, p *Program) error { return errors.Join(p.find(ctx, c), p.unlock(ctx)) }
		list = append(list,
			Operation{Name: "unlock " + c.Name, Prepare: find, Run: func(ctx context.Context, p *Program) error { return p.unlock(ctx) }},
			Operation{Name: verb + c.Name, Prepare: open, Run: func(ctx context.Context, p *Program) error { return use(p, ctx) }},
			Operation{Name: "close " + c.Name, Prepare: open, Run: func(_ context.Context, p *Program) error { return p.Key.Close() }},
		)
		if c.Free {
			continue
		}
		list = append(list, Operation{Name: "unlock " + c.Name + " with a wrong PIN", Wrong: true, Prepare: find, Run: func(ctx context.Context, p *Program) error {
			if err := p.unlock(ctx); err != nil {
				return err
			}
			return use(p, ctx) // where the PIN is asked for at each use
		}})
	}
	return append(list, row.More...)
}

// list reads all certificates. Those that come must be on the card, and none may
// be missing without an error that says so.
func (p *Program) list(ctx context.Context) error {
	var errs []error
	found := make(map[string]bool)
	for c, err := range p.Finder.All(ctx) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		on, ok := p.on(c.Container)
		switch {
		case !ok:
			return WrongResult{"there is nothing in " + c.Container}
		case !bytes.Equal(on.Certificate, c.Raw):
			return WrongResult{"another certificate in " + c.Container}
		case found[c.Container]:
			return WrongResult{c.Container + " twice"}
		case c.Names.Err != nil, len(c.Names.UPNs) != 1, c.Names.UPNs[0] != UPN, c.Reader != p.Reader:
			return WrongResult{fmt.Sprintf("%q in %q", c.Names.UPNs, c.Reader)}
		}
		found[c.Container] = true
	}
	if len(errs) == 0 && len(found) < len(p.Row.Containers) && !p.fault.hides() {
		return WrongResult{"certificates are missing, and nothing says so"}
	}
	return errors.Join(errs...)
}

func (p *Program) on(container string) (Container, bool) {
	for _, c := range p.Row.Containers {
		if c.Name == container {
			return c, true
		}
	}
	return Container{}, false
}

// find finds the credential of a container.
func (p *Program) find(ctx context.Context, want Container) error {
	p.container = want
	for c, err := range p.Finder.All(ctx) {
		if err != nil {
			return err
		}
		if c.Container == want.Name {
			p.credential = c
		}
	}
	if p.credential == nil {
		return WrongResult{"there is no certificate in " + want.Name}
	}
	return nil
}

func (p *Program) unlock(ctx context.Context) error {
	if p.credential == nil {
		return errors.New("nothing to unlock")
	}
	key, err := p.credential.Unlock(ctx, p.Ask)
	p.Key = key
	return err
}

// sign signs, and checks the signature.
func (p *Program) sign(context.Context) error {
	digest := sha256.Sum256([]byte("what is signed"))
	signature, err := p.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	right := false
	switch public := p.Key.Public().(type) {
	case *ecdsa.PublicKey:
		right = ecdsa.VerifyASN1(public, digest[:], signature)
	case *rsa.PublicKey:
		right = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	}
	if !right {
		return WrongResult{"the signature"}
	}
	return nil
}

// decrypt has the card decrypt, or agree on, a secret, and checks it.
func (p *Program) decrypt(context.Context) error {
	public, ok := p.Key.Public().(*rsa.PublicKey)
	if !ok {
		return WrongResult{fmt.Sprintf("a %T does not decrypt", p.Key.Public())}
	}
	secret := []byte("a secret")
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, secret)
	if err != nil {
		return err
	}
	opened, err := p.Key.Decrypt(rand.Reader, sealed, nil)
	if err == nil && !bytes.Equal(opened, secret) {
		return WrongResult{"the plain text"}
	}
	return err
}

// use does with a healthy card all that there is to do.
func (p *Program) use(ctx context.Context) error {
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
