package soak_test

import (
	"net"
	"os"
	"path/filepath"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
)

// A backend is a way from a program to the software readers.
type backend struct {
	name string

	// open returns the services of programs. The path is that of a socket on
	// which the readers are served; it is empty if the backend needs none.
	open   func(readers *cardtest.Readers, path string) *card.Service
	socket bool

	// spare is what the backend may have open at rest beside what it uses: the
	// context that winscard keeps for the next wait is a goroutine of the server
	// and a file at both ends.
	spare level
}

// backends lists those of this build.
func backends() []backend {
	list := []backend{
		{name: "in process", open: func(r *cardtest.Readers, _ string) *card.Service { return r.Service() }},
		{name: "Go client", socket: true, open: func(_ *cardtest.Readers, path string) *card.Service {
			return card.NewService(client.New(path), nil)
		}},
	}
	if openLibrary != nil {
		list = append(list, backend{name: "libpcsclite", socket: true, spare: level{Goroutines: 1, Files: 2}, open: func(_ *cardtest.Readers, path string) *card.Service {
			return openLibrary(path)
		}})
	}
	return list
}

// A connection is the way of one backend to one set of readers.
type connection struct {
	backend
	readers *cardtest.Readers
	path    string
	dir     string
	served  chan error
}

func (b backend) connect(readers *cardtest.Readers) (*connection, error) {
	c := &connection{backend: b, readers: readers}
	if !b.socket {
		return c, nil
	}
	var err error
	if c.dir, err = os.MkdirTemp("", "soak"); err != nil {
		return nil, err
	}
	c.path = filepath.Join(c.dir, "s")
	l, err := net.Listen("unix", c.path)
	if err != nil {
		return nil, err
	}
	c.served = make(chan error, 1)
	go func() { c.served <- readers.Serve(l) }()
	return c, nil
}

func (c *connection) service() *card.Service { return c.open(c.readers, c.path) }

// close closes the readers, too.
func (c *connection) close() error {
	if err := c.readers.Close(); err != nil {
		return err
	}
	if c.served == nil {
		return nil
	}
	if err := <-c.served; err != nil {
		return err
	}
	return os.RemoveAll(c.dir)
}
