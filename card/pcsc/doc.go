// Package pcsc gives access to the readers and smart cards of the machine
// through its PC/SC service: pcscd on Linux and the BSDs, Smart Card (SCardSvr)
// on Windows, the built-in service on macOS. List the readers:
//
//	service := pcsc.System(nil)
//	defer service.Close()
//	readers, err := service.Readers(ctx)
//	if err != nil {
//		log.Fatalf("%v\n%s", err, card.Hint(err))
//	}
//	for _, r := range readers {
//		fmt.Println(r.Name, r.Present)
//	}
//
// [System] and [Socket] contact nothing; the first call on the service does, and
// returns the error if the service does not run or refuses the user. A restart
// of the service fails the calls under way; later calls connect to the new one.
//
// # Building
//
// Only this package may need a C library, so import it in package main. Code
// that takes a *card.Service, and its tests, do not need it.
//
//	Windows                            winscard.dll, without cgo
//	macOS                              PCSC framework, with cgo; without cgo every call fails
//	Linux, BSD with cgo                libpcsclite; its headers are needed to build
//	Linux, BSD without cgo             pcscd's protocol in Go, for static binaries
//	Linux, BSD with tag pcsclite_go    the same
//	other systems                      every call fails
//
// [Socket] uses the protocol in Go on all systems. libpcsclite reads the
// environment variable PCSCLITE_CSOCK_NAME once per process, the protocol in Go
// at each connection.
//
// # Limits
//
// This package does not start the service or install drivers. For readers of
// another machine, write a backend: see package driver.
package pcsc
