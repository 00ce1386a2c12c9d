//go:build cgo

// Pkcs11 does the jobs with the PKCS #11 module that BENCH_MODULE names, in one
// process as a browser does, which costs the module less than its command-line
// programs.
package main

import (
	"errors"
	"os"

	"github.com/miekg/pkcs11"
	"github.com/smartlogon/smartlogon/internal/bench/internal/job"
)

func main() {
	job.Main(map[string]func() error{
		job.List: list,
		job.Sign: func() error { return sign(1) },
		job.Ten:  func() error { return sign(10) },
	})
}

func load() (*pkcs11.Ctx, error) {
	module := pkcs11.New(os.Getenv("BENCH_MODULE"))
	if module == nil {
		return nil, errors.New("cannot load the module")
	}
	return module, module.Initialize()
}

// sessions opens a session with each token.
func sessions(module *pkcs11.Ctx) (list []pkcs11.SessionHandle, err error) {
	slots, err := module.GetSlotList(true)
	if err != nil {
		return nil, err
	}
	for _, slot := range slots {
		session, err := module.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
		if err != nil {
			return nil, err
		}
		list = append(list, session)
	}
	return list, nil
}

func find(module *pkcs11.Ctx, session pkcs11.SessionHandle, template ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	if err := module.FindObjectsInit(session, template); err != nil {
		return nil, err
	}
	objects, _, err := module.FindObjects(session, 1000)
	return objects, errors.Join(err, module.FindObjectsFinal(session))
}

// certificates reads all certificates and returns their number. ykcs11 has, beside
// those on the card, one that attests each generated key.
func certificates(module *pkcs11.Ctx, sessions []pkcs11.SessionHandle) (n int, err error) {
	for _, session := range sessions {
		objects, err := find(module, session, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE))
		if err != nil {
			return 0, err
		}
		for _, object := range objects {
			a, err := module.GetAttributeValue(session, object, []*pkcs11.Attribute{
				pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil), pkcs11.NewAttribute(pkcs11.CKA_ID, nil)})
			if err != nil {
				return 0, err
			}
			if len(a[0].Value) > 0 {
				n++
			}
		}
	}
	return n, nil
}

func list() error {
	module, err := load()
	if err != nil {
		return err
	}
	open, err := sessions(module)
	if err != nil {
		return err
	}
	for _, part := range []string{"list", "again"} {
		n, err := certificates(module, open)
		if err != nil {
			return err
		}
		if err := job.Mark(part, n); err != nil {
			return err
		}
	}
	return module.Finalize()
}

func sign(times int) error {
	module, err := load()
	if err != nil {
		return err
	}
	open, err := sessions(module)
	if err != nil {
		return err
	}
	session := open[0]
	if _, err := certificates(module, open); err != nil {
		return err
	}
	if err := module.Login(session, pkcs11.CKU_USER, "123456"); err != nil {
		return err
	}
	keys, err := find(module, session,
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), pkcs11.NewAttribute(pkcs11.CKA_ID, []byte{1}))
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return errors.New("no private key with ID 1, which is that of slot 9A")
	}
	for range times {
		if err := module.SignInit(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_SHA256_RSA_PKCS, nil)}, keys[0]); err != nil {
			return err
		}
		if _, err := module.Sign(session, []byte("text")); err != nil {
			return err
		}
	}
	if err := errors.Join(module.Logout(session), module.Finalize()); err != nil {
		return err
	}
	return job.Mark("sign", times)
}
