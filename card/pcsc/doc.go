// Package pcsc reaches the readers and smart cards of the machine, through its
// PC/SC service: pcscd on Linux and the BSDs, "Smart Card" on Windows, the
// system's own on macOS.
//
//	service := pcsc.System(nil)                    // this machine's readers
//	service := pcsc.System(&card.Options{Logger: l}) // with every command in a log
//	service := pcsc.Socket("/run/other.comm", nil) // those of a pcscd that listens elsewhere
//
// Neither contacts anything before the service is first used; what is wrong
// with the service, its absence too, is an error of that use. Services survive
// a restart of pcscd: the calls under way fail, later ones find the new one.
//
// # What it is built on
//
// A program's main package imports this one; libraries and tests do not have
// to. Only here a C library can come in:
//
//	Windows                         winscard.dll, no C compiler needed
//	macOS with cgo                  the PCSC framework
//	Linux, BSD with cgo             libpcsclite; its headers are needed to build
//	Linux, BSD with CGO_ENABLED=0   pcscd's protocol in Go, static binaries
//	… or with the tag pcsclite_go   the same
//	all else                        every call says that there is nothing
//
// [Socket] always speaks the protocol in Go. With libpcsclite, the environment
// variable PCSCLITE_CSOCK_NAME is looked at once per process; in Go, at each
// connection.
//
// # What it does not do
//
// It does not start the service, install drivers or look for remote readers: a
// remote reader is a driver of its own, see package driver.
package pcsc
