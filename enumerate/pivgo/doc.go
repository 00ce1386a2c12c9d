// Package pivgo makes credentials from a YubiKey that github.com/go-piv/piv-go has
// opened, for programs that already use that library. New programs use package
// enumerate, which reads the PIV cards of every vendor.
//
//	yk, err := piv.Open(reader) // of github.com/go-piv/piv-go/v2/piv
//	defer yk.Close()
//	credentials, err := pivgo.Credentials(yk, reader)
//	key, err := credentials[0].Unlock(ctx, prompt.Terminal(os.Stdin))
//	defer key.Close()
//
// Credentials are judged and named as those of package enumerate, and the PIN goes
// through the PIN guard of package card: the retry counter is read first, a refused
// PIN is not sent again, and the last try needs consent. Three things are as piv-go
// has them: while the YubiKey is open no other program can use it, the PIN stays
// verified until the YubiKey is powered down, and calls cannot be canceled.
//
// piv-go needs the PC/SC library of the system. The package is empty without cgo
// (except on Windows, where piv-go needs none) and with the build tag pcsclite_go.
package pivgo
