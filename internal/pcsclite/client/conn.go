package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// A conn is one connection to the service, with one context of the service on
// it. Its calls are never concurrent.
type conn struct {
	net     net.Conn
	minor   uint32 // version 4.minor
	context uint32
	lost    error // why it can no longer be used
}

// grace is how long a request that the service has already is waited for when
// nobody wants the answer any more: it comes at once from a service that is
// well, and without it the connection cannot be used again.
const grace = 250 * time.Millisecond

// greeting is how long the service may take to say hello.
const greeting = 10 * time.Second

// dial connects to the service and agrees with it on a version: 4.minor, or the
// one that a strict service asks for.
func dial(ctx context.Context, path string, minor uint32) (*conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, greeting,
		fmt.Errorf("%w: %q does not answer", driver.NoService, path))
	defer cancel()
	for range 2 {
		c, err := open(ctx, path, minor)
		if err == nil {
			return c, nil
		}
		var other *otherVersion
		if !errors.As(err, &other) || other.major != pcsclite.Major ||
			other.minor == minor || other.minor < pcsclite.MinMinor || other.minor > pcsclite.MaxMinor {
			return nil, err
		}
		minor = other.minor
	}
	return nil, fmt.Errorf("%w: %q refuses the version that it asked for", driver.NoService, path)
}

// otherVersion says that the service speaks another version.
type otherVersion struct{ major, minor uint32 }

func (e *otherVersion) Error() string {
	return fmt.Sprintf("%v: it speaks version %d.%d of pcscd's protocol, want %d.%d to %d.%d", driver.NoService,
		e.major, e.minor, pcsclite.Major, pcsclite.MinMinor, pcsclite.Major, pcsclite.MaxMinor)
}

func (e *otherVersion) Unwrap() error { return driver.NoService }

// open makes a connection of one version.
func open(ctx context.Context, path string, minor uint32) (*conn, error) {
	var d net.Dialer
	socket, err := d.DialContext(ctx, "unix", path)
	for pause := time.Millisecond; errors.Is(err, syscall.EAGAIN); pause = min(2*pause, 50*time.Millisecond) {
		// The service has not yet taken in those who came before.
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
		socket, err = d.DialContext(ctx, "unix", path)
	}
	if err != nil {
		return nil, unreachable(ctx, path, err)
	}
	c := &conn{net: socket, minor: minor}
	if err := c.greet(ctx); err != nil {
		c.net.Close()
		if ctx.Err() == nil && errors.Is(err, driver.ServiceStopped) {
			// polkit, where pcscd asks it, refuses people so.
			err = fmt.Errorf("%w: %q closed the connection at once; may this user use it?", driver.NoService, path)
		}
		return nil, err
	}
	return c, nil
}

// unreachable is the error of a service that cannot be connected to.
func unreachable(ctx context.Context, path string, err error) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	kind := driver.NoService
	if errors.Is(err, fs.ErrPermission) {
		kind = driver.NoAccess
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the rest repeats the path
	}
	return fmt.Errorf("%w: %q: %v", kind, path, err)
}

func (c *conn) greet(ctx context.Context) error {
	v := pcsclite.Version{Major: pcsclite.Major, Minor: c.minor}
	if err := c.call(ctx, 0, pcsclite.CmdVersion, &v); err != nil {
		return err
	}
	if v.Major != pcsclite.Major || v.Minor < pcsclite.MinMinor ||
		pcsclite.Errno(v.Result) == driver.ServiceStopped {
		return &otherVersion{v.Major, v.Minor}
	}
	if v.Result != 0 {
		return fmt.Errorf("greeting: %w", pcsclite.Errno(v.Result))
	}
	// A service that is not strict tells its own version and takes the lower.
	c.minor = min(c.minor, v.Minor)

	e := pcsclite.Establish{Scope: pcsclite.ScopeSystem}
	if err := c.call(ctx, 0, pcsclite.CmdEstablish, &e); err != nil {
		return err
	}
	c.context = e.Context
	return pcsclite.Errno(e.Result)
}

// call sends a request and reads the answer into its body. When ctx ends it
// waits for the answer as long as patience says; a connection on which an
// answer is still to come is closed.
func (c *conn) call(ctx context.Context, patience time.Duration, cmd pcsclite.Command, m pcsclite.Body) error {
	return c.do(ctx, patience, func() error {
		if err := c.send(pcsclite.Request{Command: cmd, Body: m}); err != nil {
			return err
		}
		return pcsclite.ReadResponse(c.net, m)
	})
}

// send writes requests and forgets them: there may be a PIN in them.
func (c *conn) send(requests ...pcsclite.Request) error {
	size := 0
	for _, r := range requests {
		size += 512 + len(r.Data) // headers and bodies are shorter
	}
	b := make([]byte, 0, size)
	for _, r := range requests {
		b = pcsclite.AppendRequest(b, r)
	}
	_, err := c.net.Write(b)
	clear(b)
	return err
}

// do runs one exchange. If it fails, the connection is lost.
func (c *conn) do(ctx context.Context, patience time.Duration, exchange func() error) error {
	if c.lost != nil {
		return c.lost
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	release := c.until(ctx, patience)
	err := exchange()
	release()
	if err == nil {
		return nil
	}
	c.lost = driver.ServiceStopped
	c.net.Close()
	switch {
	case ctx.Err() != nil:
		return ended(ctx)
	case errors.Is(err, driver.CommError):
		return err
	}
	return fmt.Errorf("%w: %v", driver.ServiceStopped, cause(err))
}

// until makes the reads and writes fail some time after the end of ctx, until
// release is called.
func (c *conn) until(ctx context.Context, patience time.Duration) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		c.net.SetDeadline(time.Now().Add(patience))
	})
	return func() {
		if !stop() {
			<-done
			c.net.SetDeadline(time.Time{})
		}
	}
}

// close ends the connection. The service frees all that hangs on it.
func (c *conn) close() {
	if c.lost == nil {
		c.lost = driver.InvalidHandle
	}
	c.net.Close()
}

// ended is the error of a context that has ended, or the reason it was given.
func ended(ctx context.Context) error {
	var no driver.Errno
	if cause := context.Cause(ctx); errors.As(cause, &no) {
		return cause
	}
	return ctx.Err()
}

// cause is an error of the network without the names of sockets, which say
// nothing.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
