//go:build unix

package pcsc_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/card/pcsc"
)

// Print the readers of this machine.
func ExampleSystem() {
	service := pcsc.System(nil)
	defer service.Close()
	readers, err := service.Readers(context.Background())
	if err != nil {
		log.Fatalf("%v\n%s", err, card.Hint(err))
	}
	for _, r := range readers {
		fmt.Println(r.Name, r.Present)
	}
}

// Print the readers of a server of software readers.
func ExampleSocket() {
	dir, err := os.MkdirTemp("", "pcsc")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		log.Fatal(err)
	}
	server := cardtest.NewReaders(cardtest.Logon("alice@example.com"))
	defer server.Close()
	go server.Serve(l)

	service := pcsc.Socket(path, nil)
	defer service.Close()
	readers, err := service.Readers(context.Background())
	if err != nil {
		log.Fatalf("%v\n%s", err, card.Hint(err))
	}
	for _, r := range readers {
		fmt.Println(r.Name, r.Present)
	}
	// Output: Software Reader 00 true
}
