// Package pivgo makes credentials of the keys on a YubiKey that
// github.com/go-piv/piv-go has opened, for programs that use that library already.
//
//	yk, err := piv.Open(name)
//	credentials, err := pivgo.Credentials(yk, name)
//	key, err := credentials[0].Unlock(ctx, prompt.Terminal(os.Stdin))
//
// They are judged and named as all others are, and their PIN passes the gate of
// package card: it is counted, a refused one is not sent again, and the last try
// is spent only with consent. What differs from package enumerate's own is what
// piv-go does: as long as the YubiKey is open no other program can use it, the
// PIN stays verified until it is closed, and calls cannot be cancelled.
//
// New programs do not need it: package enumerate reads any vendor's PIV cards.
//
// Piv-go needs the PC/SC library of the system. Without cgo (on Windows it needs
// none), or with the build tag pcsclite_go, the package is empty.
package pivgo
