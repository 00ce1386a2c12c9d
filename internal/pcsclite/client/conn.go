package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// A conn is a connection to the service with one context on it. Its calls must
// not be concurrent.
type conn struct {
	net     net.Conn
	minor   uint32 // version 4.minor
	context uint32
	lost    error // why the connection can no longer be used
}

const (
	// responseGrace is how long a response is waited for after the context of
	// its request ended. Without the response the connection is of no use, and
	// a service that works responds at once.
	responseGrace = 250 * time.Millisecond

	// handshakeTimeout is how long the service may take to accept a client.
	handshakeTimeout = 10 * time.Second

	// maxDropPause bounds the pauses between attempts to connect to a service
	// that closes the connection before it responds.
	maxDropPause = 64 * time.Millisecond
)

// dial connects to the service by version 4.minor, or by the version that the
// service asks for.
//
// pcscd closes the connection without a response both if polkit refuses the user
// and if it exits at that moment. Only the first lasts, so dial tries again.
func dial(ctx context.Context, path string, minor uint32) (*conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeTimeout, notResponding(path))
	defer cancel()
	negotiated := false
	for pause := time.Millisecond; ; {
		c, err := open(ctx, path, minor)
		if err == nil {
			return c, nil
		}
		var version *versionError
		switch {
		case errors.Is(err, errDropped):
			if pause > maxDropPause {
				return nil, refused(path)
			}
			if err := sleep(ctx, pause); err != nil {
				return nil, err
			}
			pause *= 2
		case !errors.As(err, &version) || !version.supported():
			return nil, err
		case negotiated || version.minor == minor:
			return nil, fmt.Errorf("%w: %q refuses its own protocol version 4.%d", driver.NoService, path, minor)
		default:
			minor, negotiated = version.minor, true
		}
	}
}

// open makes a connection of one version.
func open(ctx context.Context, path string, minor uint32) (*conn, error) {
	var d net.Dialer
	socket, err := d.DialContext(ctx, "unix", path)
	for pause := time.Millisecond; errors.Is(err, syscall.EAGAIN); pause = min(2*pause, 50*time.Millisecond) {
		// The backlog of the socket is full.
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
		socket, err = d.DialContext(ctx, "unix", path)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, contextError(ctx)
		}
		return nil, connectError(path, err)
	}
	c := &conn{net: socket, minor: minor}
	err = c.negotiate(ctx, path)
	if err == nil {
		err = c.establish(ctx)
	}
	if err != nil {
		c.net.Close()
		return nil, err
	}
	return c, nil
}

// negotiate agrees with the service on a version.
func (c *conn) negotiate(ctx context.Context, path string) error {
	v := pcsclite.Version{Major: pcsclite.Major, Minor: c.minor}
	if err := c.call(ctx, 0, pcsclite.CmdVersion, &v); err != nil {
		if ctx.Err() == nil && errors.Is(err, driver.ServiceStopped) {
			return fmt.Errorf("%w: %w", errDropped, err)
		}
		return err
	}
	if v.Major != pcsclite.Major || v.Minor < pcsclite.MinMinor ||
		pcsclite.Errno(v.Result) == driver.ServiceStopped {
		return &versionError{path, v.Major, v.Minor}
	}
	if v.Result != 0 {
		return fmt.Errorf("negotiate protocol version: %w", pcsclite.Errno(v.Result))
	}
	// A service that is not strict responds with its own version; the lower
	// of both applies.
	c.minor = min(c.minor, v.Minor)
	return nil
}

// establish establishes the context.
func (c *conn) establish(ctx context.Context) error {
	e := pcsclite.Establish{Scope: pcsclite.ScopeSystem}
	if err := c.call(ctx, 0, pcsclite.CmdEstablish, &e); err != nil {
		return err
	}
	c.context = e.Context
	return pcsclite.Errno(e.Result)
}

// call sends a request and reads the response into its body. If ctx ends, call
// waits for the response as long as grace says, and then closes the connection.
func (c *conn) call(ctx context.Context, grace time.Duration, cmd pcsclite.Command, m pcsclite.Body) error {
	return c.exchange(ctx, grace, func() error {
		if err := c.send(pcsclite.Request{Command: cmd, Body: m}); err != nil {
			return err
		}
		return pcsclite.ReadResponse(c.net, m)
	})
}

// send writes requests and clears its copy of them, which may contain a PIN.
func (c *conn) send(requests ...pcsclite.Request) error {
	size := 0
	for _, r := range requests {
		size += 512 + len(r.Data) // header and body are shorter
	}
	b := make([]byte, 0, size) // append must not copy a PIN to new memory
	for _, r := range requests {
		b = pcsclite.AppendRequest(b, r)
	}
	_, err := c.net.Write(b)
	clear(b)
	return err
}

// exchange runs f, which sends a request and reads its response. If f fails, the
// connection is lost.
func (c *conn) exchange(ctx context.Context, grace time.Duration, f func() error) error {
	if c.lost != nil {
		return c.lost
	}
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	release := c.limit(ctx, grace)
	err := f()
	release()
	if err == nil {
		return nil
	}
	c.lost = driver.ServiceStopped
	c.net.Close()
	switch {
	case ctx.Err() != nil:
		return contextError(ctx)
	case errors.Is(err, driver.CommError):
		return err
	}
	return fmt.Errorf("%w: %w", driver.ServiceStopped, withoutAddresses(err))
}

// limit makes reads and writes fail grace after the end of ctx, until release is
// called.
func (c *conn) limit(ctx context.Context, grace time.Duration) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		c.net.SetDeadline(time.Now().Add(grace))
	})
	return func() {
		if !stop() {
			<-done
			c.net.SetDeadline(time.Time{})
		}
	}
}

// close closes the connection, which releases its context and cards.
func (c *conn) close() {
	if c.lost == nil {
		c.lost = driver.InvalidHandle
	}
	c.net.Close()
}

// contextError returns the error of a context that has ended: its cause if that
// wraps a driver.Errno, as after Close.
func contextError(ctx context.Context) error {
	var no driver.Errno
	if cause := context.Cause(ctx); errors.As(cause, &no) {
		return cause
	}
	return ctx.Err()
}
